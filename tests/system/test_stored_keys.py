"""Keys established ahead by real daemons: answered at once, over restarts of hubs, and told truly by ETSI."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

import msgpack

from dsked.delivery.control_protocol import FrameBuffer, Op, encode_request
from dsked.errors import ErrorCode
from dsked.keys import Key
from scripts.laboratory import LIMIT_S, Laboratory, wait_until

from .support import etsi, fetch, get_keys, key_pair, small, started, wait_for_hubs

HUBS = ["hank", "helen", "hilary", "holly", "hugo"]
COUNT = 3
SIZE = 256


def content() -> dict[str, Any]:
    topology = small(HUBS, k=3)
    topology["clients"][0]["encryptors"][0]["stored_keys"] = [
        {"responder": "sunny", "count": COUNT, "size": SIZE}
    ]
    return topology


def place(lab: Laboratory) -> dict[str, Any]:
    [found] = lab.status("carol")["stored_keys"]
    return dict(found)


def told_over_etsi(lab: Laboratory) -> tuple[int, int]:
    """How many keys are stored for sunny, and how many at most."""
    status = etsi(lab, "carol", "sunny/status").document
    return status["stored_key_count"], status["max_key_count"]


def filled(lab: Laboratory) -> None:
    wait_until(lambda: place(lab)["stored_key_count"] == COUNT, "the store is full")


def taken(lab: Laboratory) -> list[Key]:
    """Keys from the store, of which status tells that they were.

    Where a hub answers late just then, as on a busy machine, a request is answered with new keys: once more.
    """

    def from_store() -> list[Key] | None:
        filled(lab)
        before = place(lab)["nr_handed_out"]
        keys = get_keys(lab, "sam", "sunny", number=COUNT, size=SIZE)
        after = place(lab)["nr_handed_out"]
        assert after in {before, before + COUNT}  # all of them, or none
        return keys if after > before else None

    return wait_until(from_store, "keys come from the store")


def test_stored_keys_of_real_daemons() -> None:
    with started(content()) as lab:
        lab.start()
        wait_for_hubs(lab, "carol", "curtis")
        filled(lab)
        wait_until(lambda: told_over_etsi(lab) == (COUNT, COUNT), "all of them may be handed out")
        first = taken(lab)
        assert fetch(lab, "sunny", "sam", first) == first
        filled(lab)
        # Two of five hubs restart, and take their shares with them: new keys are stored, old ones not given.
        for hub in HUBS[:2]:
            lab.kill(hub)
            lab.start(hub)
        wait_for_hubs(lab, "carol", "curtis")
        wait_until(lambda: place(lab)["nr_lost"] >= COUNT, "what was stored is given up")
        second = taken(lab)
        assert fetch(lab, "sunny", "sam", second) == second
        assert len({key.key for key in first + second}) == 2 * COUNT
        key_pair(lab, size=128)  # another size is established


def test_a_client_that_slept_hands_out_nothing_that_has_expired() -> None:
    """Its process was stopped until no hub had a share any more; the request came in the meantime."""
    with started({**content(), "share_timeout_secs": 3}) as lab:
        lab.start()
        wait_for_hubs(lab, "carol", "curtis")
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(LIMIT_S)
            control.connect(str(lab.socket("client", "carol")))
            filled(lab)
            with lab.frozen("carol"):
                wait_until(lambda: not any(map(partial(pending, lab), HUBS)), "all shares have expired")
                control.sendall(encode_request(Op.GET_KEYS, 0, [["sunny"], 1, SIZE, "sam"]))
            [reply] = FrameBuffer().feed(control.recv(64 * 1024))
        _, code, [[key_id, key]] = msgpack.unpackb(reply)
        assert code == ErrorCode.OK
        assert fetch(lab, "sunny", "sam", [Key(key_id, key)]) == [Key(key_id, key)]


def pending(lab: Laboratory, hub: str) -> int:
    return sum(client["nr_pending_shares"] for client in lab.status(hub)["peer_clients"])
