from __future__ import annotations

import contextlib
import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from dsked.delivery.listener import ControlGroupError, Listener
from dsked.errors import ConfigurationError
from dsked.limits import MAX_SOCKET_PATH_BYTES


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def abandoned(path):
    """A socket whose daemon died."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "node.sock"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(path, umask):
    before = os.umask(umask)
    try:
        listener = Listener(path)
    finally:
        assert os.umask(before) == umask
    assert mode(path) == 0o660
    assert mode(path.parent) == 0o750
    listener.close()


def test_the_group_gets_socket_and_directory(path):
    listener = Listener(path, group=str(os.getgid()))
    assert path.stat().st_gid == path.parent.stat().st_gid == os.getgid()
    listener.close()


def test_a_directory_that_exists_keeps_its_mode(path):
    path.parent.mkdir(0o700)
    Listener(path).close()
    assert mode(path.parent) == 0o700


def test_a_group_that_is_named_later_gets_the_directory_that_exists(path):
    path.parent.mkdir(0o700)
    Listener(path, group=str(os.getgid())).close()
    assert mode(path.parent) == 0o750
    assert path.parent.stat().st_gid == os.getgid()


def test_what_has_its_group_already_is_given_to_nobody(path, monkeypatch):
    """A service's filter of system calls forbids chown(2)."""

    def forbidden(*_arguments):
        raise PermissionError("chown")

    monkeypatch.setattr(os, "chown", forbidden)
    Listener(path, group=str(os.getgid())).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory to any group")
def test_the_group_may_change(path):
    for group in (4242, 4243):
        Listener(path, group=str(group)).close()
        assert path.parent.stat().st_gid == group


def test_close_removes_the_socket_and_may_be_repeated(path):
    listener = Listener(path)
    listener.close()
    assert not path.exists()
    listener.close()


def test_close_leaves_a_socket_that_took_its_place(path):
    first = Listener(path)
    path.unlink()
    second = Listener(path)
    first.close()
    assert path.exists()
    second.close()


def test_what_a_dead_daemon_left_is_removed(path):
    path.parent.mkdir()
    abandoned(path)
    listener = Listener(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
    listener.close()


def test_a_living_daemon_keeps_its_socket(path):
    first = Listener(path)
    with pytest.raises(ConfigurationError, match="already listening"):
        Listener(path)
    assert path.exists()
    first.close()


def test_a_daemon_with_a_full_backlog_is_alive(path):
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        waiting.setblocking(False)
        waiting.connect(str(path))
        with pytest.raises(ConfigurationError, match="already listening"):
            Listener(path)
        waiting.close()


def test_no_file_is_removed_that_is_no_socket(path):
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(ConfigurationError, match="not a socket"):
        Listener(path)
    assert path.read_text() == "precious"


def test_a_path_longer_than_unix_allows(tmp_path):
    path = tmp_path / ("x" * MAX_SOCKET_PATH_BYTES)
    with pytest.raises(ConfigurationError, match=f"{len(str(path))} bytes; Unix allows 107"):
        Listener(path)


def test_the_longest_path_works(tmp_path):
    path = tmp_path / ("x" * (MAX_SOCKET_PATH_BYTES - len(str(tmp_path)) - 1))
    Listener(path).close()


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot listen on"):
        Listener(tmp_path / "file" / "node.sock")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who is in no group")
def test_a_group_that_the_user_is_not_in():
    with tempfile.TemporaryDirectory() as place, as_nobody():
        path = Path(place, "run/node.sock")
        with pytest.raises(ConfigurationError, match=r"cannot listen on .*Permission denied"):
            Listener(path, "4711")
    with tempfile.TemporaryDirectory() as place:
        os.chown(place, 65534, 65534)
        path = Path(place, "run/node.sock")
        said = f"^{path.parent}: cannot be given to group 4711: Operation not permitted; expected a group "
        with as_nobody(), pytest.raises(ControlGroupError, match=said):
            Listener(path, "4711")
        assert not path.exists()


@contextlib.contextmanager
def as_nobody():
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a socket of another user")
def test_a_dead_socket_of_another_user_is_not_removed(path):
    path.parent.mkdir()
    abandoned(path)
    os.chown(path, 12345, 12345)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        Listener(path)
    assert path.exists()
