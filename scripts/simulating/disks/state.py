"""Nodes' state on simulated disks: the real store, its committer run by the world's clock, media."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dsked.notice import Notice
from dsked.psrd.pair import Side, Streams
from dsked.psrd.store import BlockInfo
from dsked.storage.block_file import chunk_checksums, encode_header
from dsked.storage.durable_stream import DurableStream
from dsked.storage.node_store import Adopted, NodeStore
from dsked.storage.open_blocks import block_path
from dsked.storage.records import Delivery, PairTerms, write_delivery
from dsked.storage.state_dir import StateDirectory
from simulating.disks.disk import Disk, DiskDirectory, DiskFile, Luck
from simulating.disks.files import CHANGES, Call, SimulatedCrash, SimulatedFiles

WINDOW = 16 * 1024
FIRST_BYTES = 128 * 1024
FURTHER_BYTES = 96 * 1024
#: An operator brings a further bundle when less than this is left.
LOW_BYTES = 64 * 1024
WIPE_INTERVAL_S = 1.0
_STATE = Path("/state")

Post = Callable[[Callable[[], None]], None]
After = Callable[[float, Callable[[], None]], None]


@dataclass(frozen=True)
class Bundle:
    """What a courier carries to both ends: the delivery, and the files of its blocks by UUID."""

    delivery: Delivery
    files: Mapping[bytes, bytes]


class Factory:
    """Makes the bundles of all pairs, and remembers those that are good: all since the last new streams."""

    def __init__(self, seed: str) -> None:
        self._dice = random.Random(f"{seed} bundles")  # noqa: S311  repeatable on purpose
        self.bundles: dict[tuple[str, str], list[Bundle]] = {}

    def begin(self, client: str, hub: str, x: int) -> Bundle:
        """New streams of a pair."""
        terms = PairTerms(client, hub, self._bytes(32), x, WINDOW, self._bytes(16), self._bytes(16))
        replaces = (client, hub) in self.bundles
        bundle = self._bundle(terms, dict.fromkeys(Side, (0, 0)), FIRST_BYTES, replace=replaces)
        self.bundles[client, hub] = [bundle]
        return bundle

    def go_on(self, client: str, hub: str) -> Bundle:
        """More bytes for both streams of a pair."""
        last = self.bundles[client, hub][-1].delivery
        ends = {owner: (last.blocks(owner)[-1].sequence + 1, last.blocks(owner)[-1].end) for owner in Side}
        bundle = self._bundle(last.terms, ends, FURTHER_BYTES, replace=False)
        self.bundles[client, hub].append(bundle)
        return bundle

    def _bytes(self, number: int) -> bytes:
        return self._dice.randbytes(number)

    def _bundle(
        self, terms: PairTerms, ends: Mapping[Side, tuple[int, int]], size: int, *, replace: bool
    ) -> Bundle:
        blocks, files = {}, {}
        for owner, (sequence, start) in ends.items():
            info = BlockInfo(sequence, self._bytes(16), start, size)
            data = self._bytes(size)
            blocks[owner] = (info,)
            files[info.uuid] = encode_header(terms.stream(owner), info) + data + chunk_checksums(data)
        delivery = Delivery(self._bytes(16), terms, blocks[Side.CLIENT], blocks[Side.HUB], replace)
        return Bundle(delivery, files)


class NodeDisk:
    """One node's disk, over the lives of its processes. `fault` looks at every change."""

    def __init__(self, name: str, side: Side, dice: random.Random) -> None:
        self.name, self.side = name, side
        self.role = "hub" if side is Side.HUB else "client"
        self.sync_fails = False  # the next sync does
        self.full = False
        self.changes_to_crash: int | None = None
        self.copy: Disk | None = None
        self._dice = dice
        self._disk = Disk()
        root = self._disk.root
        root.seen["state"] = root.durable["state"] = DiskDirectory()

    def fault(self, call: Call) -> int | None:
        """What becomes of a call: its errno, or None; or SimulatedCrash."""
        if call.name not in CHANGES:
            return None
        if self.changes_to_crash is not None:
            self.changes_to_crash -= 1
            if self.changes_to_crash < 0:
                self.changes_to_crash = None
                raise SimulatedCrash
        if self.sync_fails and call.name.startswith("sync"):
            self.sync_fails = False
            return errno.EIO
        return errno.ENOSPC if self.full and call.grows else None

    def be_well(self) -> None:
        """No further faults."""
        self.sync_fails = self.full = False
        self.changes_to_crash = None

    def files(self, *, faulty: bool = True) -> SimulatedFiles:
        """A process's view."""
        seed = self._dice.getrandbits(32)
        return SimulatedFiles(self._disk, seed, self.fault) if faulty else SimulatedFiles(self._disk, seed)

    def state(self, files: SimulatedFiles) -> StateDirectory:
        """The node's state directory, as `files` sees it."""
        return StateDirectory(files, _STATE / self.name, self.role, self.name)

    def lose_power(self) -> None:
        """What was not synced is lost, kept or torn."""
        self._disk = self._disk.crash(Luck.any(self._dice))

    def take_copy(self) -> None:
        """A copy of all that a program sees."""
        self.copy = self._disk.clone()

    def restore(self) -> None:
        """The copy takes the place of what is there."""
        assert self.copy is not None
        self._disk = self.copy.clone()

    def stage(self, bundle: Bundle) -> None:
        """What `dskectl psrd import` leaves behind before it asks the daemon: all of it synced."""
        files = self.files(faulty=False)
        state = self.state(files)
        directory = state.staged(bundle.delivery.bundle)
        files.make_directory(directory)
        there = self._disk.directory(directory)
        for uuid, content in bundle.files.items():
            name = block_path(directory, uuid).name
            there.seen[name] = there.durable[name] = DiskFile(bytearray(content), bytearray(content))
        write_delivery(files, directory, bundle.delivery)
        files.sync_directory(state.staging)


class OpenStore:
    """The state as one process holds it. The committer works in events of the world.

    `after` plans something for this process, `post` is the same without delay.
    """

    def __init__(
        self, disk: NodeDisk, after: After, notice: Notice, clock: Callable[[], float], dice: random.Random
    ) -> None:
        self._after = after
        self._clock = clock
        self._dice = dice
        self._round_planned = self._wipe_planned = False
        self._next_wipe = 0.0
        self._files = disk.files()
        self._side = disk.side
        self.failed = False  # a sync has: these pools stay closed in this process
        self._notice = notice
        self.store = NodeStore(disk.state(self._files), self._post, self._say, clock)
        self.store.submit = self._submit
        for pair in self.store.pairs.values():
            for stream in pair.stores.values():
                self._submit(stream)

    def _say(self, level: int, text: str, /, **fields: str) -> None:
        self.failed = self.failed or "stay closed until" in text
        self._notice(level, text, **fields)

    def gate_keys(self) -> dict[str, bytes]:
        """By peer."""
        return {peer: pair.record.terms.gate_key for peer, pair in self.store.pairs.items()}

    def streams(self) -> dict[str, Streams]:
        """By peer."""
        return {peer: pair.streams for peer, pair in self.store.pairs.items()}

    def holds(self, bundle: Bundle) -> bool:
        """True when the bundle was adopted, as far as the records tell."""
        pair = self.store.pairs.get(bundle.delivery.peer(self._side))
        return pair is not None and bundle.delivery.bundle in pair.record.bundles

    def adopt(self, bundle: Bundle, peers: Mapping[str, int]) -> Adopted:
        """Raises RequestError, StorageError."""
        adopted = self.store.adopt(bundle.delivery.bundle, peers)
        self.store.take(adopted)
        self._plan_round()
        return adopted

    def abandon(self) -> None:
        """The process is gone; the system gives back its locks."""
        self._files.end()

    def _post(self, call: Callable[[], None]) -> None:
        self._after(0.0, call)

    def _submit(self, stream: DurableStream) -> None:
        self.store.committer.submit(stream)
        if stream.target > stream.committed:
            self._plan_round()
        else:
            self._plan_wipe()

    def _plan_round(self) -> None:
        if not self._round_planned:
            self._round_planned = True
            slow = self._dice.random() < 0.02
            self._after(
                self._dice.uniform(0.1, 0.6) if slow else self._dice.uniform(0.0002, 0.002), self._round
            )

    def _plan_wipe(self) -> None:
        if not self._wipe_planned:
            self._wipe_planned = True
            self._after(WIPE_INTERVAL_S, self._wipe)

    def _round(self) -> None:
        self._round_planned = False
        committer = self.store.committer
        committer.commit()
        while committer.do_chore():
            pass
        if committer.is_asked:
            self._plan_wipe()

    def _wipe(self) -> None:
        self._wipe_planned = False
        self.store.committer.commit()
        self.store.committer.wipe()
