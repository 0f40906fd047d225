"""Whole connections, before and after authentication: what is changed is tagged truly, so that it counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import IntEnum
from functools import partial
from typing import TypeVar

from dsked.auth.tags import GATE_MAC_BYTES, gate_mac, one_time_tag
from dsked.errors import DskedError, FrameError, PeerError, PoolExhaustedError, StorageError, TagError
from dsked.limits import MASK_BYTES, MAX_HANDSHAKE_BYTES, NONCE_BYTES, ONE_TIME_KEY_BYTES, TAG_BYTES
from dsked.psrd.pair import Side
from dsked.psrd.pool import ReceiverPool
from dsked.wire import messages
from dsked.wire.connection import ClientConnection, Connection, HubConnection, Stage
from dsked.wire.frame import HEADER_BYTES, LENGTH_BYTES, Header, encode_untagged
from dsked.wire.gate import Sealer
from dsked.wire.handshake import M3, M4, SessionKeys, decode_part
from dsked.wire.session import Session

from . import ends, examples, script
from .target import Given, Target
from .targets_wire import sealed_messages

_SIDE_OF = {HubConnection: Side.HUB, ClientConnection: Side.CLIENT}
_HONEST_TURNS = 3
End = TypeVar("End", bound=Connection)


class Do(IntEnum):
    """What a step makes of its content."""

    SAY = 0  # it is sent as it is
    HONEST = 1  # the honest end's next bytes; a content of three is a place and the bits that change there
    PROVE = 2  # a message of the handshake, without length prefix: it gets its true MAC or tag
    FRAME = 3  # head and body of a frame, which gets its true tag
    SEAL = 4  # type, request id and body of simulated delivery, which are truly sealed


def frame_step(kind: int, body: bytes, *, request_id: int = 1, pads: int = 0) -> bytes:
    """The content of a step FRAME: type, request id, pads, ack, gap before its position; then the body."""
    return b"".join(
        (bytes([kind]), request_id.to_bytes(4, "big"), pads.to_bytes(4, "big"), bytes(8), bytes(2), body)
    )


_HEAD_BYTES = len(frame_step(0, b""))


def _true_frame(content: bytes, pool: ReceiverPool, hash_key: bytes, prefix: bytes) -> bytes:
    """A frame with a tag that verifies, as far as its position is in the pool."""
    content = content.ljust(_HEAD_BYTES, b"\0")
    request_id, pads, ack, gap = (
        int.from_bytes(content[start:end], "big") for start, end in ((1, 5), (5, 9), (9, 17), (17, 19))
    )
    position = pool.mark + gap
    untagged = encode_untagged(
        Header(content[0] & 0x7F, request_id, position, pads, ack), content[_HEAD_BYTES:]
    )
    mask = bytes(MASK_BYTES)
    with suppress(PoolExhaustedError):
        mask = pool.store.read(position, MASK_BYTES)
    return untagged + one_time_tag(hash_key + mask, prefix + untagged)


class _Play:
    """A script that is played to an end, piece by piece, beside the honest end of the other side."""

    def __init__(self, end: Connection, honest: Connection) -> None:
        self.end = end
        self.honest = honest
        self.said = b""
        self._transcript = b""
        self._sealer: Sealer | None = None
        self._hear()

    def step(self, step: script.Step) -> None:
        """Raises DskedError where the end has enough."""
        for piece in self._pieces(step):
            self.said += piece
            self._transcript += piece
            for _ in self.end.receive_data(piece):
                pass
            if self.end.stage is not Stage.OPEN:
                self._hear()

    def _hear(self) -> None:
        """What the end says goes to the honest one, as long as that understands."""
        data = self.end.data_to_send()
        self._transcript += data
        with suppress(DskedError):
            list(self.honest.receive_data(data))

    def _pieces(self, step: script.Step) -> list[bytes]:
        match step.kind:
            case Do.HONEST:
                data = self.honest.data_to_send()
                return [_changed(data, step.content)] if data else []
            case Do.PROVE:
                return [self._proved(step.content)]
            case Do.FRAME if self.end.session is not None:
                session = self.end.session  # what the honest end would tag with, had it come as far
                return [
                    _true_frame(
                        step.content, session.streams.peer, session._receive_hash_key, session._receive_prefix
                    )
                ]
            case Do.SEAL if self.end.delivers_blocks:
                return [self._sealed(step.content)]
        return [step.content]

    def _proved(self, body: bytes) -> bytes:
        raw = (len(body) % 2**32).to_bytes(LENGTH_BYTES, "big") + body
        if self.end.stage is Stage.HELLO:
            label = b"M1" if isinstance(self.end, HubConnection) else b"M2"
            untold = raw[:-GATE_MAC_BYTES]
            return untold + gate_mac(ends.GATE_KEY, label, self._transcript + untold)
        if self.end.stage is Stage.PROOF and self.end.streams is not None:
            return self._with_tag(raw, self.end.streams.peer)
        return raw

    def _with_tag(self, raw: bytes, pool: ReceiverPool) -> bytes:
        hub = isinstance(self.end, HubConnection)
        key = bytes(ONE_TIME_KEY_BYTES)
        with suppress(FrameError, PoolExhaustedError):
            part = decode_part(M3, raw) if hub else decode_part(M4, raw)
            key = pool.store.read(part.position, ONE_TIME_KEY_BYTES)
        side = Side.CLIENT if hub else Side.HUB
        return raw[:-TAG_BYTES] + one_time_tag(key, side.value + self._transcript + raw[:-TAG_BYTES])

    def _sealed(self, content: bytes) -> bytes:
        content = content.ljust(5, b"\0")
        if self._sealer is None:
            side, handshake = _SIDE_OF[type(self.end)], self.end.handshake  # type: ignore[attr-defined]
            nonces = (
                (handshake.nonce, handshake.client_nonce)
                if side is Side.HUB
                else (handshake.hub_nonce, handshake.nonce)
            )
            self._sealer = Sealer(side.other, ends.GATE_KEY, *nonces)
        header, body = Header(content[0] & 0x7F, int.from_bytes(content[1:5], "big"), 0, 0, 0), content[5:]
        associated = encode_untagged(header, bytes(len(body) + TAG_BYTES))[:HEADER_BYTES]
        return encode_untagged(header, self._sealer._out.seal(body, associated)) + bytes(TAG_BYTES)


def _changed(data: bytes, content: bytes) -> bytes:
    if len(content) != 3:
        return data
    at = int.from_bytes(content[:2], "big") % len(data)
    return data[:at] + bytes([data[at] ^ content[2]]) + data[at + 1 :]


def _wire(end: Callable[[], Connection], honest: Callable[[], Connection], data: bytes) -> bytes:
    """The bytes that a script sends."""
    play = _Play(end(), honest())
    with suppress(DskedError):
        for step in script.decode(data):
            play.step(step)
    return play.said


def _run(make: Callable[[], Connection], pieces: Sequence[bytes], given: Given) -> None:
    end = make()
    try:
        for piece in pieces:
            given.extend(end.receive_data(piece))
    finally:
        given.append(_state(end))
    given.append(end.data_to_send())


def _state(end: Connection) -> object:
    """All that bytes from outside may change."""
    pools: list[object] = []
    for streams in (end.streams, end.pair.streams if end.pair else None):
        if streams is None:
            continue
        local, peer = streams.local, streams.peer
        pools += [local.next, local.durable, local.acked, local.held_end, peer.mark, peer.durable, peer.told]
    session = end.session and (end.session.frames_received, end.session.max_pads, end.session.outbox_bytes)
    pair = end.pair and (end.pair.had_session, end.pair.proved_boot, end.pair.rewound, end.pair.alarm)
    return end.stage, pools, session, pair


def _bodies() -> list[bytes]:
    """Steps of one frame each."""
    steps = []
    for one in examples.document("frames")["frames"]:
        if len(one["sent_body"]) < 4000:
            steps.append(frame_step(one["type"], bytes.fromhex(one["sent_body"]), pads=one["pads"]))
    return steps


def _scripts() -> list[bytes]:
    honest = [(Do.HONEST, b"")] * _HONEST_TURNS
    frames = _bodies()
    seals = [
        (Do.SEAL, bytes([int(one.type)]) + bytes(4) + messages.encode_body(one)) for one in sealed_messages()
    ]
    parts = [
        [(Do.PROVE, next(iter(examples.handshake(name)))[LENGTH_BYTES:]) for name in names]
        for names in (("M1", "M3"), ("M0", "M2", "M4"))
    ]
    return [
        *(script.encode([*honest, (Do.FRAME, frame), (Do.FRAME, frames[0])]) for frame in frames),
        *(script.encode([*honest[:number], seal, *honest]) for number in (1, 2) for seal in seals),
        *(script.encode(part) for part in parts),
        *(script.encode([*honest[:1], part[-1]]) for part in parts),
        script.encode([*honest, (Do.SAY, bytes(4))]),
        script.encode([(Do.HONEST, b"\x00\x09\x01"), *honest]),
    ]


def _own_parts(honest: Callable[[], Connection], end: Callable[[], Connection]) -> list[bytes]:
    """Scripts whose handshake is the honest end's own, told step by step so that it can be changed."""
    near, far = end(), honest()
    steps: list[tuple[int, bytes]] = []
    for _ in range(_HONEST_TURNS):
        with suppress(PeerError):
            list(far.receive_data(near.data_to_send()))
        data = far.data_to_send()
        if data:
            steps.append((Do.PROVE, data[LENGTH_BYTES:]))
            list(near.receive_data(data))
    whole = script.encode([*steps, (Do.FRAME, _bodies()[0])])
    honest_first = [(Do.HONEST, b"")]
    return [whole, *(script.encode(honest_first * at + steps[at : at + 1]) for at in range(len(steps)))]


_ERRORS = (PeerError, StorageError, PoolExhaustedError)


def _refused_and_on() -> bytes:
    """A refusal, and then what would be refused once more if it were still looked at."""
    m1 = next(iter(examples.handshake("M1")))[LENGTH_BYTES:]
    return script.encode([(Do.PROVE, m1), (Do.SAY, b"GET / HTTP/1.1")])


def _connection_target(
    name: str, what: str, end: Callable[[], Connection], honest: Callable[[], Connection]
) -> Target:
    return Target(
        name=name,
        what=what,
        declared=_ERRORS,
        seeds=lambda: [*_own_parts(honest, end), *_scripts()],
        stream=partial(_run, end),
        wire=partial(_wire, end, honest),
        script=True,
        max_bytes=2048,
        regressions=(_refused_and_on(),),
    )


def _outsider_target(name: str, what: str, end: Callable[[], Connection], said: tuple[str, ...]) -> Target:
    return Target(
        name=name,
        what=what,
        declared=(PeerError,),
        seeds=lambda: [
            b"".join(next(iter(examples.handshake(part))) for part in said),
            b"GET / HTTP/1.1\r\n\r\n",
        ],
        stream=partial(_run, end),
        msgpack_at=LENGTH_BYTES,
        max_bytes=2 * MAX_HANDSHAKE_BYTES,
    )


_KEYS = SessionKeys(bytes(NONCE_BYTES), bytes(16), bytes(NONCE_BYTES), bytes(16))


def _open_frame(data: bytes) -> object:
    """A frame behind a true tag, at a session that has just opened: what it says, and what has moved."""
    session = Session(Side.HUB, ends.media_streams(Side.HUB), _KEYS, 4096)
    pool = session.streams.peer
    frame = _true_frame(data, pool, session._receive_hash_key, session._receive_prefix)
    try:
        return session.open(frame), pool.mark
    except TagError:
        assert pool.mark == 0, "a tag that does not verify has moved the mark"
        raise


_HUBS = {False: partial(ends.hub_end, simulated=False), True: partial(ends.hub_end, simulated=True)}
_CLIENTS = {False: partial(ends.client_end, simulated=False), True: partial(ends.client_end, simulated=True)}

TARGETS = (
    Target(
        name="session-frame",
        what="a frame behind a true tag",
        declared=(PeerError,),
        seeds=_bodies,
        decode=_open_frame,
        msgpack_at=_HEAD_BYTES,
    ),
    _outsider_target("hub-outsider", "an outsider's bytes at a hub", _HUBS[False], ("M1", "M3")),
    _outsider_target("client-outsider", "an outsider's bytes at a client", _CLIENTS[False], ("M0", "M2")),
    _connection_target("hub-media", "a client's bytes at a hub", _HUBS[False], _CLIENTS[False]),
    _connection_target(
        "hub-simulated", "a client's bytes at a hub that makes PSRD", _HUBS[True], _CLIENTS[True]
    ),
    _connection_target("client-media", "a hub's bytes at a client", _CLIENTS[False], _HUBS[False]),
    _connection_target(
        "client-simulated", "a hub's bytes at a client that gets PSRD", _CLIENTS[True], _HUBS[True]
    ),
)
