"""The one executable file: how it unpacks itself, with a program of three lines in it in dsked's place."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from .building import PACKAGING

NAME = "dsked-1.2-linux-test"
_PROGRAM = '#!/bin/sh\nprintf "%s\\n" "${0##*/}" "$@"\nexit 7\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """One whose programs print their name and their words, and end with status 7."""
    for program in ("dsked", "dskectl"):
        path = tmp_path / NAME / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(_PROGRAM)
        path.chmod(0o755)
    archive = tmp_path / "archive"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / NAME, NAME)
    made = subprocess.run(
        [PACKAGING / "binary/one_file.sh", "1.2", "linux-test", "glibc 2.36", archive],
        capture_output=True, check=True,
    )  # fmt: skip
    path = tmp_path / "dsked"
    path.write_bytes(made.stdout)
    path.chmod(0o755)
    return path


def run(file: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    surroundings = {"PATH": os.environ["PATH"], **(environment or {"HOME": str(file.parent)})}
    return subprocess.run([file, *words], env=surroundings, capture_output=True, text=True, check=False)


def unpacked(base: Path) -> Path:
    """The one directory in `base`, and nothing is left beside it."""
    (directory,) = base.iterdir()
    return directory


def test_it_hands_on_words_and_status(file: Path) -> None:
    ran = run(file, "--role", "hub", "a b", "")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("dsked\n--role\nhub\na b\n\n", "", 7)


def test_a_link_named_dskectl_is_dskectl(file: Path) -> None:
    link = file.with_name("dskectl")
    link.symlink_to(file)
    assert run(link, "status").stdout == "dskectl\nstatus\n"


def test_it_unpacks_once_where_only_its_user_can_read(file: Path) -> None:
    run(file)
    directory = unpacked(file.parent / ".cache/dsked")
    assert directory.stat().st_mode & 0o777 == 0o700
    (directory / "mark").touch()
    assert run(file).returncode == 7
    assert (unpacked(directory.parent) / "mark").exists()


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "DSKED_UNPACK_DIR"])
def test_the_environment_names_the_place(file: Path, variable: str) -> None:
    place = file.parent / "place"
    assert run(file, **{variable: str(place), "HOME": "/nonexistent"}).returncode == 7
    assert unpacked(place / "dsked" if variable == "XDG_CACHE_HOME" else place).name.startswith("1.2-")


def test_many_may_start_at_once(file: Path) -> None:
    """Each runs, and one directory is left of them."""
    started = [
        subprocess.Popen([file], env={"PATH": os.environ["PATH"], "HOME": str(file.parent)}, stdout=-1)
        for _ in range(8)
    ]
    assert [(process.communicate()[0], process.returncode) for process in started] == [(b"dsked\n", 7)] * 8
    unpacked(file.parent / ".cache/dsked")


def test_another_file_of_the_same_version_is_unpacked_apart(file: Path, tmp_path: Path) -> None:
    run(file)
    first = unpacked(tmp_path / ".cache/dsked")
    first.rename(first.with_name("1.2-0000000000000000"))
    assert run(file).returncode == 7
    assert first.exists()


def test_a_link_in_its_place_is_refused(file: Path, tmp_path: Path) -> None:
    """Whoever can write there could have it run a program of theirs."""
    run(file)
    directory = unpacked(tmp_path / ".cache/dsked")
    directory.rename(tmp_path / "theirs")
    directory.symlink_to(tmp_path / "theirs")
    ran = run(file)
    assert ran.returncode == 1 and "belongs to another user" in ran.stderr and ran.stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_directory_of_another_user_is_refused(file: Path, tmp_path: Path) -> None:
    run(file)
    os.chown(unpacked(tmp_path / ".cache/dsked"), 12345, 12345)
    ran = run(file)
    assert ran.returncode == 1 and "belongs to another user" in ran.stderr and ran.stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
@pytest.mark.parametrize("whose", [".cache/dsked", ".cache", "."])
def test_a_directory_in_one_of_another_user_is_refused(file: Path, tmp_path: Path, whose: str) -> None:
    """Whoever may rename what is in it could put a program there after every check: root after `su`."""
    run(file)
    os.chown(tmp_path / whose, 12345, 12345)
    ran = run(file)
    assert ran.returncode == 1 and "belongs to another user, or others can" in ran.stderr and ran.stdout == ""


def test_a_directory_that_others_can_change_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    ran = run(file, DSKED_UNPACK_DIR=str(tmp_path / "open/dsked"))
    assert ran.returncode == 1 and "others can change it" in ran.stderr and ran.stdout == ""
    (tmp_path / "open").chmod(0o1777)  # as /tmp is
    assert run(file, DSKED_UNPACK_DIR=str(tmp_path / "open/dsked")).returncode == 7


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another group")
def test_a_directory_that_a_group_can_change_is_refused(file: Path, tmp_path: Path) -> None:
    """But root's own, and that of the user's name."""
    group = tmp_path / "group"
    group.mkdir()
    for of, mode, refused in [
        (0, 0o775, False),
        (12345, 0o755, False),
        (12345, 0o775, True),
        (12345, 0o1775, False),
    ]:
        os.chown(group, 0, of)
        group.chmod(mode)
        ran = run(file, DSKED_UNPACK_DIR=str(group / "dsked"))
        assert (ran.returncode == 1 and "others can change it" in ran.stderr) is refused, (of, oct(mode))
        assert refused or ran.returncode == 7


def test_where_nothing_can_be_written_it_says_what_to_do(file: Path) -> None:
    ran = run(file, HOME="/proc/nowhere")
    assert ran.returncode == 1 and "DSKED_UNPACK_DIR=" in ran.stderr


def test_a_file_that_is_not_whole_is_refused_and_leaves_nothing(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    ran = run(file)
    assert ran.returncode == 1 and "unpacking failed" in ran.stderr
    assert list((tmp_path / ".cache/dsked").iterdir()) == []
