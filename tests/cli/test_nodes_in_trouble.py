"""`dskectl start` and `stop` with nodes that die, hang or do not obey, and starts that are interrupted."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dsked.cli import launching, process, starting
from dsked.cli.target import NodePlace

from .conftest import Dskectl
from .running import mood, pids


def test_a_node_that_dies_fails_the_start_with_its_log(
    stand_ins: Dskectl, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "hub-hugo.out").write_text("a line of an earlier run\n")
    mood(monkeypatch, hugo="dies")
    ran = stand_ins("start")
    assert ran.status == 1
    assert ran.lines[-1] == "Stopping the nodes that were started"
    assert ran.err.splitlines() == [
        f"The log {directory}/hub-hugo.out ends with:",
        "  stand-in hub hugo begins",
        "  dsked: port 8100 on 127.0.0.1 is taken by another program",
        "dskectl: hub hugo on port 8102 ended while it was starting (exit status 1)",
    ]
    assert pids(stand_ins) == {}


def test_a_node_that_is_killed_while_it_starts_is_told_with_the_signal(
    stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    mood(monkeypatch, carol="is-killed")
    ran = stand_ins("start")
    assert ran.status == 1
    assert ran.err.splitlines()[-1] == (
        "dskectl: client carol on port 8103 ended while it was starting (signal SIGKILL)"
    )
    assert pids(stand_ins) == {}


def test_a_failed_start_leaves_those_that_ran_before(
    stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins("--hub", "hank", "start")
    before = pids(stand_ins)
    mood(monkeypatch, hugo="dies")
    assert stand_ins("start").status == 1
    assert pids(stand_ins) == before


def time_begins_when_all_have_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of a start stands still until every node has told why it is not ready."""
    now, ask = 0.0, starting._Wait._ask_those_before

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now

    def asked(wait: Any) -> None:
        nonlocal now
        ask(wait)
        if all(reason.startswith("2 of 5 hubs registered") for _, reason in wait._reasons()):
            now += 0.01

    monkeypatch.setattr(starting, "time", Clock)
    monkeypatch.setattr(starting, "LIMIT_S", 0.12)
    monkeypatch.setattr(starting, "_REPORT_INTERVAL_S", 0.04)
    monkeypatch.setattr(starting._Wait, "_ask_those_before", asked)


def test_a_node_that_is_never_ready_fails_the_start_with_its_reason(
    stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_begins_when_all_have_told(monkeypatch)
    mood(monkeypatch, carol="never-ready", curtis="never-ready")
    ran = stand_ins("--client", "carol", "--client", "curtis", "start")
    assert ran.status == 1
    short = "Still waiting for client {} to be started: 2 of 5 hubs registered, 3 needed"
    for name in ("carol", "curtis"):
        assert ran.lines.count(short.format(name)) == 1  # not every time that nothing has changed
    assert ran.err.splitlines()[-1] == (
        "dskectl: not ready within 0.12 s: "
        "client carol, client curtis: 2 of 5 hubs registered, 3 needed (hugo: down)"
    )
    assert pids(stand_ins) == {}


def test_start_waits_for_nodes_that_ran_before_and_are_not_ready(
    stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    mood(monkeypatch, carol="never-ready")
    time_begins_when_all_have_told(monkeypatch)
    monkeypatch.setattr(starting, "_stop_again", lambda started, say: None)
    stand_ins("--client", "carol", "start")
    ran = stand_ins("--client", "carol", "start")
    assert ran.status == 1
    assert "Client carol on port 8103 is running already" in ran.lines
    assert "not ready within 0.12 s: client carol: 2 of 5 hubs registered, 3 needed (hugo: down)" in ran.err


def test_a_node_that_ignores_the_order_is_terminated(
    stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    mood(monkeypatch, hank="stubborn", carol="stubborn")
    stand_ins("--hub", "hank", "--client", "carol", "start")
    assert stand_ins("stop").status == 0
    assert pids(stand_ins) == {}


def test_a_node_that_answers_nothing_and_ignores_sigterm_is_killed(
    stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsked.cli.stopping._ANSWER_S", 0.3)
    monkeypatch.setattr(process, "REPORT_INTERVAL_S", 0.2)
    mood(monkeypatch, hank="immortal")
    stand_ins("--hub", "hank", "start")
    ran = stand_ins("--hub", "hank", "stop")
    assert ran.status == 0
    waits = "Still waiting for hub hank to be stopped"  # also for the end of a process that was killed
    assert waits in ran.lines
    last = [line for line in ran.lines if line != waits][-1]
    assert re.fullmatch(r"Killing hub hank \(process \d+\), which does not stop", last)


def test_a_process_that_is_no_dsked_is_left_alone(stand_ins: Dskectl, runtime: Path) -> None:
    stand_ins("--hub", "hank", "start")
    stand_ins("--hub", "hank", "stop")
    (topology,) = (path for path in runtime.iterdir() if path.is_dir())
    path = topology / "hub-hank.sock"
    with socket.socket(socket.AF_UNIX) as listening:  # this very test process
        listening.bind(str(path))
        listening.listen()
        ran = stand_ins("stop")
    path.unlink()
    assert ran.status == 1
    assert ran.err == (
        f"dskectl: process {os.getpid()} listens on {path}, and is no dsked of hub hank; it is left alone: "
        f"if it is meant, stop it with: kill {os.getpid()}\n"
    )


def command_of(arguments: str) -> list[str]:
    """dskectl in a process of its own, whose nodes are stand-ins."""
    program = (
        "import sys; from dsked.cli import dskectl, launching, starting; starting._REPORT_INTERVAL_S = 0.2;"
        f"launching.DAEMON, launching.NURSERY = {launching.DAEMON!r}, {launching.NURSERY!r};"
        "dskectl.main()"
    )
    return [sys.executable, "-c", program, *arguments.split()]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **more}


def test_a_start_that_is_killed_leaves_no_file_behind(
    stand_ins: Dskectl, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mood(monkeypatch, carol="never-ready")
    temporary = directory / "t"
    temporary.mkdir()
    started = subprocess.Popen(
        command_of("--client carol start"), env=environment(TMPDIR=str(temporary), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stdout is not None
    with started.stdout as said:
        while "2 of 5 hubs registered" not in (line := said.readline()):  # carol has told us so
            assert line, "it has ended"
        started.kill()
    assert started.wait() == -signal.SIGKILL
    assert list(temporary.iterdir()) == []
    assert list(pids(stand_ins)) == ["carol"], "it runs on"


def test_two_starts_at_once_start_every_node_once(stand_ins: Dskectl, directory: Path) -> None:
    both = [
        subprocess.Popen(command_of("start"), env=environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [one.communicate()[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    for node in ("hub hank on port 8100", "client curtis on port 8104"):
        assert sum(f"Starting {node}" in output for output in outputs) == 1
        assert sum(f"{node[0].upper()}{node[1:]} is running already" in output for output in outputs) == 1


def test_an_interrupted_start_stops_what_it_started(
    stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    mood(monkeypatch, carol="never-ready")
    read = starting._Wait._read

    def interrupt(wait: Any, one: Any) -> bool:
        signal.raise_signal(signal.SIGINT)
        return read(wait, one)

    monkeypatch.setattr(starting._Wait, "_read", interrupt)
    ran = stand_ins("--client", "carol", "start")
    assert ran.status == 130
    assert ran.err.strip() == "dskectl: interrupted"
    assert pids(stand_ins) == {}


def test_an_interrupt_while_a_process_is_made_leaves_none_behind(
    stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[launching.Starting] = []
    real = launching.Launcher.launch

    def launch(launcher: launching.Launcher, node: NodePlace) -> launching.Starting:
        made.append(real(launcher, node))
        signal.raise_signal(signal.SIGINT)
        return made[-1]

    with monkeypatch.context() as patch:
        patch.setattr(launching.Launcher, "launch", launch)
        ran = stand_ins("start")
    assert (ran.status, ran.err.strip()) == (130, "dskectl: interrupted")
    (one,) = made
    with pytest.raises(ProcessLookupError):  # it has ended, and was waited for
        os.kill(one.pid, 0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
