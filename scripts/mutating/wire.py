"""Frames and sessions: nothing is acted on before its tag verifies."""

from __future__ import annotations

from mutating.mutant import Mutant

SESSION = ("tests/wire/test_session.py",)
FRAME = ("tests/wire/test_frame.py",)
CONNECTION = ("tests/wire/test_connection.py",)
GATE = ("tests/wire/test_gate.py",)
VERIFY = "        verify_one_time_tag(key, self._receive_prefix + frame[:-TAG_BYTES], frame[-TAG_BYTES:])\n"
ADVANCE = "        pool.advance(header.position + length)\n"

MUTANTS = (
    Mutant("a frame's tag is not verified", "dsked/wire/session.py", VERIFY, "", SESSION),
    Mutant(
        "the mark moves before the tag has verified",
        "dsked/wire/session.py",
        VERIFY + ADVANCE,
        ADVANCE + VERIFY,
        SESSION,
    ),
    Mutant(
        "an ack is taken before the tag has verified",
        "dsked/wire/session.py",
        VERIFY,
        "        self.streams.local.acknowledged(header.ack)\n" + VERIFY,
        SESSION,
    ),
    Mutant(
        "a tag that does not verify is let pass",
        "dsked/auth/tags.py",
        '        raise TagError("the tag does not verify") from None\n',
        "        pass\n",
        ("tests/auth/test_tags.py",),
    ),
    Mutant(
        "the last byte of a frame is not under its tag",
        "dsked/wire/session.py",
        "one_time_tag(key, self._send_prefix + untagged)",
        "one_time_tag(key, self._send_prefix + untagged[:-3])",
        ("tests/wire/test_session.py", "tests/proto/test_frames.py"),
        more=(
            ("self._receive_prefix + frame[:-TAG_BYTES],", "self._receive_prefix + frame[:-TAG_BYTES - 3],"),
        ),
    ),
    Mutant(
        "the receiver's nonce is not under a frame's tag",
        "dsked/wire/session.py",
        "self._send_prefix + untagged)",
        "self._send_prefix[-1:] + untagged)",
        ("tests/wire/test_session.py", "tests/proto/test_frames.py"),
        more=(("self._receive_prefix + frame", "self._receive_prefix[-1:] + frame"),),
    ),
    Mutant(
        "the direction is not under a frame's tag",
        "dsked/wire/session.py",
        "self._send_prefix + untagged)",
        "self._send_prefix[:-1] + untagged)",
        ("tests/wire/test_session.py", "tests/proto/test_frames.py"),
        more=(("self._receive_prefix + frame", "self._receive_prefix[:-1] + frame"),),
    ),
    Mutant(
        "a frame may take as many pads as it says",
        "dsked/wire/session.py",
        "        if header.pads > self._max_pads_received:\n",
        "        if False:\n",
        SESSION,
    ),
    Mutant(
        "a frame may take more pads than its secrets need",
        "dsked/wire/session.py",
        "if len(data) != header.pads:",
        "if len(data) > header.pads:",
        SESSION,
    ),
    Mutant(
        "secrets leave without their pad",
        "dsked/wire/session.py",
        '            message.replace_secrets(_cut(apply_pad(b"".join(bins), pad[MASK_BYTES:]), bins))\n',
        "            pass\n",
        ("tests/wire/test_session.py", "tests/proto/test_frames.py"),
        more=(
            (
                "            message.replace_secrets(_cut(apply_pad(data, pad[MASK_BYTES:]), bins))\n",
                "            pass\n",
            ),
        ),
    ),
    Mutant(
        "the mask of a tag is the pad of a secret as well",
        "dsked/wire/session.py",
        'apply_pad(b"".join(bins), pad[MASK_BYTES:])',
        'apply_pad(b"".join(bins), pad[:pads])',
        ("tests/wire/test_session.py", "tests/proto/test_frames.py"),
        more=(("apply_pad(data, pad[MASK_BYTES:])", "apply_pad(data, pad[:header.pads])"),),
    ),
    Mutant(
        "what waits for a peer that does not read has no end",
        "dsked/wire/session.py",
        "if self.outbox_bytes > MAX_OUTBOX_BYTES or len(self._outbox) >= MAX_OUTBOX_MESSAGES:",
        "if False:",
        SESSION,
    ),
    Mutant(
        "odd bytes between a frame's fields",
        "dsked/wire/frame.py",
        "    if marks != (ARRAY_OF_7, _UINT32, _UINT64, _UINT32, _UINT64, _BIN32) or kind > MAX_TYPE:\n",
        "    if kind > MAX_TYPE:\n",
        FRAME,
    ),
    Mutant(
        "a frame whose lengths disagree",
        "dsked/wire/frame.py",
        "if length + LENGTH_BYTES != len(frame) or body_bytes + OVERHEAD_BYTES != len(frame):",
        "if length + LENGTH_BYTES != len(frame):",
        FRAME,
    ),
    Mutant(
        "an odd head of the tag",
        "dsked/wire/frame.py",
        "if frame[-TRAILER_BYTES:-TAG_BYTES] != _TAG_HEAD:",
        "if False:",
        FRAME,
    ),
    Mutant(
        "a length without a limit",
        "dsked/wire/frame.py",
        "if not 0 < length <= self.max_bytes:",
        "if not 0 < length:",
        FRAME,
    ),
    Mutant(
        "large frames before authentication",
        "dsked/wire/connection.py",
        "FrameBuffer(MAX_HANDSHAKE_BYTES)",
        "FrameBuffer(MAX_FRAME_BYTES)",
        CONNECTION,
    ),
    Mutant(
        "what a connection that was replaced has sent is acted on",
        "dsked/wire/connection.py",
        "            if self._reads_no_more():\n                return\n",
        "",
        CONNECTION,
    ),
    Mutant(
        "a body that is not canonical",
        "dsked/wire/messages.py",
        "    if _ENCODER.encode(message) != body:\n",
        "    if not body:\n",
        ("tests/wire/test_messages.py",),
    ),
    Mutant(
        "sealed frames where PSRD is not simulated",
        "dsked/wire/connection.py",
        "        if pair.simulated:\n            self._sealer",
        "        if pair:\n            self._sealer",
        CONNECTION,
    ),
    Mutant(
        "a hub takes blocks, a client requests for them",
        "dsked/wire/connection.py",
        "if self._sealer is None or piece[_TYPE_OFFSET : _TYPE_OFFSET + 1] != bytes((self.takes_sealed,)):",
        "if self._sealer is None:",
        CONNECTION,
    ),
    Mutant(
        "M4 before M3",
        "dsked/wire/connection.py",
        "        if not self.proved:\n            raise PeerError",
        "        if False:\n            raise PeerError",
        CONNECTION,
    ),
    Mutant(
        "two sealed frames under one nonce",
        "dsked/wire/gate.py",
        "        self._counter += 1\n",
        "",
        GATE,
    ),
    Mutant(
        "both directions of sealed frames under one key",
        "dsked/wire/gate.py",
        "info=_INFO + sender.value)",
        "info=_INFO)",
        ("tests/wire/test_gate.py", "tests/proto/test_frames.py"),
    ),
    Mutant(
        "the header of a sealed frame is not authenticated",
        "dsked/wire/gate.py",
        "(self._key).encrypt(self.nonce(), data, header)",
        "(self._key).encrypt(self.nonce(), data, None)",
        ("tests/wire/test_gate.py", "tests/proto/test_frames.py"),
        more=(
            (
                "(self._key).decrypt(self.nonce(), data, header)",
                "(self._key).decrypt(self.nonce(), data, None)",
            ),
        ),
    ),
    Mutant(
        "a sealed frame that claims a position",
        "dsked/wire/gate.py",
        "        if (header.position, header.pads, header.ack, frame[-TAG_BYTES:]) != (0, 0, 0, _NO_TAG):\n",
        "        if False:\n",
        GATE,
    ),
    Mutant(
        "terms without an order of responders",
        "dsked/wire/terms.py",
        "    if len(responders) > 1 and sort_parties(set(responders)) != responders:\n",
        "    if not responders:\n",
        ("tests/wire/test_terms.py",),
    ),
    Mutant(
        "terms with k = 1 are taken from the wire",
        "dsked/wire/terms.py",
        "if not 2 <= group.k <= group.n",
        "if not 1 <= group.k <= group.n",
        ("tests/wire/test_terms.py",),
    ),
    Mutant(
        "code shares of any length and number",
        "dsked/wire/terms.py",
        "len(key.codes) == len(responder_clients(terms)) and all(len(code) == size for code in key.codes)",
        "size > 0",
        ("tests/wire/test_terms.py",),
    ),
    Mutant(
        "a piece beyond the end of its share",
        "dsked/wire/terms.py",
        "    if not key.share or key.offset + len(key.share) > terms.key_bytes:\n",
        "    if not key.share:\n",
        ("tests/wire/test_terms.py",),
    ),
)
