from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsked.entropy.reader import PathReader
from dsked.errors import ConfigurationError, EntropyError
from dsked.limits import SOURCE_PIECE_BYTES

#: For what comes at once; long enough for a loaded machine.
PATIENT_S = 20.0
#: For what never comes.
SHORT_S = 0.05


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def threads_of(path: Path) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"reader of {path}"]


def is_open(path: Path) -> bool:
    links = list(Path("/proc/self/fd").iterdir())  # the listing's own is closed by now
    return any(link.is_symlink() and link.readlink() == path for link in links)


@pytest.fixture
def numbers(tmp_path: Path) -> tuple[Path, bytes]:
    content = os.urandom(3 * SOURCE_PIECE_BYTES + 17)
    path = tmp_path / "numbers"
    path.write_bytes(content)
    return path, content


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 2 * SOURCE_PIECE_BYTES), max_size=6))
def test_a_file_is_read_in_order_to_its_end_and_not_beyond(
    numbers: tuple[Path, bytes], sizes: list[int]
) -> None:
    path, content = numbers
    reader = PathReader(path, PATIENT_S)
    at = 0
    for size in sizes:
        if at + size > len(content):
            with pytest.raises(EntropyError, match=f"ended, {at + size - len(content)} bytes short"):
                reader.read(size)
            break
        assert reader.read(size) == content[at : at + size]
        at += size
    reader.close()


def test_what_ends_says_how_much_had_come(tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"x" * 700)
    reader = PathReader(path, PATIENT_S)
    assert reader.read(600) == b"x" * 600
    with pytest.raises(EntropyError) as caught:
        reader.read(1024)
    assert str(caught.value) == f"{path}: ended, 924 bytes short of what is needed; 700 bytes had come"
    reader.close()


def write_slowly(path: Path, pieces: list[bytes]) -> None:
    with path.open("wb", buffering=0) as file:
        for piece in pieces:
            file.write(piece)


def test_a_fifo_is_waited_for_and_its_pieces_are_joined(fifo: Path) -> None:
    pieces = [os.urandom(size) for size in (1, 999, 3, 70_000, 5)]
    writer = threading.Thread(target=write_slowly, args=(fifo, pieces))
    writer.start()
    reader = PathReader(fifo, PATIENT_S)
    assert reader.read(71_000) == b"".join(pieces)[:71_000]
    with pytest.raises(EntropyError, match="ended, 92 bytes short of what is needed; 71008 bytes had come"):
        reader.read(100)
    reader.close()
    writer.join()


@pytest.fixture
def stalled(fifo: Path) -> Iterator[tuple[Path, int]]:
    """A FIFO whose writer stays, and has written 100 bytes."""
    descriptor = os.open(fifo, os.O_RDWR)
    os.write(descriptor, bytes(range(100)))
    yield fifo, descriptor
    os.close(descriptor)


def test_a_stall_is_an_error_that_says_how_much_had_come(
    stalled: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, descriptor = stalled
    reader = PathReader(path, PATIENT_S)
    first_read = reader._answer

    def then_in_a_hurry() -> bytes:
        """What is there has come: it is not the machine that is slow."""
        piece = first_read()
        reader._stall_s = SHORT_S
        return piece

    monkeypatch.setattr(reader, "_answer", then_in_a_hurry)
    with pytest.raises(EntropyError) as caught:
        reader.read(101)
    assert str(caught.value) == f"{path}: gives nothing for 0.05 s; 100 bytes had come"
    reader.close()
    (thread,) = threads_of(path)  # its read cannot be taken back
    os.write(descriptor, b"late")
    thread.join(PATIENT_S)
    assert not thread.is_alive()


def test_a_fifo_that_nobody_writes_to_stalls_at_its_opening(fifo: Path) -> None:
    with pytest.raises(EntropyError, match=r"fifo: gives nothing for 0\.05 s; 0 bytes had come"):
        PathReader(fifo, SHORT_S)
    (thread,) = threads_of(fifo)
    with fifo.open("wb"):
        thread.join(PATIENT_S)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "No such file or directory"),
        ("directory", "Is a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("file/below", "Not a directory"),
        ("socket", "No such device or address"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, kind: str, reason: str) -> None:
    path = tmp_path / kind
    (tmp_path / "directory").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    with listener, pytest.raises(ConfigurationError) as caught:
        PathReader(path, PATIENT_S)
    assert str(caught.value) == f"{path}: cannot be opened: {reason}"
    assert not threads_of(path)
    assert not is_open(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "shut"
    path.touch(mode=0)
    with pytest.raises(ConfigurationError, match="cannot be opened: Permission denied"):
        PathReader(path, PATIENT_S)


def test_what_breaks() -> None:
    """Nothing is mapped at address 0 of a process, so that the first read fails with EIO."""
    reader = PathReader(Path("/proc/self/mem"), PATIENT_S)
    with pytest.raises(EntropyError, match="/proc/self/mem: cannot be read: Input/output error; 0 bytes had"):
        reader.read(1)
    reader.close()


def test_closing_closes_at_once(numbers: tuple[Path, bytes]) -> None:
    path, _ = numbers
    reader = PathReader(path, PATIENT_S)
    assert is_open(path)
    reader.close()
    assert not is_open(path)
    assert not threads_of(path)
    reader.close()


def test_only_files_and_disks_can_be_read_again(
    numbers: tuple[Path, bytes], stalled: tuple[Path, int]
) -> None:
    for path, again in ((numbers[0], True), (stalled[0], False), (Path("/dev/urandom"), False)):
        reader = PathReader(path, PATIENT_S)
        assert reader.reads_the_same_again is again, path
        reader.close()


def test_a_disk_can_be_read_again(monkeypatch: pytest.MonkeyPatch, numbers: tuple[Path, bytes]) -> None:
    reader = PathReader(numbers[0], PATIENT_S)
    monkeypatch.setattr(reader, "_mode", stat.S_IFBLK | 0o600)
    assert reader.reads_the_same_again
    reader.close()


def test_a_terminal_does_not_become_ours(
    monkeypatch: pytest.MonkeyPatch, numbers: tuple[Path, bytes]
) -> None:
    seen = []
    monkeypatch.setattr(
        os, "open", lambda path, flags, opened=os.open: seen.append(flags) or opened(path, flags)
    )
    PathReader(numbers[0], PATIENT_S).close()
    assert all(flags & os.O_NOCTTY and flags & os.O_CLOEXEC for flags in seen)
    assert seen
