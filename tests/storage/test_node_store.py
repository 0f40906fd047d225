"""A node's state as a whole: what opens, what is refused, what one damaged pair does to the others."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from simulating.disks.disk import DiskFile
from simulating.disks.files import SimulatedFiles, fails_at, no_fault

from dsked.errors import RequestError, StorageError
from dsked.limits import MAX_OPEN_BLOCK_FILES
from dsked.psrd.pair import Side
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.storage.block_file import HEADER_BYTES, encode_header, file_bytes
from dsked.storage.files import Files, OpenFile
from dsked.storage.known_uuids import known_uuids
from dsked.storage.open_blocks import block_path
from dsked.storage.records import Delivery, write_delivery
from tests.storage.lives import block_bytes
from tests.storage.nodes import Node


@pytest.fixture
def node() -> Iterator[Node]:
    node = Node()
    node.adopt(node.first(10_000, 5000))
    node.adopt(node.first(10_000, hub="hilary", x=2))
    yield node


def again(node: Node) -> Node:
    """The next process on the same disk."""
    node.store.close()
    assert isinstance(node.files, SimulatedFiles)
    assert node.files.nr_open == 0
    return Node(node.files)


def raw(node: Node, path: Path) -> DiskFile:
    assert isinstance(node.files, SimulatedFiles)
    return node.files.disk.file(path)


def block(node: Node, hub: str = "hank", number: int = 0) -> Path:
    info = node.store.pairs[hub].record.client_stream.blocks[number]
    return block_path(node.state.blocks, info.uuid)


def test_a_client_owns_one_pool_of_each_pair_and_follows_the_other(node: Node) -> None:
    streams = again(node).store.pairs["hank"].streams
    assert isinstance(streams.local, OwnerPool) and isinstance(streams.peer, ReceiverPool)
    assert streams.local.stream_id == node.store.pairs["hank"].record.terms.client_stream
    assert streams.peer.stream_id == node.store.pairs["hank"].record.terms.hub_stream
    assert streams.local.window == streams.peer.window == 16_384


def test_a_hub_has_them_the_other_way_round() -> None:
    hub = Node(role="hub", name="hank")
    streams = hub.adopt(hub.first(5000)).streams
    assert streams.local.stream_id == hub.store.pairs["carol"].record.terms.hub_stream


def test_all_is_there_again(node: Node) -> None:
    before = {hub: pair.record for hub, pair in node.store.pairs.items()}
    after = again(node)
    assert {hub: pair.record for hub, pair in after.store.pairs.items()} == before
    assert after.stream().end == 15_000 and after.notices == []
    info = before["hank"].client_stream.blocks[1]
    assert after.stream().read(10_000, 5000) == block_bytes(info.uuid, 5000)


def test_after_a_restart_both_pools_begin_at_their_durable_marks(node: Node) -> None:
    stores = node.store.pairs["hank"].stores
    stores[Side.CLIENT].reserve(700, 700, lambda mark: None)
    stores[Side.CLIENT].wipe(300)  # used less than was reserved
    stores[Side.HUB].reserve(900, 900, lambda mark: None)
    node.work()
    streams = again(node).store.pairs["hank"].streams
    assert isinstance(streams.local, OwnerPool) and isinstance(streams.peer, ReceiverPool)
    assert (streams.local.next, streams.local.durable) == (700, 700)
    assert (streams.peer.mark, streams.peer.told) == (900, 900)


def test_what_was_reserved_and_not_used_is_overwritten_at_the_next_start(node: Node) -> None:
    node.stream().reserve(700, 700, lambda mark: None)
    node.work()
    assert any(raw(node, block(node)).seen[HEADER_BYTES : HEADER_BYTES + 700])
    after = again(node)
    after.work()
    assert not any(raw(after, block(after)).seen[HEADER_BYTES : HEADER_BYTES + 700])


# -- damage: one pair's is no other pair's -----------------------------------------------------------


def flip(at: int) -> Callable[[DiskFile], None]:
    def damage(file: DiskFile) -> None:
        file.seen[at] ^= 1

    return damage


def cut(file: DiskFile) -> None:
    del file.seen[-1:]


DAMAGES: dict[str, tuple[Callable[[Node], Path], Callable[[DiskFile], None], str]] = {
    "record": (lambda node: node.state.pair("hank"), flip(50), "hank.pair: damaged"),
    "record's version": (lambda node: node.state.pair("hank"), flip(7), "hank.pair: of version b'0'"),
    "record, cut": (lambda node: node.state.pair("hank"), cut, "hank.pair: damaged"),
    "slot": (lambda node: node.state.marks, flip(4096 + 20), "marks: slot 0 is damaged"),
    "block's header": (block, flip(30), ".block: the header is damaged"),
    "block's version": (block, flip(7), ".block: a block file of version b'0'; expected '1'"),
    "block, cut": (block, cut, "are expected"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_pair_stays_closed_and_says_why_and_the_others_open(node: Node, name: str) -> None:
    where, damage, says = DAMAGES[name]
    damage(raw(node, where(node)))
    after = again(node)
    assert says in after.store.problems["hank"] and list(after.store.pairs) == ["hilary"]
    assert after.notices == [f"the pools with hank cannot be opened: {after.store.problems['hank']}"]
    assert after.stream("hilary").read(0, 16)
    with pytest.raises(RequestError, match="the pools with hank cannot be opened"):
        after.adopt(node.further("hank", 5000))
    after.adopt(after.first(5000, hub="helen", x=3, seed="helen"))
    assert after.stream("helen").read(0, 16)


def test_what_belongs_to_a_damaged_pair_is_not_thrown_away(node: Node) -> None:
    record = node.state.pair("hank")
    flip(50)(raw(node, record))
    after = again(node)
    after.work()
    flip(50)(raw(after, record))
    repaired = again(after)
    assert repaired.store.problems == {} and repaired.stream().read(0, 16)


def test_a_damaged_pair_can_be_replaced_on_purpose(node: Node) -> None:
    flip(50)(raw(node, node.state.pair("hank")))
    after = again(node)
    fresh = after.first(6000, seed="anew")
    after.adopt(type(fresh)(fresh.bundle, fresh.terms, fresh.client_blocks, fresh.hub_blocks, replace=True))
    assert after.store.problems == {} and after.stream().end == 6000
    last = again(after)
    last.work()
    assert last.stream().end == 6000 and len(last.files.names(last.state.blocks)) == 4


def test_a_missing_block_that_is_used_up_is_no_damage(node: Node) -> None:
    """Its removal was durable, the record that leaves it out is not written yet."""
    node.stream().reserve(10_000, 10_000, lambda mark: None)
    node.stream().wipe(10_000)
    path = block(node)
    node.work()
    assert not node.files.exists(path)
    assert again(node).store.problems == {}


@pytest.mark.parametrize("at", [0, 7, 10])
def test_a_damaged_file_of_marks_closes_the_node(node: Node, at: int) -> None:
    flip(at)(raw(node, node.state.marks))
    with pytest.raises(StorageError, match="marks: "):
        again(node)
    assert isinstance(node.files, SimulatedFiles)
    assert node.files.nr_open == 0, "the lock is given back"


def test_a_damaged_list_of_uuids_closes_the_node(node: Node) -> None:
    flip(5)(raw(node, node.state.uuids))
    with pytest.raises(StorageError, match="uuids: damaged at byte 0"):
        again(node)


# -- what a crash or a failure leaves ----------------------------------------------------------------


def test_a_staged_delivery_that_nobody_adopted_is_overwritten(node: Node) -> None:
    delivery = node.stage(node.further("hank", 5000))
    staged = raw(node, block_path(node.state.staged(delivery.bundle), delivery.client_blocks[0].uuid))
    after = again(node)
    after.work()
    assert after.files.names(after.state.staging) == [] == after.files.names(after.state.trash)
    assert not any(staged.durable)
    after.adopt(delivery)  # brought once more


def test_a_delivery_that_somebody_is_bringing_is_left_alone(node: Node) -> None:
    delivery = node.stage(node.further("hank", 5000))
    node.store.close()
    lock = node.state.lock_for_deliveries()
    assert lock is not None
    after = Node(node.files)
    after.work()
    after.store.take(after.store.adopt(delivery.bundle, None))
    assert after.stream().end == 20_000


def test_a_block_that_no_record_knows_is_overwritten(node: Node) -> None:
    delivery = node.stage(node.further("hank", 5000))
    uuid = delivery.client_blocks[0].uuid
    stray = block_path(node.state.blocks, uuid)
    node.files.rename(block_path(node.state.staged(delivery.bundle), uuid), stray)
    file = raw(node, stray)
    after = again(node)
    after.work()
    assert not after.files.exists(stray) and not any(file.durable)


@pytest.mark.parametrize("failing", ["remember", "tidy"])
def test_what_fails_after_the_commit_point_does_not_undo_a_delivery(node: Node, failing: str) -> None:
    """A disk that fills up just then: the delivery is there, and its UUIDs are remembered in the end."""
    assert isinstance(node.files, SimulatedFiles)
    delivery = node.stage(node.further("hank", 5000))

    def fault(call: object) -> int | None:
        name, path = getattr(call, "name", ""), getattr(call, "path", Path())
        hit = path.name == "uuids.new" if failing == "remember" else path.name == "delivery"
        return 28 if hit and name in ("create", "remove") else None

    node.files.fault = fault
    node.store.take(node.store.adopt(delivery.bundle, None))
    node.files.fault = no_fault
    assert node.stream().end == 20_000
    assert len(node.notices) == 1 and "after a delivery was taken over: " in node.notices[0]
    assert delivery.client_blocks[0].uuid in known_uuids(again(node).state)


def test_slots_of_a_failed_attempt_are_not_given_to_others(node: Node) -> None:
    """It may turn out to stand: the last step of the record's replacement is what failed."""
    assert isinstance(node.files, SimulatedFiles)
    delivery = node.stage(node.first(5000, hub="helen", x=3))
    at = None

    def look(call: object) -> None:
        nonlocal at
        if getattr(call, "name", "") == "sync_directory" and getattr(call, "path", None) == node.state.pairs:
            at = getattr(call, "number", None)

    trial = Node(SimulatedFiles(node.files.disk.clone()))
    assert isinstance(trial.files, SimulatedFiles)
    trial.files.fault = look
    start = trial.files.nr_calls
    trial.stage(delivery)
    trial.store.adopt(delivery.bundle, None)
    assert at is not None
    node.files.fault = fails_at(node.files.nr_calls + at - start, 5)
    node.stage(delivery)
    with pytest.raises(StorageError, match="pairs: cannot be synced"):
        node.store.adopt(delivery.bundle, None)
    node.files.fault = no_fault
    node.adopt(node.first(5000, hub="hugo", x=4))
    after = again(node)
    assert after.store.problems == {} and set(after.store.pairs) >= {"hank", "hilary", "hugo"}
    for pair in after.store.pairs.values():
        assert pair.streams.local.store.read(0, 16)


# -- size --------------------------------------------------------------------------------------------


class CountingFiles(Files):
    """The real files, and how many bytes were read and looked for."""

    def __init__(self) -> None:
        self.nr_read = self.nr_calls = 0

    def read_at(self, file: OpenFile, length: int, offset: int) -> bytes:
        self.nr_read += length
        self.nr_calls += 1
        return super().read_at(file, length, offset)


def sparse(node: Node, size: int) -> Delivery:
    """A staged delivery of one block per pool, of which only the headers were ever written."""
    delivery = node.first(size)
    directory = node.state.staged(delivery.bundle)
    node.files.make_directory(directory)
    for owner in Side:
        for info in delivery.blocks(owner):
            path = block_path(directory, info.uuid)
            path.write_bytes(encode_header(delivery.terms.stream(owner), info))
            os.truncate(path, file_bytes(info.size))
    write_delivery(node.files, directory, delivery)
    return delivery


def test_to_open_a_node_costs_the_same_whatever_its_pools_hold(tmp_path: Path) -> None:
    costs = []
    for size in (1 << 20, 64 << 20, 4 << 30):
        path = tmp_path / f"of {size}"
        node = Node(Files(), path)
        node.store.take(node.store.adopt(sparse(node, size).bundle, None))
        node.store.close()
        files = CountingFiles()
        tracemalloc.start()
        node = Node(files, path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert node.stream().end == size and peak < 1 << 20
        costs.append((files.nr_calls, files.nr_read // 1000))
        node.store.close()
    assert costs[0] == costs[1] == costs[2]


class DirectoryCalls(Files):
    """Counts what is slow on a disk, or in a directory of thousands of files."""

    def __init__(self) -> None:
        self.nr = 0

    def names(self, path: Path) -> list[str]:
        self.nr += 1
        return super().names(path)

    def sync_directory(self, path: Path) -> None:
        self.nr += 1
        super().sync_directory(path)


def test_thousands_of_blocks_are_thrown_away_as_fast_as_one_while_marks_wait(tmp_path: Path) -> None:
    costs = []
    for number in (1, 40):
        files = DirectoryCalls()
        node = Node(files, tmp_path / f"of {number}")
        node.adopt(node.first(*[4096] * number))
        fresh = node.first(4096, seed="second")
        node.stage(msgspec.structs.replace(fresh, replace=True))
        files.nr = 0
        node.store.take(node.store.adopt(fresh.bundle, None))
        replaced = files.nr
        node.stage(node.first(*[4096] * number, seed="third"))  # and then the machine stops
        node.store.close()
        files.nr = 0
        node = Node(files, tmp_path / f"of {number}")
        costs.append((replaced, files.nr))
        node.work()
        assert len(list((tmp_path / f"of {number}").rglob("*.block"))) == 2
        node.store.close()
    assert costs[0] == costs[1]


def open_files(below: Path) -> int:
    """Only those below a directory: what other tests have left may be closed at any time."""
    links = map(os.path.realpath, Path("/proc/self/fd").iterdir())
    return sum(Path(link).is_relative_to(below) for link in links)


def test_a_node_of_hundreds_of_pairs_has_few_open_files(tmp_path: Path) -> None:
    path, pairs = tmp_path / "hub-hank", 120
    hub = Node(Files(), path, role="hub", name="hank")
    for number in range(pairs):
        delivery = hub.first(4096, seed=f"of {number}")
        terms = type(delivery.terms)(
            f"client{number}", "hank", delivery.terms.gate_key, 1, 16_384, *_streams(number)
        )
        hub.adopt(type(delivery)(delivery.bundle, terms, delivery.client_blocks, delivery.hub_blocks))
    hub.store.close()
    hub = Node(Files(), path, role="hub", name="hank")
    most = open_files(path)
    for pair in hub.store.pairs.values():
        for store in pair.stores.values():
            store.read(0, 16)
            store.reserve(100, 100, lambda mark: None)
            store.wipe(100)
        hub.work()
        most = max(most, open_files(path))
    assert len(hub.store.pairs) == pairs
    assert most > 3
    assert most <= 2 * MAX_OPEN_BLOCK_FILES + 3  # for reading and overwriting; lock, marks, a directory
    hub.store.close()
    assert open_files(path) == 0


def _streams(number: int) -> tuple[bytes, bytes]:
    return number.to_bytes(16, "big"), (number + 10_000).to_bytes(16, "big")
