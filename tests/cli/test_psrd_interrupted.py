"""`dskectl psrd` that was cut off, killed or interrupted, and what the next run makes of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dsked.cli.psrd_node import ChosenNode
from dsked.media import medium
from dsked.media.bundle import BundleReader
from scripts.laboratory import wait_until

from .conftest import Dskectl
from .psrd_lab import FOR_CAROL, MIB, generate


def test_a_run_that_was_cut_off_is_completed(lab: Dskectl) -> None:
    """Between the hub's adoption and the new name: the same command again finishes it."""
    path = generate(lab)
    path.rename(medium.partial_of(path))
    ran = lab(*FOR_CAROL, "--out", "usb", "--size", "1M")
    assert (ran.status, ran.out) == (0, "")
    assert ran.err == f"dskectl: completed {path}, which an earlier run had made; hub hank has its copy\n"
    assert [str(one) for one in Path("usb").iterdir()] == [str(path)]
    assert lab("import", str(path)).status == 0


def test_a_run_that_was_cut_off_before_is_begun_again(lab: Dskectl) -> None:
    path = generate(lab)
    assert lab("erase", "--hub", "hank", "--peer", "carol", "--yes").status == 0
    Path("usb/a.psrd.partial").write_bytes(path.read_bytes()[:-1])
    path.unlink()
    ran = lab(*FOR_CAROL, "--out", "usb/a.psrd", "--size", "1M")
    assert ran.status == 0
    assert [one.name for one in Path("usb").iterdir()] == ["a.psrd"]


def test_killed_in_the_middle_and_run_again(lab: Dskectl, directory: Path) -> None:
    """A device that gives no more keeps the command waiting, half done."""
    os.mkfifo("device")
    command = [*FOR_CAROL, "--out", "usb", "--size", "1M"]
    program = [sys.executable, "-P", "-m", "dsked.cli.dskectl", "psrd", *command, "--entropy", "device"]
    with subprocess.Popen(program) as process, Path("device").open("wb") as device:
        device.write(os.urandom(MIB + MIB // 2))
        device.flush()
        staging = directory / "state" / "hub-hank" / "staging"
        wait_until(lambda: len(list(staging.rglob("*.block"))) == 2, "both blocks are begun")
        process.kill()
    [partial] = Path("usb").iterdir()
    assert partial.name.endswith(".psrd.partial")
    assert lab("list", "--hub", "hank").out.startswith("hub hank has no PSRD")
    assert lab(*command).status == 0
    [path] = Path("usb").iterdir()
    assert not list(staging.iterdir())
    assert lab("import", str(path)).status == 0


def test_generate_interrupted(lab: Dskectl) -> None:
    os.mkfifo("device")
    command = [*FOR_CAROL, "--out", "usb", "--size", "1M"]
    program = [sys.executable, "-P", "-m", "dsked.cli.dskectl", "psrd", *command, "--entropy", "device"]
    with (
        subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process,
        Path("device").open("wb") as device,
    ):
        device.write(os.urandom(MIB))
        device.flush()
        wait_until(lambda: any(Path("usb").iterdir()), "the bundle is begun")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.fullmatch("dskectl: nothing new was made\n+dskectl: interrupted\n", err)
    assert not list(Path("usb").iterdir()) and not list(Path("state/hub-hank/staging").iterdir())


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_generate_interrupted_while_the_hub_adopts(lab: Dskectl, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [*FOR_CAROL, "--out", "usb", "--size", "1M"]
    with monkeypatch.context() as patch:
        patch.setattr(ChosenNode, "adopt", interrupt)
        ran = lab(*command)
    assert (ran.status, ran.out) == (130, "")
    assert ran.err.startswith("dskectl: it was not finished; the same command finishes it, or begins anew\n")
    assert lab(*command).status == 0
    [path] = Path("usb").iterdir()
    assert lab("import", str(path)).status == 0


@pytest.mark.parametrize(
    ("place", "method", "told"),
    [
        (BundleReader, "groups", "nothing was imported"),
        (ChosenNode, "adopt", "it is not certain that the bundle was imported; the same command finishes it"),
    ],
)
def test_import_interrupted(
    lab: Dskectl, monkeypatch: pytest.MonkeyPatch, place: type, method: str, told: str
) -> None:
    path = str(generate(lab))
    with monkeypatch.context() as patch:
        patch.setattr(place, method, interrupt)
        ran = lab("import", path, "--erase")
    assert (ran.status, ran.out) == (130, "")
    assert re.fullmatch(f"dskectl: {told}.*\n+dskectl: interrupted\n", ran.err)
    assert lab("import", path).status == 0


def test_import_interrupted_when_it_was_done(lab: Dskectl, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(generate(lab))
    adopt = ChosenNode.adopt
    with monkeypatch.context() as patch:
        patch.setattr(ChosenNode, "adopt", lambda chosen, bundle: interrupt(adopt(chosen, bundle)))
        ran = lab("import", path, "--erase")
    assert ran.status == 130
    assert ran.err.startswith("dskectl: the bundle was imported; its file was not erased\n")
    with monkeypatch.context() as patch:
        patch.setattr(medium, "erase", interrupt)
        ran = lab("import", str(generate(lab)), "--erase")
    assert ran.status == 130
    assert ran.err.startswith("dskectl: the bundle was imported, but not erased\n")
    assert Path(path).exists()
