"""A service manager whose socket is full, or gone: the daemon serves and stops, and its log stays short."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsked.delivery.control_client import ControlClient, NotRunningError
from scripts.laboratory import LIMIT_S, free_ports, wait_until

#: A watchdog that waits for 0.4 s hears of life every 0.2 s.
BEATS_OFTEN = {"WATCHDOG_USEC": "400000"}


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(LIMIT_S)
        yield manager


@pytest.fixture
def hub(tmp_path: Path, manager: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    """A real one, whose manager's socket is full before it starts."""
    while _filled(tmp_path):
        pass
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text(json.dumps({"version": 1, "pairs": {"carol/hank": "0f" * 32}}))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-P", "-m", "dsked", "--role", "hub", "hank", "--port", str(free_ports(1)),
                "--psrd", "simulated", "--gate-keys", str(keys), "--state-dir", str(tmp_path / "state"),
                "--runtime-dir", str(tmp_path),
            ],
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), **BEATS_OFTEN},
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_until(lambda: _serves(tmp_path), "it serves, whether or not anybody hears that it is ready")
        yield process
    finally:
        process.kill()
        process.wait()


def _filled(directory: Path) -> bool:
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    with sender, contextlib.suppress(BlockingIOError):
        return bool(sender.sendto(b"STATUS=of another one", str(directory / "notify")))
    return False


def _serves(directory: Path) -> bool:
    path = next(iter(directory.glob("*/hub-hank.sock")), directory / "none")
    with contextlib.suppress(NotRunningError), ControlClient(path) as control:
        return bool(control.status()["ready"])
    return False


def _stopped(hub: subprocess.Popen[bytes], directory: Path) -> list[str]:
    """Its log, once it has stopped as it should."""
    hub.send_signal(signal.SIGTERM)
    assert hub.wait(LIMIT_S) == 0
    return (directory / "log").read_text().splitlines()


def _next(manager: socket.socket) -> str:
    return manager.recv(4096).decode()


def test_what_a_full_socket_did_not_take_comes_when_there_is_room(
    hub: subprocess.Popen[bytes], manager: socket.socket, tmp_path: Path
) -> None:
    """Otherwise a start that is done would be given up after its time."""
    said = _next(manager)
    while said == "STATUS=of another one":
        said = _next(manager)
    while "READY=1" not in said:
        assert said == "WATCHDOG=1"
        said = _next(manager)
    assert said == "READY=1\nSTATUS=ready"
    assert _next(manager) == "WATCHDOG=1"
    assert len(_stopped(hub, tmp_path)) <= 5


def test_a_socket_that_has_vanished_harms_nobody(
    hub: subprocess.Popen[bytes], manager: socket.socket, tmp_path: Path
) -> None:
    manager.close()
    (tmp_path / "notify").unlink()
    hub.send_signal(signal.SIGHUP)  # tells of a reload, and of its end
    wait_until(lambda: "was read again" in (tmp_path / "log").read_text(), "it has read its settings again")
    assert _serves(tmp_path)
    log = _stopped(hub, tmp_path)
    assert len(log) <= 5 and not any("Traceback" in line or "notify" in line for line in log)
