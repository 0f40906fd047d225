"""Sessions of simulated PSRD: streams that begin, go on with a second connection, and are forgotten."""

from __future__ import annotations

from typing import Any

from dsked.errors import ErrorCode
from dsked.psrd.pair import Side
from dsked.wire import messages as ms
from vectors.common import fixed
from vectors.pairs import Pair, simulated_pair
from vectors.sessions import Recording

C, H = Side.CLIENT, Side.HUB
TIMEOUT_MS = 60_000


def registered(recording: Recording, *encryptors: str) -> Recording:
    """The registration that follows a handshake."""
    recording.frame(C, 1, ms.Register(list(encryptors)))
    recording.frame(H, 1, ms.Registered(ErrorCode.OK, [], TIMEOUT_MS))
    return recording


def blocks(talk: Recording, sequence: int, size: int) -> None:
    """Blocks of both pools, asked for and given."""
    pair = talk.pair
    for owner, side in enumerate(Side):
        talk.sealed(C, 0, ms.PsrdRequest(owner, pair.stream(side), sequence, size))
    for owner, side in enumerate(Side):
        uuid, data = pair.new_block(side, size)
        talk.sealed(H, 0, ms.PsrdBlock(owner, pair.stream(side), sequence, uuid, data))


def simulated() -> dict[str, Any]:
    """Streams begun anew; one block of each before M3, one later."""
    talk = Recording("simulated PSRD: blocks before M3 and later", simulated_pair("carol", "hank", 1))
    talk.hello()
    blocks(talk, 0, 200)
    talk.proofs()
    registered(talk, "sam")
    blocks(talk, 1, 300)
    _pinged(talk, 2, 500)
    talk.frame(C, 3, ms.Locate(["serena", "nobody"]))
    talk.frame(H, 3, ms.Located(["celia", None]))
    talk.frame(C, 0, ms.Unregister())
    return talk.json()


def _pinged(talk: Recording, request_id: int, end: int) -> None:
    talk.frame(C, request_id, ms.Ping(False, end, end, []))
    talk.frame(H, request_id, ms.Ping(True, end, end, []))


def simulated_again() -> list[dict[str, Any]]:
    """Three connections of one pair: the second goes on, before the third the hub has started anew."""
    pair = simulated_pair("cindy", "helen", 2)
    sessions = [_first(pair), _second(pair)]
    pair.hub_restarts()
    return [*sessions, _third(pair)]


def _first(pair: Pair) -> dict[str, Any]:
    """The hub has made the last two blocks, and the client has not got them."""
    talk = Recording("simulated PSRD: the first connection is lost, and two blocks with it", pair)
    talk.hello()
    blocks(talk, 0, 300)
    talk.proofs()
    registered(talk, "sally")
    for owner, side in enumerate(Side):
        talk.sealed(C, 0, ms.PsrdRequest(owner, pair.stream(side), 1, 250))
    recorded = talk.json()
    for side in Side:
        pair.new_block(side, 250)
        pair.lost[side] = True
    return recorded


def _second(pair: Pair) -> dict[str, Any]:
    """No block is needed before M3. Those that were lost are the same; the numbers of later ones go on."""
    talk = Recording("simulated PSRD: a second connection goes on with the same streams", pair, 2)
    talk.hello()
    talk.proofs()
    registered(talk, "sally")
    _put(talk, 2)
    blocks(talk, 1, 250)
    blocks(talk, 2, 100)
    _pinged(talk, 3, 650)
    return talk.json()


def _third(pair: Pair) -> dict[str, Any]:
    """M1 tells of streams of which the hub knows nothing."""
    talk = Recording("simulated PSRD: the hub has started anew and forgotten the streams", pair, 3)
    talk.hello()
    blocks(talk, 0, 200)
    talk.proofs()
    return registered(talk, "sally").json()


def _put(talk: Recording, request_id: int) -> None:
    """A share of 8 bytes for another client."""
    key_id, share, code = (
        fixed(f"simulated again: {what}", length)
        for what, length in (("key id", 16), ("share", 8), ("code", 32))
    )
    responders = [ms.PartyBody("celia", "serena")]
    group = ms.PutGroup("sally", responders, 3, 2, TIMEOUT_MS, 8, key_id, 0, share, code)
    talk.frame(C, request_id, ms.PutShares([group]))
    talk.frame(H, request_id, ms.PutSharesAck(bytes(1)))
