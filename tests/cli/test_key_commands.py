"""`dskectl get-key`, `get-key-with-key-ids` and `status` for one node, over its control socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsked.cli import key_commands
from dsked.cli.one_node import connect_to_one
from dsked.delivery.control_client import ControlClient

from .conftest import Dskectl

KEY_ID = "00010203-0405-0607-0809-0a0b0c0d0e0f"
CONTAINER = {"keys": [{"key_ID": KEY_ID, "key": "EBESExQVFhcYGRobHB0eHw=="}]}


def test_a_key_from_the_only_client_on_this_host(stand_ins: Dskectl) -> None:
    stand_ins("--client", "carol", "--hub", "hank", "start")
    ran = stand_ins("get-key", "sunny")
    assert ran.status == 0
    assert json.loads(ran.out) == CONTAINER
    assert len(ran.lines) > 1


def test_json_is_one_compact_line(stand_ins: Dskectl) -> None:
    stand_ins("--client", "carol", "start")
    ran = stand_ins("get-key", "sunny", "--json")
    assert ran.out == json.dumps(CONTAINER, separators=(",", ":")) + "\n"


def test_size_number_and_encryptor_are_passed_on(stand_ins: Dskectl) -> None:
    stand_ins("--client", "carol", "start")
    ran = stand_ins("get-key", "sunny", "--number", "3", "--size", "256", "--as", "sam")
    assert len(json.loads(ran.out)["keys"]) == 3


def test_keys_by_their_ids(stand_ins: Dskectl) -> None:
    stand_ins("--client", "curtis", "start")
    other = KEY_ID.replace("0e0f", "FFFF")
    ran = stand_ins("get-key-with-key-ids", "sam", KEY_ID, other, "--as", "sunny")
    assert [key["key_ID"] for key in json.loads(ran.out)["keys"]] == [KEY_ID, other.lower()]


@pytest.mark.parametrize(
    "text", ["6a116f1-104e-4213-8cf1-0557cf33cb29", "", "x" * 36, f"{KEY_ID}0", f"{{{KEY_ID}}}"]
)
def test_a_key_id_that_is_no_uuid(call: Dskectl, text: str) -> None:
    ran = call("get-key-with-key-ids", "sam", text)
    assert (ran.status, ran.out) == (2, "")
    said = f"{text!r} is no key ID; a UUID such as 00000000-0000-0000-0000-000000000000 is expected."
    assert ran.err == (
        f"dskectl: Invalid value for KEY_ID: {said} See: dskectl get-key-with-key-ids --help\n"
    )


def test_one_of_several_clients_must_be_chosen(stand_ins: Dskectl) -> None:
    stand_ins("--client", "carol", "--client", "curtis", "start")
    ran = stand_ins("get-key", "sunny")
    assert ran.status == 2
    assert ran.err == (
        "dskectl: Several clients run here; choose one with --node: carol, curtis. "
        "See: dskectl get-key --help\n"
    )
    assert stand_ins("get-key", "sunny", "--node", "carol").status == 0


def test_a_node_is_chosen_by_its_socket(stand_ins: Dskectl, runtime: Path) -> None:
    stand_ins("--client", "carol", "--client", "curtis", "start")
    (path,) = runtime.rglob("client-carol.sock")
    assert stand_ins("get-key", "sunny", "--socket", str(path)).status == 0
    ran = stand_ins("status", "--socket", str(path))
    assert ran.lines[0] == "Status for client carol"
    assert json.loads(ran.out.partition("\n")[2])["name"] == "carol"


def test_a_client_that_stops_between_found_and_asked(
    stand_ins: Dskectl, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins("--client", "carol", "start")
    (path,) = runtime.rglob("client-carol.sock")
    away = path.with_suffix(".away")

    def found(*arguments: Any) -> ControlClient:
        connection = connect_to_one(*arguments)
        path.rename(away)
        return connection

    monkeypatch.setattr(key_commands, "connect_to_one", found)
    try:
        ran = stand_ins("get-key", "sunny")
    finally:
        away.rename(path)
    assert ran == (3, "", f"dskectl: no node is listening on {path}\n")


def test_a_named_topology_narrows_the_search(stand_ins: Dskectl, directory: Path) -> None:
    other = directory / "other.yaml"
    other.write_text((directory / "dske-config.yaml").read_text())
    stand_ins("--client", "carol", "start")
    stand_ins("--config", "other.yaml", "--client", "carol", "start")
    ran = stand_ins("get-key", "sunny", "--node", "carol")
    assert ran.status == 2
    assert "Several nodes carol run here; choose one with --socket: " in ran.err
    for of_several in ([], ["--as", "sam"]):
        ran = stand_ins("get-key", "sunny", *of_several)
        assert ran.status == 2
        assert "Several clients run here; choose one with --socket: " in ran.err  # both are named carol
    assert stand_ins("--config", "other.yaml", "get-key", "sunny").status == 0
    assert stand_ins("--config", "other.yaml", "stop").status == 0


def test_a_name_is_meant_whole(stand_ins: Dskectl, directory: Path) -> None:
    file = directory / "dske-config.yaml"
    file.write_text(file.read_text().replace("name: hank", "name: east-hank"))
    stand_ins("--hub", "east-hank", "--client", "carol", "start")
    for name in ("hank", "*", "east-han?"):
        assert stand_ins("status", "--node", name).status == 2
    assert stand_ins("status", "--node", "east-hank").status == 0
    assert stand_ins("get-key", "sunny", "--node", "east-hank").status == 2  # a hub


def test_status_of_one_node_in_json(stand_ins: Dskectl) -> None:
    stand_ins("--hub", "hank", "start")
    ran = stand_ins("status", "--node", "hank", "--json")
    assert len(ran.lines) == 1
    shown = json.loads(ran.out)
    assert (shown["name"], shown["role"], shown["ready"]) == ("hank", "hub", True)


def test_status_without_a_topology_file_is_that_of_the_only_client(
    stand_ins: Dskectl, directory: Path
) -> None:
    stand_ins("--client", "carol", "--hub", "hank", "start")
    file = directory / "dske-config.yaml"
    text = file.read_text()
    file.unlink()
    ran = stand_ins("status")
    file.write_text(text)
    assert ran.lines[0] == "Status for client carol"


def test_nothing_runs(call: Dskectl, directory: Path) -> None:
    hint = "start the topology with: dskectl start"
    assert call("get-key", "sunny") == (3, "", f"dskectl: no client runs here; {hint}\n")
    assert call("--config", "dske-config.yaml", "status", "--node", "hank") == (
        3,
        "",
        "dskectl: no hub or client hank runs here; "
        "start it with: dskectl --config dske-config.yaml --hub hank start\n",
    )
    ran = call("get-key", "sunny", "--socket", f"{directory}/no.sock")
    assert ran == (3, "", f"dskectl: no node is listening on {directory}/no.sock\n")
    (directory / "dske-config.yaml").unlink()
    assert call("get-key", "sunny") == (3, "", "dskectl: no client runs here\n")
    assert call("get-key", "sunny", "--node", "x") == (3, "", "dskectl: no client x runs here\n")
    assert call("status", "--node", "x") == (3, "", "dskectl: no hub or client x runs here\n")


@pytest.mark.parametrize(
    "command",
    [
        "status --node x", "--hub x status", "--client x status", "--hub x drain", "drain --node x",
        "--hub x start", "--client x stop", "get-key sunny --node x", "doctor --node x", "--hub x doctor",
        "get-key-with-key-ids sunny 00000000-0000-0000-0000-000000000001 --node x",
        "psrd list --hub x", "psrd verify --client x", "psrd erase --yes --client x --peer hank",
    ],
)  # fmt: skip
def test_a_node_that_the_file_does_not_have(call: Dskectl, command: str) -> None:
    """Whatever is asked of it: it is the command line or the file that is wrong, and not what runs."""
    ran = call(*command.split())
    assert ran.status == 2
    assert "dske-config.yaml: there is no " in ran.out + ran.err and "'x'; it has " in ran.out + ran.err


def test_a_path_that_is_no_socket(call: Dskectl, directory: Path) -> None:
    path = directory / "dske-config.yaml"
    assert call("status", "--socket", str(path)) == (2, "", f"dskectl: {path} is no socket\n")


def test_a_hub_gives_no_keys(stand_ins: Dskectl, directory: Path) -> None:
    says = "dskectl: hank is a hub; keys come from clients: {}. See: dskectl get-key --help\n"
    assert stand_ins("get-key", "sunny", "--node", "hank") == (2, "", says.format("carol, curtis"))
    stand_ins("--hub", "hank", "--client", "carol", "start")
    file = directory / "dske-config.yaml"
    moved = file.rename(directory / "elsewhere.yaml")
    assert stand_ins("get-key", "sunny", "--node", "hank").err == says.format("carol")
    moved.rename(file)


def test_the_client_that_serves_the_encryptor_is_chosen(stand_ins: Dskectl) -> None:
    stand_ins("--client", "carol", "--client", "curtis", "start")
    assert stand_ins("get-key", "sunny", "--as", "sam").status == 0
    assert stand_ins("get-key-with-key-ids", "sam", KEY_ID, "--as", "susan").status == 0
    assert stand_ins("get-key", "sunny", "--as", "nobody") == (
        2,
        "",
        "dskectl: No client here serves nobody: carol serves sam; curtis serves sunny, susan. "
        "See: dskectl get-key --help\n",
    )


def test_a_client_of_several_encryptors_is_told_for_which(stand_ins: Dskectl) -> None:
    stand_ins("--client", "curtis", "start")
    ran = stand_ins("get-key", "sam")
    assert ran.status == 2
    assert "Say for which encryptor with --as: sunny, susan." in ran.err


def test_a_directory_that_this_user_may_not_enter_is_told_of(
    call: Dskectl, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = runtime / "lab-00000000"
    closed.mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: path != closed)
    assert call("get-key", "sunny", "--node", "carol") == (
        4,
        "",
        "dskectl: no client carol runs here, as far as you may see: only its user, its group and root "
        f"may look into {closed}\n",
    )


def test_a_refusal_has_its_own_exit_status(stand_ins: Dskectl) -> None:
    stand_ins("--client", "carol", "start")
    ran = stand_ins("get-key", "nobody")
    assert ran == (4, "", "dskectl: no hub knows a client that serves nobody\n")


def test_filters_of_topologies_are_refused(call: Dskectl) -> None:
    ran = call("--client", "carol", "get-key", "sunny")
    assert ran.status == 2
    assert "not for get-key; use --node." in ran.err
