"""Real hub daemons that lie, 3 of 5: right keys, the liars named in status and set aside, no delay after."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.laboratory import Laboratory, wait_until

from .support import key_pair, small, started, wait_for_hubs

HUBS = ["hub1", "hub2", "hub3", "hub4", "hub5"]
LYING = Path(__file__).with_name("lying")


@contextmanager
def lying(**liars: str) -> Iterator[Laboratory]:
    """A topology of which these hubs lie, in these ways."""
    environment = {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(LYING), os.environ.get("PYTHONPATH")))),
        "LYING_HUBS": " ".join(f"{hub}={kind}" for hub, kind in liars.items()),
    }
    with started(small(HUBS, k=3), environment=environment) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        yield lab


def peers(lab: Laboratory) -> dict[str, dict[str, Any]]:
    """By hub: what `dskectl status` tells of it at the responder."""
    document = json.loads(lab.dskectl("status", "--node", "curtis", "--json"))
    return {peer["hub_name"]: peer for peer in document["peer_hubs"]}


def named(lab: Laboratory) -> set[str]:
    """The hubs of which the responder says that they lied."""
    return {peer["hub_name"] for peer in lab.status("curtis")["peer_hubs"] if peer["mismatches"]}


@pytest.mark.parametrize(
    "liars",
    [
        pytest.param({"hub2": "alters-share"}, marks=pytest.mark.full),
        {"hub1": "alters-one-byte", "hub5": "alters-x"},
        pytest.param({"hub1": "random-shares", "hub2": "alters-f"}, marks=pytest.mark.full),
    ],
    ids=" ".join,
)
def test_liars_are_named_and_set_aside(liars: dict[str, str]) -> None:
    with lying(**liars) as lab:
        for _ in range(3):
            key_pair(lab)

        def all_named() -> bool:
            key_pair(lab)
            return named(lab) == liars.keys()

        wait_until(all_named, "all liars are named")
        for name, peer in peers(lab).items():
            told = peer["set_aside_for"], bool(peer["set_aside_s_left"].get("carol")), peer["set_aside"]
            assert told == ((["carol"], True, False) if name in liars else ([], False, False))
        human = lab.dskectl("status", "--node", "curtis")
        assert '"mismatches": {\n        "carol": ' in human
        searches = lab.status("curtis")["searches"]
        assert searches["failed"] == searches["under_way"] == 0
        for name in liars:
            assert f"hub {name} gave a share that differs from the key" in lab.log("curtis")


@pytest.mark.full
def test_a_known_liar_costs_no_time() -> None:
    """Its shares are not tried before those of the others: there is nothing to search for."""

    def searches() -> dict[str, int]:
        return dict(lab.status("curtis")["searches"])

    def none_in_many_pairs() -> bool:
        before = searches()
        for _ in range(40):
            key_pair(lab)
        return searches() == before

    with lying(hub1="alters-share") as lab:
        wait_until(lambda: key_pair(lab) and named(lab) == {"hub1"}, "the liar is named")
        wait_until(none_in_many_pairs, "no search once it is set aside, for longer each time")


def test_two_that_shift_the_key_together_never_succeed() -> None:
    """Whichever three shares come first: the right key, from both ends, every time."""
    with lying(hub1="shifts-together", hub2="shifts-together") as lab:
        for size in (16_384, None, 32):  # the long ones before the two are named and set aside
            for _ in range(10):
                key_pair(lab, size=size)
        wait_until(lambda: key_pair(lab) and named(lab) == {"hub1", "hub2"}, "both are named")
