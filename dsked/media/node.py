"""A node's state as commands see it that prepare or bring deliveries, while a daemon may run beside them.

They stage blocks and read records, under a lock of their own; only the state's owner adopts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dsked.errors import ConfigurationError, RequestError, ServiceError, StorageError
from dsked.notice import told_to
from dsked.psrd.pair import Side
from dsked.psrd.store import BlockInfo
from dsked.storage import adoption, block_file
from dsked.storage.block_file import BlockWriter
from dsked.storage.files import Files
from dsked.storage.known_uuids import known_uuids
from dsked.storage.node_store import NodeStore
from dsked.storage.records import Delivery, PairRecord, read_pair
from dsked.storage.state_dir import StateDirectory

_log = logging.getLogger(__name__)

#: Errors of `Adopt` after which it is certain what was adopted: the records tell. Any other leaves it open.
SETTLED = (ConfigurationError, RequestError, StorageError)

_DISCARDED = ".discarded"

#: Makes the state's owner adopt the staged delivery of a bundle (its UUID). Raises DskedError.
Adopt = Callable[[bytes], None]


@contextmanager
def deliveries(state: StateDirectory) -> Iterator[None]:
    """No other command prepares or brings deliveries meanwhile; what an earlier one left half done is gone.

    The state is made if it is missing. Raises ServiceError, ConfigurationError, StorageError.
    """
    _ensure(state)
    lock = state.lock_for_deliveries()
    if lock is None:
        raise ServiceError(f"{state.path}: another psrd command is at work there; wait until it is done")
    try:
        for name in state.files.names(state.staging):
            discard(state, state.staging / name)
        yield
    finally:
        state.files.close(lock)


@contextmanager
def new_block(files: Files, path: Path, stream_id: bytes, info: BlockInfo) -> Iterator[BlockWriter]:
    """Writes a block's file: durable when the block of code ends, gone if it fails."""
    writer = BlockWriter(files, path, stream_id, info)
    try:
        yield writer
        writer.finish()
    except BaseException:
        writer.abandon()
        raise


def discard(state: StateDirectory, directory: Path) -> None:
    """Overwrites and removes what is staged in a directory, and the directory.

    Its name goes first: an owner that comes to adopt it late, after nobody waits any more, finds nothing. It
    must not take over a block that is being overwritten.
    """
    if not state.files.exists(directory):
        return
    if directory.suffix != _DISCARDED:
        state.files.rename(directory, directory.with_suffix(_DISCARDED))
        directory = directory.with_suffix(_DISCARDED)
    for name in state.files.names(directory):
        block_file.erase(state.files, directory / name)
    state.files.remove_directory(directory)


def record(state: StateDirectory, peer: str) -> PairRecord | None:
    """What is kept of the pair with a peer. Raises StorageError if it is damaged."""
    path = state.pair(peer)
    return read_pair(state.files, path) if state.files.exists(path) else None


def record_to_replace(state: StateDirectory, peer: str) -> tuple[PairRecord | None, bool]:
    """As `record`, for new streams, which replace a damaged one too: (record if readable, is there one)."""
    try:
        found = record(state, peer)
    except StorageError:
        return None, True
    return found, found is not None


def adopted(state: StateDirectory, bundle: bytes) -> bool:
    """Whether a bundle is a part of this state."""
    return any(bundle in one.bundles for one in records(state).values()) or bundle in known_uuids(state)


def check(state: StateDirectory, delivery: Delivery, peers: Mapping[str, int] | None) -> None:
    """Raises RequestError where the owner would not adopt it: before gigabytes are copied.

    `peers` as for `NodeStore.adopt`.
    """
    known = records(state)
    peer = delivery.peer(side(state))
    adoption.check(
        delivery,
        known.get(peer),
        known=known_uuids(state),
        own=(side(state), state.name),
        peers=peers,
        taken_x={one.terms.x for name, one in known.items() if name != peer},
    )


def records(state: StateDirectory) -> dict[str, PairRecord]:
    """All pairs by peer but those whose record is damaged: they are closed until new streams replace them."""
    found = {}
    for peer in peer_names(state):
        with suppress(StorageError):
            found[peer] = read_pair(state.files, state.pair(peer))
    return found


def peer_names(state: StateDirectory) -> list[str]:
    """The nodes that this one keeps pools with, damaged or not."""
    return [name.removesuffix(".pair") for name in state.files.names(state.pairs) if name.endswith(".pair")]


def adopt_here(state: StateDirectory, peers: Mapping[str, int] | None, bundle: bytes) -> None:
    """Adopts where no daemon owns the state, and overwrites what the delivery replaced.

    Raises ConfigurationError if a daemon does own it, RequestError, StorageError.
    """
    with _opened(state) as store:
        adopted = store.adopt(bundle, peers)
        was_damaged = adopted.delivery.peer(store.side) in store.problems
        _empty_trash(state)
    if was_damaged:  # which blocks were its own is only known by an opening that can read all records
        with suppress(ConfigurationError), _opened(state):  # a daemon that was quicker tidies by itself
            _empty_trash(state)


@contextmanager
def _opened(state: StateDirectory) -> Iterator[NodeStore]:
    store = NodeStore(state, lambda call: call(), told_to(_log), time.monotonic)
    try:
        yield store
    finally:
        store.close()


def _empty_trash(state: StateDirectory) -> None:
    for name in state.files.names(state.trash):
        block_file.erase(state.files, state.trash / name)


def side(state: StateDirectory) -> Side:
    """Which end of its pairs the node is."""
    return Side.HUB if state.role == "hub" else Side.CLIENT


def _ensure(state: StateDirectory) -> None:
    if state.exists:
        state.check_version()
        return
    missing = [path for path in state.path.parents if not path.exists()]
    for path in reversed(missing):
        state.files.make_directory(path)
    lock = state.lock()
    try:
        state.prepare()
    finally:
        state.files.close(lock)
