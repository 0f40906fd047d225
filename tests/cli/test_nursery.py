"""The process that nodes are forked from: what it must not share, and what goes wrong."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dsked import limits
from dsked.cli import launching, nursery

from .conftest import STAND_IN, STAND_IN_NURSERY, Dskectl
from .running import pids

ROOT = Path(__file__).parents[2]


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_what_the_daemon_imports_starts_no_thread_opens_nothing_and_reads_code_only() -> None:
    """Else a fork would have half of it, all forks the same, or a secret.

    prometheus_client reads its process's times for a collector of its own, which nobody asks.
    """
    times = ["/proc/self/limits", "/proc/self/stat", "/proc/stat"]
    program = (
        "import sys\n"
        "read = []\n"
        "sys.addaudithook(lambda event, words: event == 'open' and read.append(str(words[0])))\n"
        "import asyncio, os; from dsked.daemon import daemon, loading; from dsked.cli import dsked, nursery\n"
        "for part in loading.MODULES: loading.load(part)\n"
        "print(sorted({path for path in read if not path.endswith(('.py', '.pyc', '.so', '/mime.types'))}))\n"
        "print(os.listdir('/proc/self/task') == [str(os.getpid())], asyncio.events._event_loop_policy)\n"
        "print([fd for fd in range(3, 1024) if os.path.exists(f'/proc/self/fd/{fd}')])\n"
    )
    command = [sys.executable, "-B", "-c", program]  # what nobody has compiled yet is not written either
    said = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    assert said.stdout == f"{times}\nTrue None\n[]\n"


def test_the_nursery_is_gone_when_start_is_done(stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[launching.Launcher] = []
    close = launching.Launcher.close

    def closed(launcher: launching.Launcher) -> None:
        made.append(launcher)
        close(launcher)

    monkeypatch.setattr(launching.Launcher, "close", closed)
    assert stand_ins("start").status == 0
    assert stand_ins("start").status == 0  # all of them run: it was not needed
    for launcher in made:
        assert launcher._nursery.returncode is not None
        assert launcher._descriptors == []
    assert len(pids(stand_ins)) == 5


@pytest.mark.parametrize("name", ["hank", "h" * limits.MAX_NODE_NAME_BYTES])
def test_a_forked_nodes_command_line_is_its_own(stand_ins: Dskectl, directory: Path, name: str) -> None:
    file = directory / "dske-config.yaml"
    file.write_text(file.read_text().replace("hank", name))
    stand_ins("--hub", name, "start")
    words = [*STAND_IN, "--role", "hub", name, "--config", str(file.resolve())]
    shown = command_line(pids(stand_ins)[name])
    assert shown.rstrip(b"\0").split(b"\0") == [word.encode() for word in words]
    assert shown.endswith(b"\0\0")  # written over a longer one: this process was not executed anew


def test_a_command_line_without_room_is_executed_anew(
    stand_ins: Dskectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "_ROOM", "")
    assert stand_ins("--client", "curtis", "start").status == 0
    shown = command_line(pids(stand_ins)["curtis"]).decode()
    assert shown.startswith("\0".join([*STAND_IN, "--role", "client", "curtis", "--config", ""]))
    assert not shown.endswith("\0\0")


def test_a_nursery_with_threads_executes_nodes_anew(
    stand_ins: Dskectl, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = directory / "nursery"
    program.write_text(
        "import threading; from dsked.cli import nursery\n"
        "def load(part): threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "def daemon(): raise SystemExit('forked from a process with threads')\n"
        "nursery.serve(daemon, load)\n"
    )
    monkeypatch.setattr(launching, "NURSERY", (sys.executable, "-P", str(program)))
    assert stand_ins("--hub", "hank", "start").status == 0
    assert not command_line(pids(stand_ins)["hank"]).endswith(b"\0\0")


def test_a_program_that_does_not_load_is_told_in_one_line(
    call: Dskectl, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "raise ImportError('libuv.so.1: cannot open shared object file')"
    monkeypatch.setattr(launching, "NURSERY", (sys.executable, "-P", "-c", program))
    ran = call("start")
    assert (ran.status, ran.err) == (
        1,
        "dskectl: nodes cannot be started: ImportError: libuv.so.1: cannot open shared object file\n",
    )
    assert not list(directory.glob("*.out"))


def test_a_nursery_that_hangs_is_not_waited_for_for_ever(
    call: Dskectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "_ANSWER_S", 0.2)
    monkeypatch.setattr(launching, "NURSERY", (sys.executable, "-c", "import signal; signal.pause()"))
    ran = call("start")
    assert (ran.status, ran.err) == (1, "dskectl: no node could be started within 0.2 s\n")


def test_no_process_left_is_an_error_of_the_system(
    stand_ins: Dskectl, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = directory / "nursery"
    program.write_text(
        "import os; from dsked.cli import nursery\n"
        f"def fork(): raise OSError({errno.EAGAIN}, '')\n"
        "os.fork = fork\n"
        "nursery.serve(None, lambda part: None)\n"
    )
    monkeypatch.setattr(launching, "NURSERY", (sys.executable, "-P", str(program)))
    ran = stand_ins("start")
    assert (ran.status, ran.err) == (1, "dskectl: Resource temporarily unavailable\n")
    assert pids(stand_ins) == {}


def test_a_log_that_cannot_be_written(stand_ins: Dskectl, directory: Path) -> None:
    (directory / "hub-helen.out").mkdir()
    ran = stand_ins("start")
    assert ran.status == 1
    assert ran.err == (
        f"dskectl: {directory}/hub-helen.out: cannot be written: Is a directory; choose a --log-dir\n"
    )
    assert pids(stand_ins) == {}


def test_a_node_of_which_nobody_was_told_is_ended(directory: Path) -> None:
    """dskectl was killed between its request and the answer: nobody would ever know of the node."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading, writing = os.pipe()
    with theirs, subprocess.Popen([*STAND_IN_NURSERY, "." * 512], stdin=theirs) as process:
        process.send_signal(signal.SIGSTOP)
        request = {"program": STAND_IN, "arguments": ["--role", "hub", "hank"], "notify": ""}
        socket.send_fds(ours, [json.dumps(request).encode()], [writing])
        os.close(writing)
        ours.close()
        process.send_signal(signal.SIGCONT)
    assert process.returncode == 0
    with os.fdopen(reading) as log:
        log.read()  # ends when nobody has it open any more


def test_a_command_line_is_written_only_where_the_old_one_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel tells other addresses than we think, nothing is overwritten."""
    before = command_line(os.getpid())
    assert not nursery.take_command_line(["x" * len(before)])  # the zero behind it has no room
    monkeypatch.setattr(nursery, "_ARG_END", nursery._ARG_END + 2)  # the end of the environment
    assert not nursery.take_command_line(["x"])
    assert command_line(os.getpid()) == before
