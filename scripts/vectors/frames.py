"""Vectors of frames: every message as a body and as a frame, and frames that must be refused."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from dsked.auth.pads import apply_pad
from dsked.auth.tags import one_time_tag
from dsked.errors import ErrorCode
from dsked.limits import MASK_BYTES
from dsked.psrd.pair import Side
from dsked.wire import messages as ms
from dsked.wire.frame import Header, encode_untagged
from vectors.common import fixed, unpacked
from vectors.sharing import CAROL_SAM, CONNIE_SOFIA, LONG, SHORT

WINDOW_BYTES = 16 * 1024
NONCES = {Side.CLIENT: fixed("Nc", 16), Side.HUB: fixed("Nh", 16)}
HASH_KEYS = {side: fixed(f"r {side.name}", 16) for side in Side}


def make_frame(side: Side, header: Header, body: bytes, mask: bytes) -> bytes:
    """A tagged frame of the vectors' session. `header.pads` and the body stand as they are."""
    untagged = encode_untagged(header, body)
    prefix = NONCES[side.other] + side.value
    return untagged + one_time_tag(HASH_KEYS[side] + mask, prefix + untagged)


def frame_vectors() -> dict[str, Any]:
    """Every message as a body and as a frame, in the order of one session."""
    frames, ends = [], {Side.CLIENT: 48, Side.HUB: 5_000_000_000}
    for number, (name, side, request_id, message) in enumerate(_messages()):
        body = ms.encode_body(message) if isinstance(message, ms.Message) else message[1]
        kind = int(message.type) if isinstance(message, ms.Message) else message[0]
        bins = list(message.secrets()) if isinstance(message, ms.Message) else []
        pads = sum(map(len, bins))
        pool = fixed(f"pool {side.name} at {ends[side]}", MASK_BYTES + pads)
        sent = _padded(message, bins, pool[MASK_BYTES:]) if isinstance(message, ms.Message) else body
        header = Header(kind, request_id, ends[side], pads, 65_536 + number)
        frames.append(
            {
                "name": name, "direction": side.value.decode(), "receiver_nonce": NONCES[side.other].hex(),
                "hash_key": HASH_KEYS[side].hex(), **header._asdict(), "fields": unpacked(body),
                "plain_body": body.hex(), "pool_bytes": pool.hex(), "sent_body": sent.hex(),
                "frame": make_frame(side, header, sent, pool[:MASK_BYTES]).hex(),
            }
        )  # fmt: skip
        ends[side] += MASK_BYTES + pads
    return {"frames": frames}


def _padded(message: ms.Message, bins: list[bytes], pads: bytes) -> bytes:
    padded = apply_pad(b"".join(bins), pads)
    ends = [sum(map(len, bins[: i + 1])) for i in range(len(bins))]
    message.replace_secrets(iter([padded[e - len(b) : e] for e, b in zip(ends, bins, strict=True)]))
    return ms.encode_body(message)


def _messages() -> Iterator[tuple[str, Side, int, ms.Message | tuple[int, bytes]]]:
    """(name, sender, request id, message, or a type of a later version with its body)."""
    c, h = Side.CLIENT, Side.HUB
    key_id, other_id = (key_id for key_id, _ in SHORT.keys)
    of_hub, long_id = SHORT.hubs[0], LONG.keys[0][0]
    short_ids, short_shares = key_id + other_id, b"".join(share.share for share in of_hub)
    short_codes = b"".join(code for share in of_hub for code in share.codes)
    long_code, long_share = LONG.hubs[0][0].codes[0], LONG.hubs[0][0].share
    parties = [ms.PartyBody(*party) for party in SHORT.terms.responders]
    sofia, carol = [ms.PartyBody(*CONNIE_SOFIA)], ms.PartyBody(*CAROL_SAM)
    done = [ms.Confirmed("carol", short_ids), ms.Confirmed("cindy", long_id)]
    yield "REGISTER", c, 1, ms.Register(["sam", "süsan 9"])
    yield "REGISTERED: taken", h, 1, ms.Registered(ErrorCode.OK, [], 60_000)
    yield "REGISTERED: refused", h, 2, ms.Registered(ErrorCode.NOT_OWNER, ["süsan 9"], 60_000)
    yield "UNREGISTER", c, 0, ms.Unregister()
    yield "PING: tells the ack and the ends", h, 0, ms.Ping(False, 1 << 20, 1 << 40, [])
    yield "PING: asks for an answer, confirms", c, 0xFFFF_FFFF, ms.Ping(False, 1 << 20, 1 << 40, done)
    yield "PING: the answer", h, 0xFFFF_FFFF, ms.Ping(True, 1 << 20, 1 << 40, [])
    yield "ERROR", h, 3, ms.Error(ErrorCode.BAD_REQUEST, "message type 127 is not known here")
    yield "LOCATE", c, 4, ms.Locate(["sofia", "nobody"])
    yield "LOCATED", h, 4, ms.Located(["connie", None])
    yield "PUT_SHARES: two keys, two responder clients", c, 5, ms.PutShares([ms.PutGroup(
        "sam", parties, 5, 3, 60_000, 32, short_ids, 0, short_shares, short_codes,
    )])  # fmt: skip
    pieces = (0, long_share[:1000], long_code), (1000, long_share[1000:], b"")
    yield (
        "PUT_SHARES: two pieces of a long share",
        c,
        6,
        ms.PutShares([ms.PutGroup("sam", sofia, 3, 2, 59_950, 1040, long_id, *piece) for piece in pieces]),
    )
    yield "PUT_SHARES_ACK", h, 5, ms.PutSharesAck(bytes([ErrorCode.OK, ErrorCode.CONFLICT]))
    yield "PUT_SHARES_ACK: pieces", h, 6, ms.PutSharesAck(bytes([ErrorCode.PARTIAL, ErrorCode.OK]))
    wanted = [ms.GetGroup("carol", short_ids, 0), ms.GetGroup("carol", long_id, 1000)]
    yield "GET_SHARES: with confirmations", c, 7, ms.GetShares(wanted, 1000, done)
    yield "SHARES: for client connie, a late piece, and one unknown", h, 7, ms.Shares([
        ms.ShareGroup(carol, parties, 5, 3, 32, key_id, 0, of_hub[0].share, of_hub[0].codes[1]),
        ms.ShareGroup(carol, sofia, 3, 2, 1040, long_id, 1000, long_share[1000:], b""),
    ], [ms.Missing("carol", ErrorCode.UNKNOWN_KEY, other_id)])  # fmt: skip
    yield "SHARES: two keys, for client connie", h, 7, ms.Shares([
        ms.ShareGroup(carol, parties, 5, 3, 32, short_ids, 0, short_shares,
                      b"".join(share.codes[1] for share in of_hub)),
    ], [])  # fmt: skip
    yield "a type of a later version: answered with ERROR", c, 8, (0x7F, b"\x91\xc0")


#: PING [false, 0, 0, [["carol", 15 bytes]]]
_PING_15 = b"\x94\xc2\x00\x00\x91\x92\xa5carol\xc4\x0f" + bytes(15)
#: Names of what is refused only after its tag has verified.
_VERIFIED = ("not canonical", "a column", "one field", "bytes behind", "a string")


# --- frames that are refused ------------------------------------------------------------------------------


def refused_vectors() -> dict[str, Any]:
    """Frames from client to hub that must be refused, with the receiver's state before and after."""
    position, pads = 1000, 0
    body = ms.encode_body(ms.Locate(["sofia"]))
    mask = fixed("refused", MASK_BYTES)
    good = make_frame(Side.CLIENT, Header(0x18, 1, position, pads, 0), body, mask)

    def tagged(kind: int, data: bytes, bins: int = 0) -> bytes:
        return make_frame(Side.CLIENT, Header(kind, 1, position, bins, 0), data, mask)

    def with_length(piece: bytes) -> bytes:
        return struct.pack(">I", len(piece) - 4) + piece[4:]

    def flipped(offset: int, mask: int = 1) -> bytes:
        return bytes(b ^ mask if i == offset % len(good) else b for i, b in enumerate(good))

    end = position + MASK_BYTES
    reflected = make_frame(Side.HUB, Header(0x18, 1, position, pads, 0), body, mask)
    cases: list[tuple[str, str, bytes, dict[str, int]]] = [
        ("the frame itself, for comparison", "OK", good, {"mark_after": end}),
        ("shorter than any frame", "FRAME", with_length(good[:50]), {}),
        ("truncated, with its length mended", "FRAME", with_length(good[:-1]), {}),
        ("one byte more, with its length mended", "FRAME", with_length(good + b"\0"), {}),
        ("the body's length is wrong", "FRAME", flipped(38), {}),
        ("the array's head is wrong", "FRAME", flipped(4), {}),
        ("the type is above 0x7f", "FRAME", flipped(5, 0x80), {}),
        ("the position is no uint64", "FRAME", flipped(11), {}),
        ("the tag's head is wrong", "FRAME", flipped(-17), {}),
        ("the tag is wrong", "TAG", flipped(-1), {}),
        ("the body was changed", "TAG", flipped(41), {}),
        ("the request id was changed", "TAG", flipped(10), {}),
        ("the ack was changed", "TAG", flipped(28), {}),
        ("reflected: tagged by the receiver itself", "TAG", reflected, {}),
        ("a replay: its position is below the mark", "REPLAY", good, {"mark": end}),
        ("it reaches below the mark", "REPLAY", good, {"mark": position + 1}),
        ("beyond the bytes held", "WINDOW", good, {"end": end - 1}),
        ("beyond the window", "WINDOW", good, {"window_end": end - 1}),
        ("not canonical: a str8 of 5 bytes", "FRAME", tagged(0x18, b"\x91\x91\xd9\x05sofia"), {}),
        ("not canonical: a bin16 of 1 byte", "FRAME", tagged(0x11, b"\x91\xc5\x00\x01\x00"), {}),
        ("a column of key IDs of 15 bytes", "FRAME", tagged(0x04, _PING_15), {}),
        ("one field too many", "FRAME", tagged(0x03, b"\x91\xc0"), {}),
        ("bytes behind the body", "FRAME", tagged(0x03, b"\x90\xc0"), {}),
        ("a string where a list belongs", "FRAME", tagged(0x18, b"\x91\xa5sofia"), {}),
        ("more pads than a quarter of the window", "FRAME", tagged(0x18, body, WINDOW_BYTES // 4 + 1), {}),
        ("pads without secret bins", "FRAME", tagged(0x18, body, 4), {}),
    ]
    return {"frames": [_refused(*case, position=position, mask=mask) for case in cases]}


def _refused(
    name: str, result: str, frame: bytes, state: dict[str, int], *, position: int, mask: bytes
) -> dict[str, Any]:
    defaults = {"mark": 900, "end": 2000, "window_end": 2000}
    before = {**defaults, **{key: value for key, value in state.items() if key in defaults}}
    after = state.get("mark_after", before["mark"])
    if result == "FRAME" and name.startswith(_VERIFIED):
        after = position + MASK_BYTES  # the tag has verified: the mark moves
    if name == "pads without secret bins":
        after = position + MASK_BYTES + 4
    return {
        "name": name, "direction": "C", "receiver_nonce": NONCES[Side.HUB].hex(),
        "hash_key": HASH_KEYS[Side.CLIENT].hex(), **before, "window_bytes": WINDOW_BYTES,
        "pool_position": position,
        "pool_bytes": (mask + bytes(4)).hex(), "frame": frame.hex(), "result": result, "mark_after": after,
    }  # fmt: skip
