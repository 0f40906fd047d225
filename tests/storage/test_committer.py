"""Rounds of the committer: one sync for all, and nothing is overwritten above a durable mark."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from simulating.disks.files import Call, SimulatedFiles, fails_at, no_fault

from dsked.errors import StorageError
from dsked.limits import WIPE_SYNC_BYTES
from dsked.psrd.pair import Side
from dsked.storage.block_file import HEADER_BYTES
from dsked.storage.committer import CommitterThread
from dsked.storage.open_blocks import block_path
from tests.storage.nodes import Node


@pytest.fixture
def files() -> SimulatedFiles:
    node = Node()
    node.adopt(node.first(10_000, 10_000))
    node.adopt(node.first(10_000, 10_000, hub="hilary", x=2))
    node.store.close()
    assert isinstance(node.files, SimulatedFiles)
    return node.files


@pytest.fixture
def node(files: SimulatedFiles) -> Node:
    return Node(files)


def block(node: Node, number: int = 0) -> bytearray:
    """Bytes of a block of carol's pool with hank, as they stand in its file."""
    assert isinstance(node.files, SimulatedFiles)
    info = node.store.pairs["hank"].record.client_stream.blocks[number]
    return node.files.disk.file(block_path(node.state.blocks, info.uuid)).seen[HEADER_BYTES:][: info.size]


def names(files: SimulatedFiles) -> list[str]:
    """Names of the calls from now on."""
    calls: list[str] = []

    def fault(call: Call) -> None:
        calls.append(call.name)

    files.fault = fault
    return calls


def test_one_sync_commits_all_streams(node: Node, files: SimulatedFiles) -> None:
    told: list[int] = []
    for hub in ("hank", "hilary"):
        for owner in Side:
            node.stream(hub, owner).reserve(100, 100, told.append)
    calls = names(files)
    node.store.committer.commit()
    node.run_posted()
    assert calls == ["write_at"] * 4 + ["sync_data"] and told == [100] * 4


def test_without_an_ask_nothing_is_written(node: Node, files: SimulatedFiles) -> None:
    calls = names(files)
    node.store.committer.commit()
    node.store.committer.wipe()
    assert calls == [] and not node.store.committer.is_asked


def test_nothing_is_overwritten_above_the_durable_mark(node: Node) -> None:
    stream = node.stream()
    stream.reserve(300, 300, lambda mark: None)
    stream.wipe(1000)  # as a handshake does, whose mark is still on its way
    node.store.committer.wipe()
    assert all(any(block(node)[at : at + 16]) for at in range(0, 10_000, 16))
    node.work()
    assert not any(block(node)[:300]) and any(block(node)[300:316])
    assert node.store.committer.is_asked, "the rest waits for its mark"
    stream.reserve(1000, 1000, lambda mark: None)
    node.work()
    assert not any(block(node)[:1000]) and any(block(node)[1000:1016])
    assert not node.store.committer.is_asked


def test_a_finished_block_is_overwritten_synced_and_removed(node: Node, files: SimulatedFiles) -> None:
    stream = node.stream()
    info = next(stream.blocks())
    path = block_path(node.state.blocks, info.uuid)
    held = files.disk.file(path)
    stream.reserve(10_500, 10_500, lambda mark: None)
    stream.wipe(10_500)
    node.work()
    assert not files.exists(path)
    assert not any(held.durable[HEADER_BYTES:]), "zeros are on the disk, not only in memory"
    assert not any(block(node, 1)[:500])


def test_zeros_count_only_once_they_are_synced() -> None:
    node = Node()
    size = 3 * WIPE_SYNC_BYTES
    node.adopt(node.first(size))
    stream = node.stream()
    seen = []
    for position in range(0, size, WIPE_SYNC_BYTES // 4):
        stream.reserve(position, position, lambda mark: None)
        stream.wipe(position)
        node.work()
        seen.append((stream.wiped, stream.erased))
        assert isinstance(node.files, SimulatedFiles)
        info = node.store.pairs["hank"].record.client_stream.blocks[0]
        durable = node.files.disk.file(block_path(node.state.blocks, info.uuid)).durable
        assert not any(durable[HEADER_BYTES : HEADER_BYTES + stream.erased])
    assert all(wiped - erased < WIPE_SYNC_BYTES for wiped, erased in seen) and seen[-1][1] > WIPE_SYNC_BYTES


def test_what_could_not_be_overwritten_is_overwritten_later(node: Node, files: SimulatedFiles) -> None:
    stream = node.stream()
    stream.reserve(5000, 5000, lambda mark: None)
    stream.wipe(5000)
    node.store.committer.commit()
    for number in range(3):
        files.fault = fails_at(files.nr_calls + number, 5)
        node.store.committer.wipe()
        files.fault = no_fault
    node.work()
    assert not any(block(node)[:5000])
    assert all("used bytes could not be overwritten" in notice for notice in node.notices)


def test_the_same_trouble_is_told_once(node: Node, files: SimulatedFiles) -> None:
    for mark in range(100, 600, 100):
        node.stream().reserve(mark, mark, lambda mark: None)
        files.fault = fails_at(files.nr_calls, 28)
        node.work()
    assert len(node.notices) == 1


def test_long_work_is_done_in_pieces(node: Node) -> None:
    done: list[int] = []

    def chore() -> Iterator[None]:
        for number in range(3):
            done.append(number)
            yield

    node.store.committer.add_chore(chore())
    assert node.store.committer.has_chores
    for expected in ([0], [0, 1], [0, 1, 2], [0, 1, 2]):
        assert node.store.committer.do_chore() and done == expected
    assert not node.store.committer.do_chore() and not node.store.committer.has_chores


def test_a_chore_that_fails_is_told_and_left(node: Node) -> None:
    def chore() -> Iterator[None]:
        yield
        raise StorageError("/trash/x: cannot be written: Input/output error")

    node.store.committer.add_chore(chore())
    while node.store.committer.do_chore():
        pass
    node.run_posted()
    assert "could not be overwritten: /trash/x" in node.notices[0]


# -- the thread ------------------------------------------------------------------------------------


@pytest.fixture
def thread(node: Node) -> Iterator[CommitterThread]:
    thread = CommitterThread(node.store.committer)
    node.store.submit = thread.submit
    thread.start()
    yield thread
    thread.close()


def test_the_thread_makes_marks_durable_by_itself(node: Node, thread: CommitterThread) -> None:
    stream = node.stream()
    stream.reserve(100, 100, lambda mark: None)
    thread.run(lambda: None).result(timeout=10)  # comes after a round of marks
    assert stream.committed == 100


def test_the_thread_overwrites_by_itself(node: Node, thread: CommitterThread) -> None:
    overwritten = threading.Event()
    stream = node.stream()
    assert isinstance(node.files, SimulatedFiles)

    def fault(call: Call) -> None:
        if call.name == "write_at" and call.path.parent == node.state.blocks:
            overwritten.set()

    node.files.fault = fault
    stream.reserve(100, 100, lambda mark: None)
    stream.wipe(100)
    assert overwritten.wait(timeout=10)


def test_a_job_gives_its_result_or_its_error(thread: CommitterThread) -> None:
    def fail() -> None:
        raise StorageError("no")

    assert thread.run(lambda: 7).result(timeout=10) == 7
    with pytest.raises(StorageError, match="no"):
        thread.run(fail).result(timeout=10)
    assert thread.run(lambda: 8).result(timeout=10) == 8


def test_closing_does_what_was_asked_for(node: Node) -> None:
    thread = CommitterThread(node.store.committer)
    node.store.submit = thread.submit
    stream = node.stream()
    stream.reserve(5000, 5000, lambda mark: None)
    stream.wipe(5000)
    thread.start()
    thread.close()
    assert stream.committed == 5000 and not any(block(node)[:5000])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_closes_all_pools_and_leaves_nobody_waiting(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault() -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(node.store.committer, "commit", fault)
    thread = CommitterThread(node.store.committer)
    node.store.submit = thread.submit
    told: list[int] = []
    node.stream().reserve(100, 100, told.append)
    waiting = thread.run(lambda: None)
    thread.start()
    for future in (waiting, thread.run(lambda: None)):
        with pytest.raises(StorageError, match="marks are not written any more"):
            future.result(timeout=10)
    thread.close()
    node.stream("hilary").reserve(100, 100, told.append)
    node.run_posted()
    assert told == [0, 0]
    for hub in ("hank", "hilary"):
        with pytest.raises(StorageError, match="marks are not written any more"):
            node.stream(hub).check()
    with pytest.raises(StorageError, match="marks are not written any more"):
        thread.run(lambda: None).result(timeout=10)
