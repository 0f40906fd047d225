"""A daemon that crashes leaves no image of its memory behind."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.laboratory import Laboratory, free_ports, topology

from ..system.daemon import Daemon


@pytest.fixture
def cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, where this system writes core files of processes started from here."""
    _, most = before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    monkeypatch.chdir(tmp_path)
    try:
        done = subprocess.run([sys.executable, "-c", "import os; os.abort()"], stderr=subprocess.DEVNULL)
        assert done.returncode == -signal.SIGABRT
        left = list(tmp_path.glob("core*"))
        if not left:
            pytest.skip("this system writes no core files here, of no process")
        for path in left:
            path.unlink()
        yield tmp_path
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV], ids=lambda number: number.name)
def test_a_daemon_that_crashes_leaves_no_core_file(cores: Path, number: signal.Signals) -> None:
    content = topology(2, {"carol": ["sam"]}, free_ports(3), psrd="media", min_nr_shares=2)
    with Laboratory(content).prepared() as lab:
        arguments = ["--role", "hub", "hub1", "--config", str(lab.config), *lab.places]
        with Daemon(arguments, lab.path / "hub1.log") as hub:
            hub.wait_ready()
            limits = Path(f"/proc/{hub.process.pid}/limits").read_text()
            assert hub.end(number) == -number
    [core] = [line.split() for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core[4:6] == ["0", "0"]
    assert not list(cores.glob("core*"))
