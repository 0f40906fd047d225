"""Real daemons: clients that share some hubs only establish keys over those that they have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from dsked.errors import TooFewHubsError
from scripts.laboratory import Laboratory, free_ports, wait_until

from .support import fetch, get_keys, key_pair, started

CAROL, CURTIS = ["hub1", "hub2", "hub3", "hub4"], ["hub2", "hub3", "hub4", "hub5"]
COMMON = {"hub2", "hub3", "hub4"}


def content(hubs_of: Mapping[str, Sequence[str]], **settings: Any) -> dict[str, Any]:
    """Five hubs, k = 3; carol with sam, curtis with sunny."""
    return {
        "base_port": free_ports(8), "psrd": "simulated", "etsi": "plain-http-on-loopback", "min_nr_shares": 3,
        "hubs": [{"name": f"hub{number}"} for number in range(1, 6)],
        "clients": [
            {"name": "carol", "encryptors": [{"name": "sam"}], "hubs": list(hubs_of["carol"])},
            {"name": "curtis", "encryptors": [{"name": "sunny"}], "hubs": list(hubs_of["curtis"])},
        ],
        **settings,
    }  # fmt: skip


def registered(lab: Laboratory, client: str) -> set[str]:
    return {hub["hub_name"] for hub in lab.status(client)["peer_hubs"] if hub["registered"]}


def ready(lab: Laboratory, hubs_of: Mapping[str, Sequence[str]]) -> None:
    for client, hubs in hubs_of.items():
        wait_until(
            lambda client=client, hubs=hubs: registered(lab, client) == {*hubs}, f"{client} has its hubs"
        )


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    """carol has hub1 to hub4, curtis hub2 to hub5."""
    hubs_of = {"carol": CAROL, "curtis": CURTIS}
    with started(content(hubs_of, audit_log="{name}.audit")) as lab:
        ready(lab, hubs_of)
        yield lab


def test_keys_go_both_ways_over_the_common_hubs_alone(lab: Laboratory) -> None:
    key_pair(lab)
    keys = get_keys(lab, "sunny", "sam", number=3)
    assert fetch(lab, "sam", "sunny", keys) == keys
    for client, event in (("carol", "established"), ("curtis", "delivered")):
        lines = [json.loads(line) for line in (lab.path / f"{client}.audit").read_text().splitlines()]
        told = [set(line["hubs"]) for line in lines if line.get("event") == event]
        assert told
        assert all(hubs <= COMMON for hubs in told)


def test_hubs_know_their_own_clients_only(lab: Laboratory) -> None:
    clients = {
        hub: {peer["client_name"] for peer in lab.status(hub)["peer_clients"]}
        for hub in ("hub1", "hub2", "hub5")
    }
    assert clients == {"hub1": {"carol"}, "hub2": {"carol", "curtis"}, "hub5": {"curtis"}}


def test_the_doctor_finds_nothing_amiss(lab: Laboratory) -> None:
    done = lab.run("doctor", "--verbose")
    assert done.returncode == 0, done.stdout
    about_carol = [line for line in done.stdout.splitlines() if "client carol" in line]
    assert any("hub4" in line for line in about_carol)
    assert not any("hub5" in line for line in about_carol)


@pytest.mark.full
def test_a_common_hub_that_stops_ends_the_keys_with_an_error_that_names_the_common_ones(
    lab: Laboratory,
) -> None:
    key_pair(lab)  # now carol knows which are common
    lab.stop("hub3")
    wait_until(lambda: "hub3" not in registered(lab, "carol"), "carol knows it")
    known = r"2 of 3 hubs in common \(hub2, hub3, hub4\) are connected, 3 are"
    anew = r"2 hubs in common \(hub2, hub4\) with the client of sunny, 3 are needed; no answer from .*hub3"
    with pytest.raises(TooFewHubsError, match=f"{known}|{anew}"):  # it may have had to ask again
        get_keys(lab, "sam", "sunny")
    lab.start("hub3")
    ready(lab, {"carol": CAROL, "curtis": CURTIS})
    key_pair(lab)


@pytest.mark.full
def test_hubs_that_only_one_client_has_may_all_stop(lab: Laboratory) -> None:
    lab.stop("hub1", "hub5")
    for _ in range(3):
        key_pair(lab)
    lab.start("hub1", "hub5")
    ready(lab, {"carol": CAROL, "curtis": CURTIS})


@pytest.mark.full
def test_too_few_in_common_are_told_of_before_the_start_and_at_each_request() -> None:
    hubs_of = {"carol": ["hub1", "hub2", "hub3"], "curtis": ["hub2", "hub3", "hub4", "hub5"]}
    with started(content(hubs_of)) as lab:
        ready(lab, hubs_of)
        said = lab.run("config", "check")
        assert (
            "curtis and carol have 2 hubs in common (hub2, hub3); keys between them need"
            in said.stderr + said.stdout
        )
        expected = r"2 hubs in common \(hub2, hub3\) with the client of sunny, 3 are needed"
        with pytest.raises(TooFewHubsError, match=expected):
            get_keys(lab, "sam", "sunny")


@pytest.mark.full
def test_psrd_on_media_goes_to_the_pairs_that_there_are() -> None:
    hubs_of = {"carol": CAROL, "curtis": CURTIS}
    with started(content(hubs_of, psrd="media"), media_bytes=1 << 20) as lab:
        ready(lab, hubs_of)
        key_pair(lab)
        assert not list(lab.path.glob("*hub1*/**/*curtis*"))
