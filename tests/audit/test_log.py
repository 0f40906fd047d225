"""The audit log's file: chained over restarts and rotation, and honest about what could not be written."""
# ruff: noqa: ASYNC240  no other task waits while a test looks at the file

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import signal
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from dsked.audit.chain import Finding, Verifier, parse, parse_chain
from dsked.audit.log import AuditLog
from dsked.errors import ConfigurationError

ABOUT = {"role": "client", "node": "carol", "version": "1"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[AuditLog]:
    log = AuditLog(path, ABOUT)
    try:
        yield log
    finally:
        await log.close()


def keys(log: AuditLog, *names: str) -> None:
    for name in names:
        log.append("established", {"encryptor": name})


def findings(*paths: Path) -> list[Finding]:
    verifier = Verifier()
    told = [one for path in paths for one in verifier.verify(path.name, path.read_bytes().splitlines(True))]
    return [*told, *verifier.end()]


def events(*paths: Path) -> list[str]:
    """The event of each line that can be read, or whom it is about."""
    entries = [parse(line) for path in paths for line in path.read_bytes().splitlines()]
    return [entry.fields.get("encryptor", entry.event) for entry in entries if entry is not None]


async def test_lines_are_appended_and_chained_over_restarts(path: Path) -> None:
    for names in (["sam"], ["sunny", "susan"]):
        async with opened(path) as log:
            keys(log, *names)
    assert events(path) == ["opened", "sam", "opened", "sunny", "susan"]
    assert not findings(path)
    first = json.loads(path.read_bytes().splitlines()[0])
    assert {name: first[name] for name in ("number", "event", *ABOUT)} == {
        "number": 1, "event": "opened", **ABOUT,
    }  # fmt: skip


async def test_a_line_is_in_the_file_when_append_returns(path: Path) -> None:
    async with opened(path) as log:
        keys(log, "sam")
        assert events(path) == ["opened", "sam"]


@pytest.mark.parametrize("mask", [0o000, 0o077])
async def test_a_new_file_is_for_the_owner_and_its_group(path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        async with opened(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o640
    finally:
        os.umask(before)


async def test_a_file_of_the_operators_keeps_its_mode(path: Path) -> None:
    path.touch(0o600)
    async with opened(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_two_nodes_never_write_to_one_file(path: Path) -> None:
    async with opened(path):
        with pytest.raises(ConfigurationError, match="another process writes to it"):
            AuditLog(path, ABOUT)
    assert not findings(path)


@pytest.mark.parametrize(
    "content", [b"127.0.0.1 localhost\n", b"127.0.0.1 localhost", b"\n", b'{"number":2,"time":', b"\0" * 1000]
)
async def test_another_file_is_not_written_to(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="it is another file"):
        AuditLog(path, ABOUT)
    assert path.read_bytes() == content
    assert not [fd for fd in Path("/proc/self/fd").iterdir() if os.path.realpath(fd) == str(path)]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.with_name("target").touch()
    path.symlink_to("target")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_pipe, "it is no regular file"),
        (_link, "Too many levels of symbolic links"),
        (Path.mkdir, "Is a directory"),
        (lambda path: path.parent.rmdir(), "No such file or directory"),
    ],
)
async def test_a_path_that_is_no_place_for_it(path: Path, make: Callable[[Path], None], said: str) -> None:
    make(path)
    with pytest.raises(ConfigurationError, match=f"audit log {path}: {said}"):
        AuditLog(path, ABOUT)


# --- rotation ---


async def test_after_a_rotation_the_chain_goes_on_in_a_new_file(path: Path) -> None:
    aside = path.with_name("audit.log.1")
    async with opened(path) as log:
        keys(log, "sam")
        path.rename(aside)
        keys(log, "sunny")  # before the node was told
        log.reopen()
        keys(log, "susan")
    assert events(aside) == ["opened", "sam", "sunny"]
    assert events(path) == ["opened", "susan"]
    assert not findings(aside, path)
    assert not [one for one in findings(path) if one.wrong]


async def test_told_to_reopen_without_a_rotation_it_goes_on(path: Path) -> None:
    async with opened(path) as log:
        keys(log, "sam")
        log.reopen()
        keys(log, "sunny")
    assert events(path) == ["opened", "sam", "sunny"]


async def test_a_file_rotated_while_no_node_ran_is_gone_on_from(path: Path) -> None:
    aside = path.with_name("audit.log.1")
    async with opened(path) as log:
        keys(log, "sam")
    path.rename(aside)
    path.touch()  # as logrotate's `create` does
    async with opened(path) as log:
        keys(log, "sunny")
    assert not findings(aside, path)


@pytest.mark.parametrize("content", [b"", b"nonsense\n"])
async def test_a_file_put_aside_that_says_nothing_begins_a_chain(path: Path, content: bytes) -> None:
    path.with_name("audit.log.1").write_bytes(content)
    async with opened(path) as log:
        keys(log, "sam")
    assert not findings(path)


async def test_a_new_file_that_cannot_be_had_leaves_the_old_one(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    aside = path.with_name("audit.log.1")
    async with opened(path) as log:
        path.rename(aside)
        path.write_text("of somebody else\n")
        log.reopen()
        keys(log, "sam")
    assert events(aside) == ["opened", "sam"]
    assert (
        "it is not empty, and not the file that was written to: the former file is written to" in caplog.text
    )
    assert path.read_text() == "of somebody else\n"


# --- disks that are full, and machines that crash ---


@contextmanager
def full(path: Path, room: int) -> Iterator[None]:
    """No file of this process grows beyond this one's size and `room` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("room", [0, 1, 7, 50, 120])
async def test_a_full_disk_stops_nobody_and_is_told(
    path: Path, room: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(path) as log:
        keys(log, "sam")
        with full(path, room):
            keys(log, "lost1", "lost2", "lost3")
            assert log.status()["problem"] == "File too large"
        assert log.status()["nr_lost"] == 3
        keys(log, "sunny")
        assert (log.status()["problem"], log.status()["nr_lost"]) == (None, 3)
    assert events(path) == ["opened", "sam", "gap", "sunny"]
    assert [(one.text, one.wrong) for one in findings(path)] == [
        ("3 lines before this one could not be written", False)
    ]
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(errors) == 2, "once when it begins, once when it ends"
    assert "keys are given all the same" in errors[0]
    assert "3 lines are lost" in errors[1]


async def test_a_disk_with_room_for_all_but_the_end_of_a_line(path: Path) -> None:
    async with opened(path) as log:
        keys(log, "sam")
        last = path.read_bytes().splitlines(True)[-1]
        with full(path, len(last) - 1):  # the next line is as long
            keys(log, "sue")
        assert log.status()["nr_lost"] == 0
        keys(log, "sunny")
    assert events(path) == ["opened", "sam", "sue", "sunny"]
    assert not findings(path)


async def test_a_disk_that_is_full_again_and_again(path: Path) -> None:
    async with opened(path) as log:
        for room in range(0, 400, 13):
            with full(path, room):
                keys(log, *(f"e{room}.{number}" for number in range(3)))
            keys(log, f"e{room}")
    assert not [one for one in findings(path) if one.wrong]
    told = sum(
        json.loads(line)["lost"]
        for line in path.read_bytes().splitlines()
        if b'"gap"' in line and line.endswith(b"}")
    )
    named = [name for name in events(path) if name.startswith("e")]
    assert told + len(named) == 4 * len(range(0, 400, 13))


async def test_a_node_that_ends_on_a_full_disk_and_starts_again(path: Path) -> None:
    for room in (0, 5, 60):
        log = AuditLog(path, ABOUT)
        with full(path, room):
            keys(log, "lost")
            await log.close()
    async with opened(path) as log:
        keys(log, "sam")
    assert not [one for one in findings(path) if one.wrong]


async def test_a_line_that_a_crash_of_the_machine_has_cut(path: Path) -> None:
    async with opened(path) as log:
        keys(log, "sam", "sunny")
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:-cut])
        async with opened(path) as log:
            keys(log, "susan")
        assert not [one for one in findings(path) if one.wrong], cut


async def test_lines_are_synced_soon_and_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: asyncio.Queue[int] = asyncio.Queue()
    loop, real = asyncio.get_running_loop(), os.fdatasync

    def sync(fd: int) -> None:
        real(fd)
        loop.call_soon_threadsafe(synced.put_nowait, fd)

    monkeypatch.setattr("dsked.audit.log.AUDIT_SYNC_S", 0.01)
    monkeypatch.setattr(os, "fdatasync", sync)
    async with opened(path) as log:
        keys(log, *["sam"] * 100)
        await synced.get()
        assert synced.empty()


async def test_a_sync_that_fails_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told, failed = asyncio.Event(), AuditLog._failed

    def fails(fd: int) -> None:
        raise OSError(5, "Input/output error")

    def tells(log: AuditLog, error: OSError) -> None:
        failed(log, error)
        told.set()

    monkeypatch.setattr(os, "fdatasync", fails)
    monkeypatch.setattr(AuditLog, "_failed", tells)
    monkeypatch.setattr("dsked.audit.log.AUDIT_SYNC_S", 0.0)
    async with opened(path) as log:
        keys(log, "sam")
        await told.wait()
        assert log.status()["problem"] == "Input/output error"
    assert "Input/output error; keys are given all the same" in caplog.text


async def test_the_end_of_the_chain_is_told_to_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Which is kept elsewhere: journald's, or another machine's."""
    caplog.set_level("INFO")
    async with opened(path) as log:
        keys(log, "sam")
        number, head = log.status()["number"], log.status()["hash"]
    assert caplog.messages[-1] == f"audit log {path}: its last line is {number}:{head}"
    verifier = Verifier(parse_chain(f"{number}:{head}"))
    assert not [*verifier.verify("log", path.read_bytes().splitlines(True)), *verifier.end()]
