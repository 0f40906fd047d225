"""The store of a running node: in the event loop, with the committer in its thread."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Protocol

from dsked.errors import ConfigurationError, DskedError, RequestError, StorageError
from dsked.limits import MAX_OPEN_BLOCK_FILES
from dsked.notice import told_to
from dsked.psrd.pair import Streams
from dsked.storage.committer import CommitterThread
from dsked.storage.files import Files
from dsked.storage.node_store import Adopted, NodeStore
from dsked.storage.state_dir import StateDirectory

_log = logging.getLogger(__name__)


class Receiver(Protocol):
    """The node that deliveries are for."""

    def deliver(self, peer: str, gate_key: bytes, streams: Streams) -> None:
        """The pair with `peer` has new streams."""

    def grown(self, peer: str) -> None:
        """The streams of the pair with `peer` hold more bytes."""


def _check_owner(directory: Path) -> None:
    """Raises ConfigurationError where the node's directory is another user's, or everybody may write to it.

    What root writes into another user's state, that user cannot read any more. Where others can write they
    may have put older marks in the place of ours, and pads would be used twice. An empty one is closed.
    """
    try:
        status = directory.stat()
    except FileNotFoundError:
        return
    if status.st_uid != os.geteuid():
        raise ConfigurationError(
            f"{directory}: belongs to user {status.st_uid}, and this is user {os.geteuid()}: "
            "run the node as that user, or give it another --state-dir"
        )
    if not status.st_mode & stat.S_IWOTH or not stat.S_ISDIR(status.st_mode):
        return
    if any(directory.iterdir()):
        raise ConfigurationError(
            f"{directory}: everybody may write there (mode {stat.S_IMODE(status.st_mode):04o}), and may have "
            f"changed what is in it; expected 0700: if you know that nobody has, chmod 0700 {directory}"
        )
    directory.chmod(0o700)


class RunningStore:
    """One node's durable state (delivery's DeliveryService)."""

    def __init__(
        self,
        directory: Path,
        role: str,
        name: str,
        peers: Mapping[str, int],
        open_files: int = MAX_OPEN_BLOCK_FILES,
    ) -> None:
        """Opens it. `peers` as for `NodeStore.adopt`. Raises ConfigurationError, StorageError."""
        self._loop = asyncio.get_running_loop()
        self._peers = peers
        try:
            directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{directory.parent}: cannot be made: {error.strerror}") from None
        _check_owner(directory)
        state = StateDirectory(Files(), directory, role, name)
        self._store = NodeStore(state, self._post, told_to(_log), time.monotonic, open_files)
        self._thread = CommitterThread(self._store.committer)
        self._store.submit = self._thread.submit
        self._thread.start()
        self._adopting = False
        self._receiver: Receiver | None = None

    def deliver_to(self, receiver: Receiver) -> None:
        """From now on deliveries are taken, for `receiver`."""
        self._receiver = receiver

    def know(self, peers: Mapping[str, int]) -> None:
        """From now on deliveries of these peers are taken."""
        self._peers = peers

    def gate_keys(self) -> dict[str, bytes]:
        """By peer."""
        return {peer: pair.record.terms.gate_key for peer, pair in self._store.pairs.items()}

    def streams(self) -> dict[str, Streams]:
        """By peer, of all pairs that could be opened."""
        return {peer: pair.streams for peer, pair in self._store.pairs.items()}

    @property
    def closed_pools(self) -> Mapping[str, str]:
        """Why the others could not be, by peer; new streams make them disappear from here."""
        return self._store.problems

    def _post(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    def adopt(self, bundle: bytes, done: Callable[[str | DskedError], None]) -> None:
        """Take over a staged delivery; `done` gets the peer's name, or the error."""
        if self._adopting:
            done(RequestError("another delivery is being taken over: try again"))
            return
        self._adopting = True
        future = self._thread.run(partial(self._store.adopt, bundle, self._peers))
        future.add_done_callback(lambda future: self._post(partial(self._adopted, future, done)))

    def _adopted(self, future: Future[Adopted], done: Callable[[str | DskedError], None]) -> None:
        self._adopting = False
        try:
            adopted = future.result()
        except DskedError as error:
            _log.error("a delivery was refused: %s", error)
            done(error)
            return
        except Exception as error:
            _log.error("a delivery could not be taken over", exc_info=error)
            done(DskedError("internal error: see the node's log"))
            return
        pair = self._store.take(adopted)
        peer = adopted.delivery.peer(self._store.side)
        size = sum(info.size for info in adopted.delivery.client_blocks + adopted.delivery.hub_blocks)
        _log.info("took over %d bytes of PSRD shared with %s", size, peer, extra={"peer": peer})
        assert self._receiver is not None
        if adopted.pair is not None:
            self._receiver.deliver(peer, pair.record.terms.gate_key, pair.streams)
        else:
            self._receiver.grown(peer)
        done(peer)

    async def close(self) -> None:
        """Gives the state back: what is used is overwritten."""
        self._thread.close()
        self._store.close()
