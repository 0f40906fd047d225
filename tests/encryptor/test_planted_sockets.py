"""Anybody can make a directory of the default's name in /tmp: what listens there gives nobody keys."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsked.config import paths
from dsked.encryptor import KeyClient, NotRunningError, find_socket, finding

VICTIM, ATTACKER = 54_321, 54_322


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory with a short path: pytest's own are too long for Unix."""
    with tempfile.TemporaryDirectory(prefix="dsked-") as name:
        yield Path(name)


@pytest.fixture
def base(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The victim's default place, which is not there yet."""
    monkeypatch.delenv("DSKED_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    monkeypatch.setattr(paths, "SYSTEM_RUNTIME_DIR", home / "system")
    monkeypatch.setattr(paths.os, "geteuid", lambda: VICTIM)
    return home / "dsked"


@pytest.fixture
def config(home: Path) -> Path:
    path = home / "lab.yaml"
    path.touch()
    return path


@pytest.fixture
def plant(base: Path, config: Path) -> Iterator[Path]:
    """The attacker's socket in the attacker's directory, as if it were carol's."""
    directory = base / paths.topology_id(config)
    directory.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        path = directory / "client-carol.sock"
        listening.bind(str(path))
        listening.listen()
        _give(base, ATTACKER)
        yield path


def _give(path: Path, uid: int) -> None:
    if os.getuid() != 0:
        pytest.skip("only root gives a directory to somebody else")
    os.chown(path, uid, -1)


@pytest.mark.parametrize("named", [False, True])
def test_a_planted_socket_is_passed_over(plant: Path, config: Path, named: bool) -> None:
    chosen = {"config": config} if named else {}
    with pytest.raises(NotRunningError, match=r"no client runs here$"):
        find_socket("sam", **chosen)
    with pytest.raises(NotRunningError):
        KeyClient("sam", **chosen)


def test_the_systems_is_found_beside_it(plant: Path, config: Path, base: Path) -> None:
    directory = paths.SYSTEM_RUNTIME_DIR / paths.topology_id(config)
    directory.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(directory / "client-carol.sock"))
        listening.listen()
        for chosen in ({}, {"config": config}):
            assert find_socket(**chosen) == directory / "client-carol.sock"


def test_what_was_planted_after_the_look_is_not_taken_either(plant: Path) -> None:
    found, refused = finding.listening([plant])
    assert (found, refused) == ([], None)


def test_ones_own_and_a_named_place_are_taken(plant: Path, base: Path) -> None:
    assert find_socket(runtime_dir=base) == plant
    _give(base, VICTIM)
    assert find_socket() == plant
