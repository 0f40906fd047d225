"""A topology of two hubs and two clients whose nodes are stand-ins, and a way to call the commands."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dsked.cli import dskectl, launching

from . import psrd_lab

STAND_IN = (sys.executable, "-P", str(Path(__file__).parent / "stand_in" / "dsked"))
STAND_IN_NURSERY = (sys.executable, "-P", str(Path(__file__).parent / "stand_in" / "nursery"))

TOPOLOGY = """\
psrd: simulated
etsi: plain-http-on-loopback
min_nr_shares: 2
hubs: [{name: hank}, {name: helen}, {name: hugo}]
clients:
  - {name: carol, encryptors: [{name: sam}]}
  - {name: curtis, encryptors: [{name: sunny}]}
"""


class Ran(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Dskectl = Callable[..., Ran]


@pytest.fixture
def directory(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a topology file of the default name."""
    monkeypatch.setenv("DSKED_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dske-config.yaml").write_text(TOPOLOGY)
    return tmp_path


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of all control sockets: with a short path, as pytest's own are too long for Unix."""
    with tempfile.TemporaryDirectory(prefix="dsked-test-") as path:
        monkeypatch.setenv("DSKED_RUNTIME_DIR", path)
        yield Path(path)


@pytest.fixture
def call(directory: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Dskectl:
    """Calls dskectl as the console script does."""

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["dskectl", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            dskectl.main()
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(int(ended.value.code), out, err)

    return run


@pytest.fixture
def stand_ins(call: Dskectl, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dskectl]:
    """Nodes are stand-ins; those that still run at the end are stopped."""
    monkeypatch.setattr(launching, "DAEMON", STAND_IN)
    monkeypatch.setattr(launching, "NURSERY", STAND_IN_NURSERY)
    yield call
    assert call("stop").status == 0


@pytest.fixture
def lab(call: Dskectl, directory: Path) -> Dskectl:
    """Commands for a topology whose PSRD comes on media, in its own directory, with `usb` and `pw` beside."""
    (directory / "dske-config.yaml").write_text(psrd_lab.TOPOLOGY)
    (directory / "usb").mkdir()
    (directory / "pw").write_text(psrd_lab.PASSPHRASE)
    return lambda *arguments: call("psrd", *arguments)
