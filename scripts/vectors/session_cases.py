"""The sessions of sessions.json: a key over three hubs, simulated PSRD, long shares, wrapping, refusals."""

from __future__ import annotations

from typing import Any

from dsked.errors import ErrorCode
from dsked.psrd.pair import Side
from dsked.sharing.dealing import HubShare, deal
from dsked.sharing.terms import Party, Terms
from dsked.wire import messages as ms
from vectors.answers import said_no
from vectors.common import fixed, source
from vectors.pairs import MEDIA_BYTES, Pair, media_pair, simulated_pair
from vectors.sessions import Recording
from vectors.simulated_sessions import TIMEOUT_MS, blocks, registered, simulated, simulated_again

C, H = Side.CLIENT, Side.HUB
HUBS = {"hank": 1, "helen": 2, "hugo": 3}
CAROL_SAM, CELIA_SERENA = Party("carol", "sam"), Party("celia", "serena")
_PARTY, _PARTIES = ms.PartyBody("carol", "sam"), [ms.PartyBody("celia", "serena")]


def session_vectors() -> dict[str, Any]:
    """The file sessions.json."""
    terms = Terms(1, 3, 2, CAROL_SAM, (CELIA_SERENA,), 32)
    keys = [(fixed(f"session key id {n}", 16), fixed(f"session key {n}", 32)) for n in range(2)]
    dealt = deal(keys, terms, tuple(HUBS.values()), source("session dealing"))
    sessions = [
        *_initiator(keys, dealt), *_responder(keys, dealt), _going_on(), *_long(), said_no(), simulated(),
        *simulated_again(), _wrapped(keys, dealt[0]), _wrapped_simulated(), *_refused(),
    ]  # fmt: skip
    told = [{"key_id": key_id.hex(), "key": key.hex()} for key_id, key in keys]
    return {
        "agreements": [{
            "initiator": list(CAROL_SAM), "responders": [list(CELIA_SERENA)], "n": 3, "k": 2, "xs": HUBS,
            "keys": told, "put_in": [f"carol puts shares at {hub}" for hub in HUBS],
            "fetched_in": [f"celia fetches shares from {hub}" for hub in HUBS], "liars": ["hugo"],
        }],
        "sessions": sessions,
    }  # fmt: skip


def _opened(recording: Recording, *encryptors: str) -> Recording:
    """A handshake and the registration that follows it."""
    recording.hello()
    recording.proofs()
    return registered(recording, *encryptors)


def _columns(dealt: list[HubShare]) -> tuple[bytes, bytes]:
    shares = b"".join(share.share for share in dealt)
    return shares, b"".join(code for share in dealt for code in share.codes)


def _initiator(keys: list[tuple[bytes, bytes]], dealt: list[list[HubShare]]) -> list[dict[str, Any]]:
    """Two keys are put at three hubs: the first use of PSRD that came on media."""
    made = []
    for (hub, x), of_hub in zip(HUBS.items(), dealt, strict=True):
        talk = _opened(Recording(f"carol puts shares at {hub}", media_pair("carol", hub, x)), "sam")
        talk.frame(C, 2, ms.Locate(["serena"]))
        talk.frame(H, 2, ms.Located(["celia"]))
        shares, codes = _columns(of_hub)
        ids = b"".join(key_id for key_id, _ in keys)
        group = ms.PutGroup("sam", _PARTIES, 3, 2, TIMEOUT_MS, 32, ids, 0, shares, codes)
        talk.frame(C, 3, ms.PutShares([group]))
        talk.frame(H, 3, ms.PutSharesAck(bytes(2)))
        made.append(talk.json())
    return made


def _responder(keys: list[tuple[bytes, bytes]], dealt: list[list[HubShare]]) -> list[dict[str, Any]]:
    """They are fetched; hugo lies about one byte of the first share."""
    made = []
    for (hub, x), of_hub in zip(HUBS.items(), dealt, strict=True):
        talk = _opened(Recording(f"celia fetches shares from {hub}", media_pair("celia", hub, x)), "serena")
        ids = b"".join(key_id for key_id, _ in keys)
        talk.frame(C, 2, ms.GetShares([ms.GetGroup("carol", ids, 0)], 500, []))
        shares, codes = _columns(of_hub)
        if hub == "hugo":
            shares = bytes([shares[0] ^ 0x40]) + shares[1:]
        talk.frame(H, 2, ms.Shares([ms.ShareGroup(_PARTY, _PARTIES, 3, 2, 32, ids, 0, shares, codes)], []))
        talk.frame(C, 3, ms.Ping(False, MEDIA_BYTES, MEDIA_BYTES, [ms.Confirmed("carol", ids)]))
        talk.frame(H, 3, ms.Ping(True, MEDIA_BYTES, MEDIA_BYTES, []))
        talk.frame(C, 4, ms.GetShares([ms.GetGroup("carol", ids[:16], 0)], 0, []))
        talk.frame(H, 4, ms.Shares([], [ms.Missing("carol", ErrorCode.DONE, ids[:16])]))
        talk.frame(C, 0, ms.Unregister())
        made.append(talk.json())
    return made


def _going_on() -> dict[str, Any]:
    """The second connection of two processes that know each other, to a hub that drains."""
    pair = media_pair("connie", "hank", 1)
    _opened(Recording("the first connection", pair), "sofia")
    talk = Recording("a second connection goes on where the first ended; the hub drains", pair, 2)
    talk.hello()
    talk.proofs()
    talk.frame(H, 0, ms.Error(ErrorCode.SHUTTING_DOWN, "this hub is about to stop"))
    registered(talk, "sofia")
    key_id = fixed("session key id of connie", 16)
    group = ms.PutGroup("sofia", _PARTIES, 3, 2, 1000, 4, key_id, 0, b"\1\2\3\4", fixed("session code", 32))
    talk.frame(C, 2, ms.PutShares([group]))
    talk.frame(H, 2, ms.PutSharesAck(bytes([ErrorCode.SHUTTING_DOWN])))
    talk.raw_frame(C, 3, 0x7F, b"\x91\xc0", 5)
    talk.frame(H, 3, ms.Error(ErrorCode.BAD_REQUEST, "message type 127 is not known here"))
    talk.raw_frame(H, 0, 0x7E, b"\xc0")
    return talk.json()


def _long() -> list[dict[str, Any]]:
    """A share of 5000 bytes: no frame pads more than a quarter of the window (4096)."""
    terms = Terms(1, 3, 2, CAROL_SAM, (CELIA_SERENA,), 5000)
    key_id = fixed("session long key id", 16)
    [of_hub] = deal([(key_id, fixed("session long key", 5000))], terms, (1, 2, 3), source("session long"))[0]
    share, [code] = of_hub.share, of_hub.codes
    pieces = ((0, share[:4000], code), (4000, share[4000:], b""))
    put = _opened(Recording("a long share is put in two pieces", media_pair("carol", "hilary", 4)), "sam")
    for number, (offset, piece, own_code) in enumerate(pieces, 2):
        group = ms.PutGroup("sam", _PARTIES, 3, 2, 5000, 5000, key_id, offset, piece, own_code)
        put.frame(C, number, ms.PutShares([group]))
        put.frame(H, number, ms.PutSharesAck(bytes([ErrorCode.OK if offset else ErrorCode.PARTIAL])))
    get = Recording("a long share is fetched in two frames", media_pair("celia", "hilary", 4))
    _opened(get, "serena")
    get.frame(C, 2, ms.GetShares([ms.GetGroup("carol", key_id, 0)], 0, []))
    for offset, piece, own_code in pieces:
        group = ms.ShareGroup(_PARTY, _PARTIES, 3, 2, 5000, key_id, offset, piece, own_code)  # type: ignore[assignment]
        get.frame(H, 2, ms.Shares([group], []))  # type: ignore[list-item]
    return [put.json(), get.json()]


_WRAPPING = ({2: b"\x01", 3: b""}, {2: b"\x01", 3: b""})


def _wrapped(keys: list[tuple[bytes, bytes]], of_hub: list[HubShare]) -> dict[str, Any]:
    """The frames of a responder inside ChaCha20-Poly1305, with identifiers in place of clients' names."""
    talk = Recording(
        "wrapped, with local identifiers: celia fetches a share", media_pair("celia", "helga", 1)
    )
    talk.hello(additions=_WRAPPING)
    talk.proofs()
    talk.wrap(C)
    talk.wrap(H)  # M4 stands at the end of the hub's window: the client's WRAP acknowledges it
    registered(talk, "serena")
    talk.frame(C, 2, ms.Locate(["sam", "serena", "nobody"]))
    talk.frame(H, 0, ms.Names([(7, "carol"), (4_000_000_000, "celia")]))
    talk.frame(H, 2, ms.Located([7, 4_000_000_000, None]))  # type: ignore[list-item]
    key_id, share = keys[0][0], of_hub[0]
    talk.frame(C, 3, ms.GetShares([ms.GetGroup(7, key_id, 0)], 500, []))  # type: ignore[arg-type]
    given = ms.ShareGroup(
        ms.PartyBody(7, "sam"), [ms.PartyBody(4_000_000_000, "serena")], 3, 2, 32, key_id, 0,  # type: ignore[arg-type]
        share.share, share.codes[0],
    )  # fmt: skip
    talk.frame(H, 3, ms.Shares([given], []))
    done = [ms.Confirmed(7, key_id)]  # type: ignore[arg-type]
    talk.frame(C, 4, ms.Ping(False, MEDIA_BYTES, MEDIA_BYTES, done))
    talk.frame(H, 4, ms.Ping(True, MEDIA_BYTES, MEDIA_BYTES, []))
    return talk.json()


def _wrapped_simulated() -> dict[str, Any]:
    """96 bytes of each pool are 48 for the proof and 48 for WRAP; later blocks are sealed and wrapped."""
    talk = Recording("wrapped, simulated PSRD: sealed frames inside", simulated_pair("curtis", "hank", 1))
    talk.hello(additions=_WRAPPING)
    blocks(talk, 0, 96)
    talk.proofs()
    talk.wrap(H)
    talk.wrap(C)
    blocks(talk, 1, 200)
    talk.frame(C, 1, ms.Register(["sunny", "susan"]))
    talk.frame(H, 1, ms.Registered(ErrorCode.NOT_OWNER, ["susan"], TIMEOUT_MS))
    return talk.json()


def _refused() -> list[dict[str, Any]]:
    """The hub says no in M2, and closes."""
    made = []
    for name, asked, code, reason in (
        ("refused: another hub's name", "helen", ErrorCode.WRONG_HUB, "this hub is hank"),
        ("refused: the hub pool is used up", None, ErrorCode.POOL_EXHAUSTED,
         "the hub's PSRD for this client is used up: deliver new blocks"),
    ):  # fmt: skip
        pair = _used_up() if asked is None else media_pair("cindy", "hank", 1)
        talk = Recording(name, pair)
        talk.hello(hub_asked=asked, refusal=(int(code), reason))
        made.append(talk.json())
    return made


def _used_up() -> Pair:
    """A hub pool of which 40 bytes are left."""
    pair = media_pair("cindy", "hugo", 3)
    pair.ends[H].own_next = pair.ends[C].mark = MEDIA_BYTES - 40
    pair.ends[C].durable = pair.ends[C].told = MEDIA_BYTES - 40
    return pair
