"""The user guide's session on the example file, command by command."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from dsked.delivery.control_client import ControlClient
from scripts.laboratory import Laboratory

from .support import key_pair, many_pairs, wait_for_hubs

PROJECT = Path(__file__).parents[2]
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
KEY_128 = r"[A-Za-z0-9+/]{22}=="
RESIDENT_LIMIT_MIB = 60
CLIENTS = ["carol", "celia", "cindy", "connie", "curtis"]


def on_ports(lab: Laboratory, verb: str, names: list[str]) -> list[str]:
    return [f"{verb} {lab.role(name)} {name} on port {lab.port(name)}" for name in names]


def names_of(lab: Laboratory) -> list[str]:
    return [name for _, name in lab.nodes()]


def heading(lab: Laboratory, call: str, client: str, master: str, slave: str) -> str:
    return (
        f"Invoke ETSI QKD {call} API on client (KME) {client} port {lab.port(client)} "
        f"master encryptor (SAE) {master} slave encryptor (SAE) {slave}:"
    )


def assert_pools(peer: dict[str, object]) -> None:
    for name, owner in (("local_pool", "local"), ("peer_pool", "peer")):
        pool = peer[name]
        assert isinstance(pool, dict)
        assert pool["owner"] == owner
        for block in pool["blocks"]:
            assert set(block) == {"uuid", "size", "nr_used_bytes", "nr_unused_bytes"}
            assert re.fullmatch(UUID, block["uuid"])
            assert block["size"] == block["nr_used_bytes"] + block["nr_unused_bytes"]


def resident_mib(path: Path) -> float:
    with ControlClient(path) as control:
        text = Path(f"/proc/{control.peer_pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def test_stop_and_start(lab: Laboratory) -> None:
    names = names_of(lab)
    assert lab.stop().splitlines() == [
        *on_ports(lab, "Stopping", names[::-1]),
        "Waiting for all nodes to be stopped",
    ]
    assert not list(lab.path.glob("*/*.sock"))
    again = lab.run("stop")
    assert again.returncode == 0
    assert again.stdout.splitlines()[0] == f"Client curtis on port {lab.port('curtis')} is not running"

    assert lab.start().splitlines() == [  # at once, on the same ports
        "Waiting for all nodes to be stopped",
        *on_ports(lab, "Starting", names),
        "Waiting for all nodes to be started",
    ]
    assert many_pairs(lab, 64) == 64  # right after the start
    wait_for_hubs(lab, *CLIENTS)  # so that the tests behind this one have all hubs
    for role, name in lab.nodes():
        assert resident_mib(lab.socket(role, name)) < RESIDENT_LIMIT_MIB, name


def test_start_twice(lab: Laboratory) -> None:
    pids = {name: lab.pid(name) for name in names_of(lab)}
    ran = lab.run("start")
    assert ran.returncode == 0
    assert ran.stdout.splitlines() == [
        "Waiting for all nodes to be stopped",
        *(
            f"{lab.role(name).capitalize()} {name} on port {lab.port(name)} is running already"
            for name in names_of(lab)
        ),
        "Waiting for all nodes to be started",
    ]
    assert pids == {name: lab.pid(name) for name in names_of(lab)}


def test_one_hub_and_one_client(lab: Laboratory) -> None:
    hugo, connie = f"hub hugo on port {lab.port('hugo')}", f"client connie on port {lab.port('connie')}"
    assert lab.stop("hugo", "connie").splitlines() == [
        f"Stopping {connie}",
        f"Stopping {hugo}",
        "Waiting for client connie, hub hugo to be stopped",
    ]
    assert lab.start("hugo", "connie").splitlines() == [
        "Waiting for client connie, hub hugo to be stopped",
        f"Starting {hugo}",
        f"Starting {connie}",
        "Waiting for client connie, hub hugo to be started",
    ]
    wait_for_hubs(lab, *CLIENTS)  # so that the tests behind this one have all hubs
    key_pair(lab, "sofia", "sam")


def test_status_of_all_nodes(lab: Laboratory) -> None:
    pieces = re.split(r"(?m)^(Status for .*)$", lab.dskectl("status"))
    assert pieces[0] == ""
    assert pieces[1::2] == on_ports(lab, "Status for", names_of(lab))
    states = [json.loads(text) for text in pieces[2::2]]
    assert [state["name"] for state in states] == names_of(lab)
    for state in states[:5]:
        clients = [peer["client_name"] for peer in state["peer_clients"]]
        assert clients == CLIENTS
        for peer in state["peer_clients"]:
            assert_pools(peer)


def test_status_of_one_client(lab: Laboratory) -> None:
    header, _, text = lab.dskectl("--client", "carol", "status").partition("\n")
    assert header == f"Status for client carol on port {lab.port('carol')}"
    state = json.loads(text)  # `tail -n +2 | jq`
    assert state["encryptor_names"] == ["sam"]
    assert [peer["hub_name"] for peer in state["peer_hubs"]] == ["hank", "helen", "hilary", "holly", "hugo"]
    for peer in state["peer_hubs"]:
        assert peer["registered"] is True
        assert_pools(peer)


def test_status_of_one_hub(lab: Laboratory) -> None:
    header, _, text = lab.dskectl("--hub", "hank", "status").partition("\n")
    assert header == f"Status for hub hank on port {lab.port('hank')}"
    encryptors = {peer["client_name"]: peer["encryptor_names"] for peer in json.loads(text)["peer_clients"]}
    assert encryptors == {
        "carol": ["sam"], "celia": ["serena"], "cindy": [], "connie": ["sofia"], "curtis": ["sunny", "susan"],
    }  # fmt: skip


def test_get_status(lab: Laboratory) -> None:
    header, _, text = lab.dskectl("etsi-qkd", "sam", "sunny", "get-status").partition("\n")
    assert header == heading(lab, "Status", "carol", "sam", "sunny")
    assert json.loads(text) == {
        "source_KME_ID": "carol",
        "target_KME_ID": "curtis",
        "master_SAE_ID": "sam",
        "slave_SAE_ID": "sunny",
        "key_size": 128,
        "stored_key_count": 0,
        "max_key_count": 0,
        "max_key_per_request": 128,
        "max_key_size": 16_777_216,
        "min_key_size": 32,
        "max_SAE_ID_count": 31,
    }


def test_get_key_and_the_same_key_with_its_id(lab: Laboratory) -> None:
    header, _, text = lab.dskectl("etsi-qkd", "sam", "serena", "get-key").partition("\n")
    assert header == heading(lab, "Get Key", "carol", "sam", "serena")
    established = json.loads(text)
    (key,) = established["keys"]
    assert re.fullmatch(UUID, key["key_ID"])
    assert re.fullmatch(KEY_128, key["key"])

    arguments = ["etsi-qkd", "sam", "serena", "get-key-with-key-ids", key["key_ID"]]
    header, _, text = lab.dskectl(*arguments).partition("\n")
    assert header == heading(lab, "Get Key with Key IDs", "celia", "sam", "serena")
    assert json.loads(text) == established


def test_get_key_pair(lab: Laboratory) -> None:
    lines = lab.dskectl("etsi-qkd", "sam", "sunny", "get-key-pair", "--size", "256").splitlines()
    second = lines.index(heading(lab, "Get Key with Key IDs", "curtis", "sam", "sunny"))
    assert lines[0] == heading(lab, "Get Key", "carol", "sam", "sunny")
    assert lines[-1] == "Key values match"
    established, fetched = json.loads("".join(lines[1:second])), json.loads("".join(lines[second + 1 : -1]))
    assert established == fetched
    assert len(established["keys"][0]["key"]) == 44


@pytest.mark.parametrize("document", ["README.md", "docs/user-guide.md"])
def test_curl_examples(lab: Laboratory, document: str) -> None:
    """All of a document, one after the other, on this topology's ports; "..." is the last key's ID."""
    text = (PROJECT / document).read_text()
    key_id = ""
    for command in re.findall(r"^    \$ (curl (?:.*\\\n)*.*)$", text, re.MULTILINE):
        on_port = re.sub(
            r":(81\d\d)/", lambda port: f":{lab.content['base_port'] + int(port[1]) - 8100}/", command
        )
        ran = subprocess.run(["bash", "-c", on_port.replace('"..."', f'"{key_id}"')], capture_output=True)
        reply = json.loads(ran.stdout)
        assert "message" not in reply, command
        if "keys" in reply:
            key_id = reply["keys"][0]["key_ID"]
    assert key_id


def test_keys_of_one_node_over_its_control_socket(lab: Laboratory) -> None:
    ran = lab.run("get-key", "susan", "--node", "carol", "--number", "3", "--json")
    established = json.loads(ran.stdout)
    ids = [key["key_ID"] for key in established["keys"]]
    assert len(set(ids)) == 3
    fetched = lab.dskectl("get-key-with-key-ids", "sam", *ids, "--as", "susan", "--node", "curtis", "--json")
    assert json.loads(fetched) == established


def test_every_node_has_a_log(lab: Laboratory) -> None:
    for role, name in lab.nodes():
        assert f"{role} {name} is ready\n" in lab.log(name)
    logs = {path.name for path in lab.path.glob("*.out")}
    assert logs == {f"{role}-{name}.out" for role, name in lab.nodes()}
