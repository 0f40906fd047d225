"""Vectors of frames: every message as a body and as a frame, and frames that must be refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

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
    yield from _with_identifiers()


#: As the NAMES among the vectors defines them: one, three and five bytes long.
IDENTIFIERS = [(7, "connie"), (300, "celia"), (70_000, "carol")]


def _with_identifiers() -> Iterator[tuple[str, Side, int, ms.Message]]:
    """The same session goes on, with local identifiers in force."""
    c, h = Side.CLIENT, Side.HUB
    connie, celia, carol = (identifier for identifier, _ in IDENTIFIERS)
    of_hub, key_id, other_id = SHORT.hubs[0][0], *(key_id for key_id, _ in SHORT.keys)
    encryptors = [party.encryptor for party in SHORT.terms.responders]
    parties = [_party(client, name) for client, name in zip((celia, connie, connie), encryptors, strict=True)]
    done = [_of_client(ms.Confirmed("", key_id), carol), ms.Confirmed("cindy", other_id)]
    yield "NAMES", h, 0, ms.Names(IDENTIFIERS)
    located: Any = [connie, None, "cindy"]
    yield "LOCATED: an identifier, nil and a name", h, 9, ms.Located(located)
    yield "PUT_SHARES: responders by identifier", c, 10, ms.PutShares([ms.PutGroup(
        "sam", parties, 5, 3, 60_000, 32, key_id, 0, of_hub.share, b"".join(of_hub.codes),
    )])  # fmt: skip
    wanted = [_of_client(ms.GetGroup("", key_id, 0), carol), ms.GetGroup("cindy", other_id, 0)]
    yield "GET_SHARES: initiators by identifier and by name", c, 11, ms.GetShares(wanted, 0, done)
    groups = [
        ms.ShareGroup(_party(carol, "sam"), parties, 5, 3, 32, key_id, 0, of_hub.share, of_hub.codes[1])
    ]
    missing = [ms.Missing("cindy", ErrorCode.UNKNOWN_KEY, other_id)]
    yield "SHARES: parties by identifier", h, 11, ms.Shares(groups, missing)
    missing = [_of_client(ms.Missing("", ErrorCode.DONE, key_id), carol)]
    yield "SHARES: missing, by identifier", h, 12, ms.Shares([], missing)
    yield "PING: confirms by identifier", c, 13, ms.Ping(False, 1 << 20, 1 << 40, done)


def _party(client: Any, encryptor: str) -> ms.PartyBody:
    return ms.PartyBody(client, encryptor)


_Group = TypeVar("_Group", ms.Confirmed, ms.GetGroup, ms.Missing)


def _of_client(group: _Group, identifier: Any) -> _Group:
    group.initiator = identifier
    return group
