"""What `dskectl start` forks is what a node started alone would be, and nothing is shared among them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dsked.limits import PROTOCOL_VERSION
from dsked.wire.handshake import M0, M1, MAGIC, decode_part, encode_part
from scripts.laboratory import LIMIT_S, Laboratory

from .daemon import Daemon
from .support import example, small


def arguments(pid: int) -> list[str]:
    """The command line of a process, as /proc shows it."""
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")


def likeness(pid: int) -> dict[str, Any]:
    """What two processes of one node have in common, if they were made alike."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    told = ("Name", "Umask", "Uid", "Gid", "SigBlk", "SigIgn", "SigCgt", "NoNewPrivs", "Seccomp", "Threads")
    return {
        **{name: status[name] for name in told},
        "command line": arguments(pid),
        "limits": (process / "limits").read_text(),
        "oom": (process / "oom_score_adj").read_text(),
        "directory": (process / "cwd").readlink(),
        "program": (process / "exe").readlink(),
        "standard": [descriptors(pid)[number] for number in range(3)],
        "open": {link.partition(":[")[0] for link in descriptors(pid).values()},  # without their inodes
    }


def descriptors(pid: int) -> dict[int, str]:
    """What a process has open, by number."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found[int(link.name)] = str(link.readlink())
    return found


def test_a_forked_node_is_what_a_node_started_alone_is(monkeypatch: pytest.MonkeyPatch) -> None:
    content = small(["hank", "helen"], k=2)
    with Laboratory(content) as lab:
        forked = {name: likeness(lab.pid(name)) for _, name in lab.nodes()}
        for role, name in lab.nodes():
            lab.kill(name)
            command = forked[name]["command line"]
            assert command[:7] == [sys.executable, "-P", "-m", "dsked", "--role", role, name]
        monkeypatch.chdir(lab.path)
        log = {name: lab.path / f"{role}-{name}.out" for role, name in lab.nodes()}
        alone = {name: Daemon(one["command line"][4:], log[name]) for name, one in forked.items()}
        try:
            for daemon in alone.values():
                daemon.wait_ready()
            for name, one in forked.items():
                pid = lab.pid(name)
                assert pid == alone[name].process.pid
                assert likeness(pid) == one
        finally:
            for daemon in alone.values():
                daemon.__exit__(None, None, None)


@pytest.mark.parametrize("role", [["--role", "hub"], []])
def test_a_node_that_has_its_name_from_the_environment_is_stopped_as_others_are(role: list[str]) -> None:
    content = small(["hank", "helen"], k=2)
    with Laboratory(content).prepared() as lab:
        lab.start("helen")  # makes the gate keys
        line = [*role, "--config", str(lab.config), *lab.places]
        named = {"DSKED_NAME": "hank", "DSKED_ROLE": "hub"}
        with Daemon(line, lab.path / "hub-hank.out", named) as daemon:
            daemon.wait_ready()
            assert "hank" not in arguments(daemon.process.pid)
            stopped = lab.run("--hub", "hank", "stop")
            assert (stopped.returncode, stopped.stderr) == (0, "")
            assert daemon.process.wait(LIMIT_S) == 0


def test_nodes_have_their_own_session_log_and_nothing_of_each_other() -> None:
    with Laboratory(example()) as lab:
        pids = {name: lab.pid(name) for _, name in lab.nodes()}
        sockets: dict[str, str] = {}
        for role, name in lab.nodes():
            pid = pids[name]
            assert (os.getsid(pid), os.getpgid(pid)) == (pid, pid)
            links = descriptors(pid)
            log = str(lab.path / f"{role}-{name}.out")
            assert [links[number] for number in range(3)] == [os.devnull, log, log]
            for link in links.values():
                if link.startswith(("socket:", "pipe:")):
                    assert sockets.setdefault(link, name) == name
                assert link == log or not link.endswith(".out")
        names = [name for name in pids if name != "hank"]
        lab.kill("hank")
        assert {name: lab.pid(name) for name in names} == {name: pids[name] for name in names}


def first_hello(listening: socket.socket) -> M1:
    """What the next client that connects says, of whom the hub knows nothing yet."""
    listening.settimeout(LIMIT_S)
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as file:
        connection.settimeout(LIMIT_S)
        connection.sendall(encode_part(M0(MAGIC, [PROTOCOL_VERSION], bytes(16))))
        prefix = file.read(4)
        return decode_part(M1, prefix + file.read(int.from_bytes(prefix, "big")))


def test_no_two_nodes_draw_the_same_random_bytes_and_ctrl_c_ends_them() -> None:
    lab = Laboratory(small(["hank", "helen"], k=2))
    with lab.prepared(), socket.create_server(("127.0.0.1", lab.port("hank"))) as hub:
        command = lab.command("--client", "carol", "--client", "curtis", "start")
        with subprocess.Popen(command, cwd=lab.path, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as start:
            hellos: dict[str, M1] = {}
            while len(hellos) < 2:  # one of the two may come again before the other comes
                hello = first_hello(hub)
                hellos[hello.client] = hello
            start.send_signal(signal.SIGINT)
            _, said = start.communicate(timeout=LIMIT_S)
        assert (start.returncode, said.strip()) == (130, b"dskectl: interrupted")
        assert hellos["carol"].boot_id != hellos["curtis"].boot_id
        assert hellos["carol"].nonce != hellos["curtis"].nonce
        assert not [path for path in Path("/proc").glob("[0-9]*") if str(lab.config) in command_of(path)]


def command_of(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:  # it has ended meanwhile
        return ""


def test_a_port_that_is_taken_fails_the_start_and_leaves_nothing() -> None:
    lab = Laboratory(small(["hank", "helen"], k=2))
    with lab.prepared(), socket.create_server(("127.0.0.1", lab.port("helen"))):
        ran = lab.run("start")
        assert ran.returncode == 1
        said = ran.stderr.splitlines()
        assert said[0] == f"The log {lab.path}/hub-helen.out ends with:"
        assert said[-1] == (
            f"dskectl: hub helen on port {lab.port('helen')} ended while it was starting (exit status 2)"
        )
        assert ran.stdout.splitlines()[-1] == "Stopping the nodes that were started"
        running = json.loads(lab.run("status", "--json").stdout)["nodes"]
        assert [node["running"] for node in running] == [False] * 4
