"""Hubs and clients that stop, hang, die and come back: keys go on while k hubs are there, 3 of 5 here."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dsked.errors import AlreadyDeliveredError, TooFewHubsError
from dsked.keys import Key
from scripts.laboratory import Laboratory, wait_until

from .support import assert_no_fault, etsi, fetch, get_keys, key_pair, small, started, wait_for_hubs

HUBS = ["hank", "helen", "hilary", "holly", "hugo"]
CLIENTS = ("carol", "curtis")
PACE_S = 0.01  # between key pairs that flow beside a test, so that they leave it some time to compute


@pytest.fixture(scope="module")
def topology() -> Iterator[Laboratory]:
    with started(small(HUBS, k=3) | {"audit_log": "{name}.audit"}) as lab:
        yield lab
        for name in CLIENTS:
            assert "differs from the key" not in lab.log(name), "an honest hub was named"


@pytest.fixture
def lab(topology: Laboratory) -> Iterator[Laboratory]:
    """A topology that is whole again after the test."""
    yield topology
    topology.start()
    wait_for_hubs(topology, *CLIENTS)


def pids(lab: Laboratory, names: list[str]) -> dict[str, int]:
    return {name: lab.pid(name) for name in names}


def test_two_hubs_down_then_three_then_two(lab: Laboratory) -> None:
    others = ["hank", "helen", "carol", "curtis"]
    before = pids(lab, others)
    lab.stop("hugo", "holly")
    for _ in range(5):
        key_pair(lab)
    keys = get_keys(lab, "sam", "sunny")
    lab.stop("hilary")
    down = ("hugo", "holly", "hilary")
    wait_for_hubs(lab, *CLIENTS, down=down)

    text = "2 of 5 hubs are connected, 3 are needed"
    with lab.control("carol") as carol:
        with pytest.raises(TooFewHubsError, match=text) as refused:
            carol.get_keys(["sunny"])
        for name in down:
            assert f"{name}: " in str(refused.value)  # and why
    with lab.control("curtis") as curtis, pytest.raises(TooFewHubsError, match=text):
        curtis.get_keys_by_id("sam", [keys[0].key_id], "sunny")
    reply = etsi(lab, "carol", "sunny/enc_keys")
    assert reply.status == 503
    assert text in reply.message
    assert reply.headers["Retry-After"] == "1"
    ran = lab.run("get-key", "sunny", "--node", "carol")
    assert ran.returncode == 1
    assert text in ran.stderr

    lab.start("hilary")
    wait_for_hubs(lab, *CLIENTS, down=("hugo", "holly"))
    key_pair(lab)
    assert pids(lab, others) == before


def test_what_was_dealt_outlives_two_hubs(lab: Laboratory) -> None:
    keys = keys_at_all_hubs(lab, "sunny", "susan", number=3)
    lab.kill("hank")
    lab.kill("hugo")
    assert fetch(lab, "sunny", "sam", keys) == keys
    assert fetch(lab, "susan", "sam", keys) == keys


def keys_at_all_hubs(lab: Laboratory, *slaves: str, number: int = 1) -> list[Key]:
    """New keys of sam, whose shares all hubs have taken: not only those that were waited for."""
    keys = get_keys(lab, "sam", *slaves, number=number)
    wait_until(lambda: all(has_taken(lab, hub, keys) for hub in HUBS), "all hubs hold the shares")
    return keys


def has_taken(lab: Laboratory, hub: str, keys: list[Key]) -> bool:
    """Whether a hub was given the shares of these keys, which nobody has fetched yet."""
    told = (lab.path / f"{hub}.audit").read_text()
    return all(str(uuid.UUID(bytes=key.key_id)) in told for key in keys)


def test_a_hub_that_comes_back_gets_what_it_missed(lab: Laboratory) -> None:
    lab.stop("helen")
    keys = get_keys(lab, "sam", "sunny", number=5)
    lab.start("helen")
    wait_until(lambda: has_taken(lab, "helen", keys), "helen holds the five shares")
    wait_for_hubs(lab, *CLIENTS)
    lab.kill("hank")
    lab.kill("hugo")  # so that helen's shares are needed
    assert fetch(lab, "sunny", "sam", keys) == keys


def test_a_client_restarts(lab: Laboratory) -> None:
    early, late = get_keys(lab, "sam", "sunny"), get_keys(lab, "sam", "sunny")
    assert fetch(lab, "sunny", "sam", early) == early
    lab.stop("curtis")
    lab.start("curtis")
    assert fetch(lab, "sunny", "sam", late) == late
    with pytest.raises(AlreadyDeliveredError):  # by the process before
        fetch(lab, "sunny", "sam", early)
    key_pair(lab, "susan", "sam")


def test_a_hub_and_both_clients_die_without_warning(lab: Laboratory) -> None:
    keys = keys_at_all_hubs(lab, "sunny")
    for name in ("hugo", "carol", "curtis"):
        lab.kill(name)
    lab.start("hugo", "carol", "curtis")
    assert fetch(lab, "sunny", "sam", keys) == keys
    key_pair(lab)
    key_pair(lab, "sunny", "sam")


def test_hubs_that_hang(lab: Laboratory) -> None:
    """A hub that is stopped, not dead: its connections stay, and it answers nothing."""
    with ExitStack() as frozen:
        for name in ("helen", "hugo"):
            frozen.enter_context(lab.frozen(name))
            for _ in range(5):
                key_pair(lab)
        wait_until(lambda: key_pair(lab) and late(lab) == {"helen", "hugo"}, "these two are late, no other")
        frozen.enter_context(lab.frozen("hank"))
        with pytest.raises(TooFewHubsError, match=r"2 of 5 hubs acknowledged in 0\.8 s, 3 are needed"):
            get_keys(lab, "sam", "sunny")
    key_pair(lab)
    wait_until(lambda: key_pair(lab) and not late(lab), "carol counts all hubs again")


def late(lab: Laboratory) -> set[str]:
    """The hubs that carol does not wait for. One counts again when it has acknowledged a key in time."""
    return {peer["hub_name"] for peer in lab.status("carol")["peer_hubs"] if peer["late"]}


def test_a_client_that_hangs_harms_nobody_else(lab: Laboratory) -> None:
    keys = get_keys(lab, "sam", "sunny")
    with lab.frozen("carol"):
        assert fetch(lab, "sunny", "sam", keys) == keys
        key_pair(lab, "sunny", "susan")
    key_pair(lab)


@pytest.mark.parametrize(
    "hubs", [HUBS[:1], pytest.param(2 * HUBS, marks=pytest.mark.full)], ids=["one", "all, twice"]
)
def test_hubs_restart_one_after_the_other(lab: Laboratory, hubs: list[str]) -> None:
    """Key pairs flow meanwhile, and none of them fails."""
    ended = threading.Event()
    faults: list[Exception] = []
    pairs = 0

    def flow() -> None:
        nonlocal pairs
        while not ended.wait(PACE_S):
            try:
                key_pair(lab)
                pairs += 1
            except Exception as error:
                faults.append(error)

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        for name in hubs:
            lab.stop(name)
            lab.start(name)
            wait_for_hubs(lab, *CLIENTS)
    finally:
        ended.set()
        thread.join()
    assert not faults
    assert pairs > len(hubs)


@pytest.mark.full
@pytest.mark.parametrize("turn", range(10))
def test_nodes_die_again_and_again(lab: Laboratory, turn: int) -> None:
    victims = (HUBS[turn % 5], HUBS[(turn + 2) % 5], CLIENTS[turn % 2])
    keys = keys_at_all_hubs(lab, "sunny")
    for name in victims:
        lab.kill(name)
    if "curtis" not in victims:
        assert fetch(lab, "sunny", "sam", keys) == keys
    lab.start(*victims)
    key_pair(lab)
    for name in HUBS:
        assert_no_fault(lab.log(name), name)
