"""`dskectl start`, `stop` and `status` with real processes: the guide's lines, and who may."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from dsked.cli import process, surroundings
from dsked.config import gate_keys
from dsked.errors import NotAllowedError
from scripts.laboratory import LIMIT_S

from .conftest import Dskectl
from .running import START, STOP, pids


def test_a_topology_starts_shows_itself_and_stops(stand_ins: Dskectl, directory: Path, runtime: Path) -> None:
    assert stand_ins("start") == (0, START, "")
    shown = stand_ins("status")
    assert shown.status == 0
    assert [line for line in shown.lines if line.startswith("Status")] == [
        "Status for hub hank on port 8100",
        "Status for hub helen on port 8101",
        "Status for hub hugo on port 8102",
        "Status for client carol on port 8103",
        "Status for client curtis on port 8104",
    ]
    assert stand_ins("stop") == (0, STOP, "")
    assert (directory / "hub-hank.out").read_text() == "stand-in hub hank begins\n"
    assert (directory / "client-carol.out").read_text() == "stand-in client carol begins\n"
    assert list(runtime.rglob("*.sock")) == []
    pairs = list(gate_keys.load(directory / "state" / "gate-keys.json"))
    assert len(pairs) == 6


def test_start_twice_says_that_they_run(stand_ins: Dskectl) -> None:
    stand_ins("--hub", "hank", "--client", "carol", "start")
    before = pids(stand_ins)
    again = stand_ins("start")
    assert again.status == 0
    assert again.lines == [
        "Waiting for all nodes to be stopped",
        "Hub hank on port 8100 is running already",
        "Starting hub helen on port 8101",
        "Starting hub hugo on port 8102",
        "Client carol on port 8103 is running already",
        "Starting client curtis on port 8104",
        "Waiting for all nodes to be started",
    ]
    assert before.items() <= pids(stand_ins).items()


def test_stop_twice_says_that_they_do_not_run(stand_ins: Dskectl) -> None:
    assert stand_ins("stop") == (0, re.sub("Stopping (.)(.*)", _not_running, STOP), "")


def _not_running(match: re.Match[str]) -> str:
    return f"{match[1].upper()}{match[2]} is not running"


def test_filters_choose_nodes_and_label_the_waiting(stand_ins: Dskectl) -> None:
    started = stand_ins("--client", "carol", "--client", "curtis", "--hub", "hank", "start")
    assert started.lines == [
        "Waiting for client carol, client curtis, hub hank to be stopped",
        "Starting hub hank on port 8100",
        "Starting client carol on port 8103",
        "Starting client curtis on port 8104",
        "Waiting for client carol, client curtis, hub hank to be started",
    ]
    assert stand_ins("--hub", "hank", "stop").lines == [
        "Stopping hub hank on port 8100",
        "Waiting for hub hank to be stopped",
    ]
    assert list(pids(stand_ins)) == ["carol", "curtis"]


def test_a_name_that_the_topology_does_not_have(stand_ins: Dskectl) -> None:
    for command in ("start", "stop", "status"):
        ran = stand_ins("--client", "corrie", command)
        assert ran == (
            2,
            "",
            "dskectl: dske-config.yaml: there is no client 'corrie'; it has carol, curtis\n",
        )


def test_status_is_a_heading_and_pure_json(stand_ins: Dskectl) -> None:
    stand_ins("--client", "carol", "start")
    shown = stand_ins("--client", "carol", "status")
    heading, _, document = shown.out.partition("\n")
    assert heading == "Status for client carol on port 8103"
    assert next(iter(json.loads(document))) == "name"
    assert json.loads(document)["ready"] is True


def test_status_in_json_is_one_document_with_those_that_do_not_run(stand_ins: Dskectl) -> None:
    stand_ins("--hub", "helen", "start")
    shown = stand_ins("--hub", "hank", "--hub", "helen", "status", "--json")
    assert shown.status == 3
    assert shown.err == ""
    assert len(shown.lines) == 1
    first, second = json.loads(shown.out)["nodes"]
    assert first == {
        "role": "hub",
        "name": "hank",
        "port": 8100,
        "running": False,
        "error": "hub hank on port 8100 is not running",
    }
    assert second["running"] is True
    assert second["status"]["name"] == "helen"


def test_status_of_nodes_that_do_not_run(stand_ins: Dskectl) -> None:
    shown = stand_ins("--hub", "hank", "status")
    down = "dskectl: hub {} on port {} is not running\n"
    hint = "dskectl: start it with: dskectl --hub hank start\n"
    assert shown == (3, "", down.format("hank", 8100) + hint)
    stand_ins("--hub", "hugo", "--client", "carol", "--client", "curtis", "start")
    shown = stand_ins("--config", "dske-config.yaml", "status")
    hint = "dskectl: start them with: dskectl --config dske-config.yaml start\n"
    assert shown.err == down.format("hank", 8100) + down.format("helen", 8101) + hint


def test_nodes_that_are_no_more_in_the_file_are_told_of(stand_ins: Dskectl, directory: Path) -> None:
    stand_ins("--hub", "hank", "--hub", "hugo", "start")
    pid = pids(stand_ins)["hugo"]
    file = directory / "dske-config.yaml"
    whole = file.read_text()
    file.write_text(whole.replace(", {name: hugo}", ""))
    says = f"dskectl: warning: hub hugo runs and is not in dske-config.yaml; stop it with: kill {pid}\n"
    assert says in stand_ins("status").err
    assert stand_ins("--hub", "hank", "stop").err == ""
    stopped = stand_ins("stop")
    assert (stopped.status, stopped.err) == (1, says)
    file.write_text(whole)
    assert pids(stand_ins) == {"hugo": pid}


OTHER = "192.0.2.1"


def other_host(directory: Path, *names: str) -> None:
    file = directory / "dske-config.yaml"
    text = file.read_text().replace(
        "simulated\netsi: plain-http-on-loopback", "simulated-insecure-over-the-network"
    )
    for name in names:
        text = text.replace(f"{{name: {name}", f"{{name: {name}, host: {OTHER}")
    file.write_text(text)


def test_nodes_of_other_machines_are_not_started_unnoticed(stand_ins: Dskectl, directory: Path) -> None:
    other_host(directory, "helen", "curtis")
    ran = stand_ins("start")
    assert ran == (
        2,
        "",
        f"dskectl: dske-config.yaml: {OTHER} of hub helen, {OTHER} of client curtis: no address of this "
        "machine; start only its own nodes, such as with: "
        "dskectl --client carol --hub hank --hub hugo start\n",
    )
    assert stand_ins("--client", "carol", "--hub", "hank", "start").status == 0


def test_no_node_is_this_machines(call: Dskectl, directory: Path) -> None:
    other_host(directory, "hank", "helen", "hugo", "carol", "curtis")
    ran = call("start")
    assert ran.status == 2
    assert ran.err.endswith(
        f"{OTHER} of hub hugo, ...: no address of this machine; none of the nodes is its own\n"
    )


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True), ("127.0.0.2", True), ("192.0.2.1", False), ("no.such.host.invalid", False),
        ("a" * 70, False),
    ],
)  # fmt: skip
def test_a_host_is_this_machines_if_a_socket_can_have_it(host: str, own: bool) -> None:
    assert surroundings.is_own_host(host) is own


@pytest.mark.parametrize("command", ["start", "stop"])
def test_a_stranger_may_neither_start_nor_stop(
    call: Dskectl, runtime: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    real = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith(".lock"):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        ran = call(command)
    assert ran.status == 4
    assert "only root and the nodes' own user may start or stop them" in ran.err


@pytest.mark.parametrize("command", ["status", "stop"])
def test_who_may_not_connect_is_refused(
    stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise NotAllowedError("you may not use it")

    with monkeypatch.context() as patch:
        patch.setattr("dsked.cli.stopping.ControlClient", refuse)
        patch.setattr("dsked.cli.status_nodes.ControlClient", refuse)
        ran = stand_ins("--hub", "hank", command)
    assert ran.status == 4
    assert "you may not use it" in ran.err


def test_nodes_do_not_keep_what_the_caller_had_open(stand_ins: Dskectl) -> None:
    """Else `dskectl start | tee log` would never end."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    stand_ins("--hub", "hank", "start")
    os.close(writing)
    ended = threading.Event()
    threading.Thread(target=lambda: (os.read(reading, 1), ended.set()), daemon=True).start()
    assert ended.wait(LIMIT_S)
    os.close(reading)


def test_modules_of_the_current_directory_are_not_loaded_into_nodes(
    stand_ins: Dskectl, directory: Path
) -> None:
    (directory / "msgpack.py").write_text("raise SystemExit('the wrong module')")
    assert stand_ins("--hub", "hank", "start").status == 0


def test_logs_go_to_the_named_directory_and_are_appended_to(stand_ins: Dskectl, directory: Path) -> None:
    logs = directory / "logs"
    logs.mkdir()
    for _ in range(2):
        assert stand_ins("--hub", "hank", "start", "--log-dir", str(logs)).status == 0
        assert stand_ins("--hub", "hank", "stop").status == 0
    assert (logs / "hub-hank.out").read_text() == "stand-in hub hank begins\n" * 2
    assert not (directory / "hub-hank.out").exists()


def test_nodes_are_told_what_dskectl_was_told(stand_ins: Dskectl, directory: Path, runtime: Path) -> None:
    other = runtime / "other"
    options = ("--runtime-dir", str(other), "--state-dir", "state2")
    assert stand_ins(*options, "--hub", "hank", "start", "--log-level", "debug").status == 0
    shown = json.loads(stand_ins(*options, "--hub", "hank", "status", "--json").out)["nodes"][0]
    command_line = Path(f"/proc/{shown['status']['pid']}/cmdline").read_text().rstrip("\0").split("\0")
    assert command_line[command_line.index("--role") :] == [
        "--role", "hub", "hank",
        "--config", f"{directory}/dske-config.yaml",
        "--state-dir", f"{directory}/state2",
        "--runtime-dir", str(other),
        "--log-level", "debug",
    ]  # fmt: skip
    assert (directory / "state2" / "gate-keys.json").exists()
    assert stand_ins(*options, "stop").status == 0


def test_a_warning_of_the_topology_is_shown(stand_ins: Dskectl, directory: Path) -> None:
    file = directory / "dske-config.yaml"
    file.write_text(file.read_text().replace("{name: hugo}", "{name: hugo}, {name: holly}"))
    ran = stand_ins("--hub", "hank", "start")
    assert ran.err.startswith("dskectl: warning: dske-config.yaml:3: min_nr_shares: 2 of 4 hubs")


def test_gate_keys_that_must_travel_are_announced(call: Dskectl, directory: Path) -> None:
    file = directory / "dske-config.yaml"
    text = file.read_text().replace("simulated", "simulated-insecure-over-the-network")
    file.write_text(text.replace("{name: hank}", "{name: hank, host: 192.0.2.1}"))
    ran = call("start", "--log-dir", "nowhere")
    assert ran.status == 2
    assert "'nowhere' does not exist" in ran.err
    (directory / "hub-hank.out").mkdir()
    ran = call("--hub", "hank", "start")
    assert ran.status == 1
    assert ran.err.splitlines() == [
        f"dskectl: gate keys were made in {directory}/state/gate-keys.json; "
        "copy it to every host of the topology",
        f"dskectl: {directory}/hub-hank.out: cannot be written: Is a directory; choose a --log-dir",
    ]


@pytest.mark.parametrize(
    ("arguments", "is_it"),
    [
        (["/usr/bin/python3", "-P", "-m", "dsked", "--role", "hub", "hank", "--config", "x"], True),
        (["/usr/bin/python3", "/usr/bin/dsked", "--role=hub", "hank"], True),
        (["dsked", "hank", "--role", "hub"], True),
        (["/usr/bin/python3", "/usr/bin/dsked", "--config", "/etc/dsked/hank.yaml"], True),  # its own
        (["vim", "--config", "/etc/dsked/hank.yaml"], False),
        (["/usr/bin/python3", "-m", "dsked", "--role", "hub", "helen"], False),
        (["/usr/bin/python3", "-m", "dsked", "--role", "client", "hank"], False),
        (["vim", "--role", "hub", "hank"], False),
        (["vim", "a", "b", "c", "dsked", "--role", "hub", "hank"], False),
        ([], False),
    ],
)
def test_a_command_line_is_recognised(arguments: list[str], is_it: bool) -> None:
    from dsked.cli.target import NodePlace

    assert process.is_node(arguments, NodePlace("hub", "hank", 8100, Path("s"))) is is_it


@pytest.mark.parametrize(
    ("arguments", "is_it"),
    [
        (["/usr/bin/python3", "/usr/bin/dsked", "--role", "hub"], True),  # DSKED_NAME has the name
        (["/usr/bin/python3", "/usr/bin/dsked", "--role", "client"], False),
        (["vim", "--role", "hub"], False),
    ],
)
def test_a_daemon_without_a_name_is_one_of_its_role(arguments: list[str], is_it: bool) -> None:
    assert process.is_daemon(arguments, "hub") is is_it
