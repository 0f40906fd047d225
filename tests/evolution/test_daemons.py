"""Real daemons of this version and of others: keys flow, what is unknown is ignored, what cannot be is told.

Others run this version's code with features of a later or an earlier one: future/later.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.laboratory import Laboratory, wait_until

from ..system.daemon import Daemon
from ..system.support import key_pair, small, started, wait_for_hubs

FUTURE = Path(__file__).with_name("future")
ALL_HARMLESS = "versions additions flags types"


def of(features: str) -> dict[str, str]:
    """What stands in the environment of a node with these features."""
    path = filter(None, (str(FUTURE), os.environ.get("PYTHONPATH")))
    wrapping = {"DSKED_WRAPPING": "off"} if features == "older" else {}
    return {"PYTHONPATH": os.pathsep.join(path), "FUTURE": features, **wrapping}


@contextmanager
def lab_with(
    content: dict[str, Any], others: Mapping[str, str], begin: Any = started, **options: Any
) -> Iterator[Laboratory]:
    """A topology; `others`: the features of nodes that are not of this version. Hubs are started first.

    `begin`: Laboratory where nodes log errors.
    """
    names = [node["name"] for node in (*content["hubs"], *content["clients"])]
    now = [name for name in names if name not in others]
    hubs = [hub["name"] for hub in content["hubs"]]
    with begin(content, nodes=[name for name in now if name in hubs], **options) as lab:
        for name in (name for name in names if name in others):
            with lab.changed(of(others[name])):
                lab.start(name)
        lab.start(*(name for name in now if name not in hubs))
        yield lab


def test_later_hub_and_client() -> None:
    """A hub and a client that do all that a later version may do, among those of this one."""
    others = dict.fromkeys(("hank", "curtis"), ALL_HARMLESS)
    with lab_with(small(["hank", "helen", "hugo"], k=3), others) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        for _ in range(3):
            key_pair(lab)
            key_pair(lab, "sunny", "sam", size=16_384)
        answer = "hub helen answers a request with error 9: message type 85 is not for hubs of version 1"
        wait_until(lambda: answer in lab.log("curtis"), "a hub has answered type 0x55")
        for name in ("hank", "helen", "hugo", "carol", "curtis"):
            assert " WARNING " not in lab.log(name)  # no connection was closed


@pytest.mark.full
def test_later_hubs_over_media() -> None:
    """Three of four are of a later version; wrapping is in force with all, and keys come in pieces."""
    content = {**small(["hank", "helen", "hugo", "holly"], k=3), "psrd": "media", "wrapping": "on"}
    others = dict.fromkeys(("hank", "helen", "holly", "carol"), ALL_HARMLESS)
    with lab_with(content, others, media_bytes=4 * 1024 * 1024) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        for size in (None, 256, 262_144):
            key_pair(lab, size=size)
            key_pair(lab, "susan", "sam", size=size, number=3)
        for name in ("carol", "curtis"):
            assert all(peer["wrapped"] for peer in lab.status(name)["peer_hubs"])
            assert " WARNING " not in lab.log(name)


@pytest.mark.full
@pytest.mark.parametrize("features", ["codes", "answers"])
def test_hubs_that_answer_what_nobody_knows(features: str) -> None:
    """Two of five say codes, or answer with messages, of a later version: they do not count, keys come."""
    with lab_with(small([f"hub{x}" for x in range(1, 6)], k=3), {"hub2": features, "hub4": features}) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        for size in (None, 16_384):
            for _ in range(3):
                key_pair(lab, size=size)
        for name in ("carol", "curtis"):
            for peer in lab.status(name)["peer_hubs"]:
                assert (peer["registered"], peer["mismatches"]) == (True, {})
            assert " WARNING " not in lab.log(name)


def problem(lab: Laboratory, client: str, hub: str) -> str:
    """What a client's status says of a hub without a registered session."""
    found = {peer["hub_name"]: peer for peer in lab.status(client)["peer_hubs"]}
    return str(found[hub]["problem"])


REFUSALS = {
    "hub1": ("only-2", "the hub speaks versions [2], this client 1"),
    "hub2": ("refuses", "the hub refuses the handshake with code 99, without words"),
    "hub3": ("registered", "refused the registration of this client with code 99"),
    "hub4": ("registers", "answered the registration of this client with a message of another kind"),
}


@pytest.mark.full
def test_hubs_that_cannot_be_worked_with() -> None:
    """Four of six refuse in ways of a later version: log and status say how, and keys go over the others."""
    others = {hub: features for hub, (features, _) in REFUSALS.items()}
    content = {**small([f"hub{x}" for x in range(1, 7)], k=2), "psrd": "media"}
    with lab_with(content, others, Laboratory, media_bytes=1024 * 1024) as lab:
        wait_for_hubs(lab, "carol", "curtis", down=tuple(others))
        for hub, (_, words) in REFUSALS.items():
            wait_until(lambda hub=hub, words=words: words in problem(lab, "carol", hub), words)
            assert f"hub {hub}" in next(line for line in lab.log("carol").splitlines() if words in line)
        key_pair(lab)
        untouched = lab.status("curtis")["peer_hubs"][0]
        for pool in ("local_pool", "peer_pool"):
            assert [block["nr_used_bytes"] for block in untouched[pool]["blocks"]] == [0]


@pytest.mark.full
@pytest.mark.parametrize(("features", "who", "words"), [
    ("only-2", "carol", "the hub speaks versions [1], this client 2"),
    ("only-2 insists", "hub1", "refused client carol at 127.0.0.1: version 2 is not spoken here, only 1"),
])  # fmt: skip
def test_a_client_of_version_2_alone(features: str, who: str, words: str) -> None:
    content = small(["hub1", "hub2"], k=2)
    with started(content, nodes=["hub1", "hub2"]) as lab:
        arguments = ["--role", "client", "carol", "--config", str(lab.config), *lab.places]
        with Daemon(arguments, lab.path / "client-carol.out", of(features)) as carol:
            wait_until(lambda: words in lab.log(who), words)
            if who != "carol":  # it has been told
                wait_until(lambda: "version 2 is not spoken here" in lab.log("carol"), words)
            assert carol.end() == 0
        lab.start("curtis")  # who speaks this version is served as ever
        wait_for_hubs(lab, "curtis")


@pytest.mark.full
def test_earlier_hub_and_client() -> None:
    """They know neither wrapping nor local identifiers: nothing is wrapped with them, and names are said."""
    content = {**small(["hank", "helen", "hugo"], k=3), "wrapping": "on"}
    with lab_with(content, {"hank": "older", "curtis": "older"}) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        for size in (None, 16_384):
            key_pair(lab, size=size)
            key_pair(lab, "sunny", "sam", size=size)
        wrapped = {
            name: [peer["wrapped"] for peer in lab.status(name)["peer_hubs"]] for name in ("carol", "curtis")
        }
        assert wrapped == {"carol": [False, True, True], "curtis": [False, False, False]}


@pytest.mark.full
def test_earlier_ones_where_wrapping_is_required() -> None:
    """Who is of this version refuses them with words, on both sides; among themselves they go on."""
    content = {**small(["hub1", "hub2", "hub3", "hub4"], k=2), "wrapping": "required"}
    with lab_with(content, dict.fromkeys(("hub3", "hub4", "curtis"), "older")) as lab:
        wait_for_hubs(lab, "carol", down=("hub3", "hub4"))
        wait_for_hubs(lab, "curtis", down=("hub1", "hub2"))
        required = "message wrapping is required here, and the hub does not take it"
        wait_until(lambda: problem(lab, "carol", "hub3") == required, "carol tells why")
        wait_until(
            lambda: "hub hub3: message wrapping is required here" in lab.log("carol"), "so does its log"
        )
        refusal = "message wrapping is required here: the client has it off, or has other ciphers"
        wait_until(lambda: problem(lab, "curtis", "hub1") == refusal, "curtis has been told why")
        wait_until(
            lambda: f"refused client curtis at 127.0.0.1: {refusal}" in lab.log("hub1"), "the hub tells"
        )
