"""`dskectl doctor`: what it looks at, how it ends; with stand-ins, and with a real topology."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dsked.delivery.control_client import ControlClient
from dsked.errors import DskedError
from scripts.laboratory import Laboratory, free_ports, topology, wait_until
from tests.system.support import assert_no_fault, key_pair, wait_for_hubs

from .conftest import Dskectl


def test_nothing_runs(call: Dskectl) -> None:
    ran = call("doctor")
    assert ran.status == 3
    assert "client carol: is not running" in ran.out
    assert ran.lines[-1].startswith("Verdict: not well: ")


def test_a_configuration_that_is_wrong(call: Dskectl, directory: Path) -> None:
    (directory / "dske-config.yaml").write_text("psrd: media\nhubs: [{name: hank}]\nclinets: []\n")
    ran = call("doctor", "--json")
    assert ran.status == 2
    document = json.loads(ran.out)
    assert document["verdict"] == "fault"
    first = document["findings"][0]
    assert (first["check"], first["outcome"]) == ("configuration", "fault")
    assert "dske-config.yaml:3: clinets: unknown key" in first["text"]


def test_a_key_is_fetched_for_somebody(call: Dskectl) -> None:
    ran = call("doctor", "--fetch", "00010203-0405-4607-8809-0a0b0c0d0e0f")
    assert ran.status == 2
    assert "--self-test FROM TO" in ran.err


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"role": "hub"}',
        '{"role": "hub", "name": "a", "peer_clients": [3]}',
        "[" * 100_000,
        "\x00",
        '{"role": ["hub"], "name": "a", "peer_clients": []}',
        '{"role": "hub", "name": ["a"], "peer_clients": []}',
        '{"nodes": 3}',
        '{"nodes": [3]}',
        '{"nodes": [{"status": {}}]}',
        '{"nodes": [{"running": false}]}',
    ],
)
def test_what_is_no_status_is_refused(call: Dskectl, directory: Path, text: str) -> None:
    (directory / "other.json").write_text(text)
    ran = call("doctor", "--other", "other.json")
    assert ran.status == 2
    assert "other.json: expected what dskectl status" in ran.err


def test_a_file_of_no_node_here_is_told_of_with_what_it_holds(call: Dskectl, directory: Path) -> None:
    nodes = [
        {"role": "hub", "name": "hank", "status": {"role": "hub", "name": "hank", "peer_clients": []}},
        {"role": "client", "name": "carol", "running": False, "error": "client carol is not running"},
    ]
    (directory / "other.json").write_text(json.dumps({"nodes": nodes}))
    ran = call("doctor", "--other", "other.json", "--json")
    (told,) = found(json.loads(ran.out), "positions")
    said = "holds hub hank, client carol: no node that was asked here shares pools with these"
    assert (told["outcome"], told["about"], told["text"]) == ("warning", "other.json", said)


# --- real nodes ---


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    content = topology(3, {"carol": ["sam"], "curtis": ["sunny"]}, free_ports(5), min_nr_shares=2)
    with Laboratory(content).prepared() as lab:
        lab.start()
        wait_for_hubs(lab, "carol", "curtis")
        yield lab
        lab.stop()
        for _, name in lab.nodes():
            assert_no_fault(lab.log(name), name)


def doctor(lab: Laboratory, *arguments: str, status: int = 0) -> dict[str, Any]:
    ran = lab.run("doctor", "--json", *arguments)
    assert ran.returncode == status, ran.stdout + ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


def found(document: dict[str, Any], check: str) -> list[dict[str, Any]]:
    return [one for one in document["findings"] if one["check"] == check]


def in_time(lab: Laboratory) -> bool:
    """Whether no hub is late: one that was, on a busy machine, is so until it acknowledges a key in time."""
    with suppress(DskedError):
        key_pair(lab)
    return not any(hub["late"] for hub in lab.status("carol")["peer_hubs"])


def test_a_key_through_a_topology_that_is_well(lab: Laboratory) -> None:
    wait_until(lambda: in_time(lab), "all hubs acknowledge in time")
    document = doctor(lab, "--self-test", "sam", "sunny")
    assert document["verdict"] in ("good", "warning")  # a machine's clock may not be synchronized
    assert {one["outcome"] for one in document["findings"] if one["check"] != "clock"} == {"good"}
    assert len(found(document, "reachability")) == 3
    made, fetched = found(document, "self-test")
    assert made["key_id"] == fetched["key_id"]
    assert made["check_value"] == fetched["check_value"]


def test_a_key_in_two_halves_as_on_two_hosts(lab: Laboratory) -> None:
    alone = lab.run("--client", "carol", "doctor", "--json", "--self-test", "sam", "sunny")
    (made,) = found(json.loads(alone.stdout), "self-test")
    other = ("--client", "curtis", "doctor", "--json", "--self-test", "sam", "sunny")
    (fetched,) = found(json.loads(lab.run(*other, "--fetch", made["key_id"]).stdout), "self-test")
    assert fetched["check_value"] == made["check_value"]
    again = lab.run(*other, "--fetch", made["key_id"])
    assert again.returncode == 1
    assert found(json.loads(again.stdout), "self-test")[0]["outcome"] == "fault"


def test_an_encryptor_of_nobody(lab: Laboratory) -> None:
    (told,) = found(doctor(lab, "--self-test", "mallory", "sunny", status=1), "self-test")
    assert told["text"] == "no client here serves mallory"


def test_one_node(lab: Laboratory) -> None:
    about = {one["about"] for one in found(doctor(lab, "--node", "hub1"), "node")}
    assert about == {"hub hub1", "hub hub1, client carol", "hub hub1, client curtis"}


def test_a_hub_that_is_down(lab: Laboratory) -> None:
    lab.kill("hub2")
    document = doctor(lab, status=1)
    faults = {(one["check"], one["about"]) for one in document["findings"] if one["outcome"] == "fault"}
    assert {("reachability", "hub hub2"), ("node", "hub hub2")} <= faults
    assert not {about for _, about in faults if "hub1" in about}
    assert lab.run("--hub", "hub2", "start").returncode == 0
    wait_for_hubs(lab, "carol", "curtis")


@pytest.fixture(scope="module")
def on_media() -> Iterator[Laboratory]:
    content = topology(2, {"carol": ["sam"]}, free_ports(3), min_nr_shares=2, psrd="media")
    with Laboratory(content, media_bytes=1 << 20) as lab:
        wait_for_hubs(lab, "carol")
        yield lab


@pytest.mark.parametrize("written", [(), ("--hub", "hub1", "--hub", "hub2")], ids=["all", "hubs"])
def test_the_other_side_may_be_a_whole_topology(on_media: Laboratory, written: tuple[str, ...]) -> None:
    """Its nodes that are asked here as well are not taken from the file, which is older."""
    status = on_media.path / "status.json"
    status.write_text(on_media.run(*written, "status", "--json").stdout)
    ran = on_media.run("--client", "carol", "doctor", "--json", "--other", str(status))
    told = found(json.loads(ran.stdout), "positions")
    expected = {("good", "client carol, hub hub1"), ("good", "client carol, hub hub2")}
    assert {(one["outcome"], one["about"]) for one in told} == expected
    assert all(one["client_pool"]["owner"] > 0 for one in told)


def test_a_node_that_gave_no_status_to_the_other_side_is_named(on_media: Laboratory) -> None:
    status = on_media.path / "status.json"
    printed = json.loads(on_media.run("status", "--json").stdout)
    for one in printed["nodes"]:
        if one["name"] == "hub2":
            del one["status"]
    status.write_text(json.dumps(printed))
    ran = on_media.run("--client", "carol", "doctor", "--json", "--other", str(status))
    told = {(one["outcome"], one["text"][:28]) for one in found(json.loads(ran.stdout), "positions")}
    assert told == {("warning", "holds no status of hub hub2:"), ("good", "both sides agree how far the")}


@pytest.mark.parametrize(
    "status", [{}, {"peer_hubs": 5}, {"peer_hubs": ["\x1b]0;x\x07"]}, {"peer_hubs": [{"hub_name": []}]}]
)
def test_a_node_that_says_nonsense_is_a_fault_and_the_others_are_looked_at(
    stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any]
) -> None:
    def whole_status(connection: ControlClient) -> dict[str, Any]:
        answer = connection.status()
        return answer if answer["name"] != "carol" else {**answer, "status": status}

    monkeypatch.setattr(ControlClient, "whole_status", whole_status)
    assert stand_ins("start").status == 0
    ran = stand_ins("doctor")
    assert ran.status == 1
    assert "client carol: its status is not understood" in " ".join(ran.out.split())
    assert "hub hank" in ran.out
    assert ran.out.replace("\n", "").isprintable()
