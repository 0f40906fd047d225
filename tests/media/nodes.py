"""Hubs and clients as directories, and what the commands do with them; disks that fail or stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from dsked.errors import StorageError
from dsked.media import generating, importing, medium, node
from dsked.media.planning import Order
from dsked.psrd.pair import Side
from dsked.storage import block_file
from dsked.storage.files import Files, OpenFile
from dsked.storage.node_store import NodeStore
from dsked.storage.open_blocks import block_path
from dsked.storage.records import Delivery
from dsked.storage.state_dir import StateDirectory

from .bundles import MIB, PASSPHRASE, nothing

HUBS = {"hank": 1, "helen": 2}


class Crash(BaseException):
    """The process is killed."""


class Unsynced(Files):
    """Files of a machine that never loses power: only processes end."""

    def sync(self, file: OpenFile) -> None:
        pass

    def sync_data(self, file: OpenFile) -> None:
        pass

    def sync_directory(self, path: Path) -> None:
        pass


class FailingFiles(Unsynced):
    """Fails at the n-th call that changes something: once (StorageError), or for good (`crash`)."""

    def __init__(self, fail_at: int, *, crash: bool) -> None:
        self.calls = 0
        self._fail_at = fail_at
        self._crash = crash
        self._open: set[int] = set()

    def create(self, path: Path) -> OpenFile:
        self.count(path)
        return self._opened(super().create(path))

    def open(self, path: Path, *, write: bool = False) -> OpenFile:
        return self._opened(super().open(path, write=write))

    def close(self, file: OpenFile) -> None:
        if file.fd in self._open:
            self._open.remove(file.fd)
            super().close(file)

    def _opened(self, file: OpenFile) -> OpenFile:
        self._open.add(file.fd)
        return file

    def count(self, path: Path) -> None:
        self.calls += 1
        if self._crash and self.calls >= self._fail_at:
            while self._open:  # the kernel closes what a process had open, and its locks are gone
                os.close(self._open.pop())
            raise Crash
        if self.calls == self._fail_at:
            raise StorageError(f"{path}: cannot be written: No space left on device")


def _counted(name: str) -> Callable[..., Any]:
    plain = getattr(Unsynced, name)

    def call(self: FailingFiles, target: Any, *rest: Any, **named: Any) -> Any:
        self.count(getattr(target, "path", target))
        return plain(self, target, *rest, **named)

    return call


for _name in ("write_at", "sync", "sync_data", "sync_directory", "rename", "remove",
              "make_directory", "remove_directory"):  # fmt: skip
    setattr(FailingFiles, _name, _counted(_name))


def hub(tmp_path: Path, name: str = "hank", files: Files | None = None) -> StateDirectory:
    return StateDirectory(files or Files(), tmp_path / f"hub-{name}", "hub", name)


def client(tmp_path: Path, name: str = "carol", files: Files | None = None) -> StateDirectory:
    return StateDirectory(files or Files(), tmp_path / f"client-{name}", "client", name)


def generate(
    state: StateDirectory,
    out: Path,
    *clients: str,
    size: int = MIB,
    files: Files | None = None,
    sealed: bool = False,
    new_streams: bool = False,
    x: int | None = None,
) -> Path:
    """A bundle file for clients, carol by default."""
    clients = clients or ("carol",)
    orders = [Order(client=name, size_bytes=size, new_streams=new_streams) for name in clients]
    files = files or Files()
    with node.deliveries(state):
        generating.settle(files, state, out)
        passphrases = dict.fromkeys(clients, PASSPHRASE) if sealed else {}
        planned = generating.plan_bundles(state, x or HUBS[state.name], orders, passphrases, os.urandom)
        adopt = partial(node.adopt_here, state, None)
        generating.generate(files, state, planned, out, System(), adopt, nothing)
    return out


class System:
    """The system's generator."""

    def read(self, nr_bytes: int, /) -> bytes:
        return os.urandom(nr_bytes)


def import_(
    state: StateDirectory,
    path: Path,
    *,
    hubs: dict[str, int] | None = None,
    replace: bool = False,
    passphrase: str = PASSPHRASE,
    files: Files | None = None,
) -> Delivery:
    hubs = HUBS if hubs is None else hubs
    files = files or Files()
    with medium.opened(files, path) as file, node.deliveries(state):
        header = importing.only_bundle(files, file)
        importing.check_header(state, header, hubs)
        reader = importing.open_bundle(files, file, 0, header, lambda header: passphrase)
        delivery = importing.check(state, reader.delivery, hubs, replace=replace)
        importing.import_bundle(state, reader, delivery, partial(node.adopt_here, state, hubs), nothing)
    return reader.delivery


def pool(state: StateDirectory, peer: str, owner: Side) -> bytes:
    """All bytes of a pool that was never used, from the block files, verified."""
    record = node.record(state, peer)
    assert record is not None
    return b"".join(_block(state, record.terms.stream(owner), info) for info in record.stream(owner).blocks)


def _block(state: StateDirectory, stream_id: bytes, info: Any) -> bytes:
    file = state.files.open(block_path(state.blocks, info.uuid))
    try:
        block_file.check_header(state.files, file, stream_id, info)
        assert sum(block_file.verify(state.files, file, info.size)) == info.size
        return state.files.read_at(file, info.size, block_file.HEADER_BYTES)
    finally:
        state.files.close(file)


def same_pools(one: StateDirectory, other: StateDirectory) -> bool:
    """Whether a hub and a client hold the same bytes in both pools."""
    return all(pool(one, other.name, owner) == pool(other, one.name, owner) for owner in Side)


def nothing_half(state: StateDirectory) -> bool:
    """Whether no block lies anywhere that no record knows, once the node has started again."""
    NodeStore(state, lambda call: None, lambda level, text, /, **fields: None, lambda: 0.0).close()
    staged = list(state.staging.iterdir())
    known = {
        block_path(state.blocks, info.uuid)
        for record in node.records(state).values()
        for owner in Side
        for info in record.stream(owner).blocks
    }
    return not staged and set(state.blocks.iterdir()) == known


def headers_in(paths: Iterable[Path]) -> list[Any]:
    """The headers of all bundles in files."""
    files = Files()
    found = []
    for path in paths:
        with medium.opened(files, path) as file:
            found += [one.header for one in medium.scan(files, file)]
    return found
