"""A disk in memory that loses, reorders and tears what was not synced.

    file        the bytes that programs see; the bytes that are surely on the disk; and for every sector of
                512 bytes that was written since the last sync all its versions, any one of which a crash may
                leave behind. The same for the file's length.
    directory   the names that programs see, and those surely on the disk. What was created, renamed and
                removed since stands in one journal, in order; a crash leaves any part of it. A rename is
                one step: the old name never goes before the new one stands.

A sector is written whole or not at all. A sync that fails drops pending writes at random and says so once,
as Linux does; the next one claims success. What programs read after it may still be what was lost.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeVar, cast

SECTOR_BYTES = 512

T = TypeVar("T")


class Luck:
    """What becomes of things that were not synced: of each the newest, the oldest, or any version."""

    def __init__(self, dice: random.Random, newest: float, oldest: float = 0.0) -> None:
        self._dice = dice
        self._newest = newest
        self._oldest = oldest

    @classmethod
    def any(cls, dice: random.Random) -> Luck:
        """One in four keeps everything (the process alone was killed), one in four nothing."""
        newest = dice.random()
        return cls(dice, *dice.choice([(1.0, 0.0), (0.0, 1.0), (newest, 0.0), (0.0, newest)]))

    def pick(self, versions: Sequence[T]) -> T:
        """One of the versions, of which the first is surely on the disk."""
        at = self._dice.random()
        if at < self._newest:
            return versions[-1]
        return versions[0] if at >= 1.0 - self._oldest else self._dice.choice(versions)


def _patch(data: bytearray, sector: int, version: bytes) -> None:
    """Puts a sector in its place, whatever the length of `data` was."""
    start = sector * SECTOR_BYTES
    data.extend(bytes(max(start + SECTOR_BYTES - len(data), 0)))
    data[start : start + SECTOR_BYTES] = version


def _resize(data: bytearray, size: int) -> None:
    del data[size:]
    data.extend(bytes(size - len(data)))


@dataclass(eq=False, slots=True)
class DiskFile:
    """One file, whatever its names."""

    seen: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: dict[int, list[bytes]] = field(default_factory=dict)  # versions of a sector, oldest first
    sizes: list[int] = field(default_factory=list)
    lock: object = None  # what holds it: an open file

    def write(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        if not data:
            return
        end = offset + len(data)
        if end > len(self.seen):
            _resize(self.seen, end)
            self.sizes.append(end)
        self.seen[offset:end] = data
        for sector in range(offset // SECTOR_BYTES, -(-end // SECTOR_BYTES)):
            start = sector * SECTOR_BYTES
            version = bytes(self.seen[start : start + SECTOR_BYTES]).ljust(SECTOR_BYTES, b"\0")
            self.pending.setdefault(sector, []).append(version)

    def grows_by(self, data: bytes | bytearray | memoryview, offset: int) -> int:
        """Bytes by which this write would make the file longer: what a full disk has no room for."""
        return max(offset + len(data) - len(self.seen), 0)

    def sync(self) -> None:
        """What was written since the last sync is on the disk; what an earlier failed one lost is not."""
        size = self.sizes[-1] if self.sizes else len(self.durable)
        for sector, versions in self.pending.items():
            _patch(self.durable, sector, versions[-1])
        self._settle(size)

    def lose(self, luck: Luck) -> None:
        """Of what was not synced any part reaches the disk, and nothing waits any more."""
        size = luck.pick([len(self.durable), *self.sizes])
        for sector, versions in self.pending.items():
            before = bytes(self.durable[sector * SECTOR_BYTES : (sector + 1) * SECTOR_BYTES])
            _patch(self.durable, sector, luck.pick([before.ljust(SECTOR_BYTES, b"\0"), *versions]))
        self._settle(size)

    def _settle(self, size: int) -> None:
        _resize(self.durable, size)
        self.pending.clear()
        self.sizes.clear()

    def fail_to_sync(self, dice: random.Random) -> None:
        """The sync fails; programs go on to see what they wrote, or what the disk holds."""
        self.lose(Luck.any(dice))
        if dice.random() < 0.5:
            self.seen[:] = self.durable

    @property
    def is_synced(self) -> bool:
        """Nothing waits to be written."""
        return not self.pending and not self.sizes

    def clone(self) -> DiskFile:
        """A copy, without its lock."""
        pending = {sector: list(versions) for sector, versions in self.pending.items()}
        return DiskFile(bytearray(self.seen), bytearray(self.durable), pending, list(self.sizes))


@dataclass(eq=False, slots=True)
class DiskDirectory:
    """One directory."""

    seen: dict[str, Node] = field(default_factory=dict)
    durable: dict[str, Node] = field(default_factory=dict)
    lock: object = None  # as of a file

    def clone(self) -> DiskDirectory:
        """A copy that still names the same nodes."""
        return DiskDirectory(dict(self.seen), dict(self.durable))


Node = DiskFile | DiskDirectory


@dataclass(frozen=True, slots=True)
class Change:
    """A name in a directory stands for this node from now on, or for nothing."""

    directory: DiskDirectory
    name: str
    node: Node | None

    def apply(self) -> None:
        if self.node is None:
            self.directory.durable.pop(self.name, None)
        else:
            self.directory.durable[self.name] = self.node

    def concerns(self, other: Change) -> bool:
        """Whether both are about the same name."""
        return self.directory is other.directory and self.name == other.name

    def among(self, copies: Mapping[int, Node]) -> Change:
        """The same change of copied nodes."""
        node = None if self.node is None else copies[id(self.node)]
        return Change(cast(DiskDirectory, copies[id(self.directory)]), self.name, node)


Step = tuple[Change, ...]  # what one call changed; the disk takes a step whole


class Disk:
    """All files and directories. Paths are absolute; the root is there."""

    def __init__(self) -> None:
        self.root = DiskDirectory()
        self._journal: list[Step] = []

    # -- names ---------------------------------------------------------------------------------

    def find(self, path: PurePath) -> Node:
        """Raises FileNotFoundError, NotADirectoryError."""
        node: Node = self.root
        for part in path.parts[1:]:
            if not isinstance(node, DiskDirectory):
                raise NotADirectoryError(20, "Not a directory")
            if part not in node.seen:
                raise FileNotFoundError(2, "No such file or directory")
            node = node.seen[part]
        return node

    def directory(self, path: PurePath) -> DiskDirectory:
        node = self.find(path)
        if not isinstance(node, DiskDirectory):
            raise NotADirectoryError(20, "Not a directory")
        return node

    def file(self, path: PurePath) -> DiskFile:
        node = self.find(path)
        if not isinstance(node, DiskFile):
            raise IsADirectoryError(21, "Is a directory")
        return node

    def link(self, path: PurePath, node: Node) -> None:
        parent = self.directory(path.parent)
        if path.name in parent.seen:
            raise FileExistsError(17, "File exists")
        self._change(Change(parent, path.name, node))

    def unlink(self, path: PurePath) -> None:
        self.file(path)
        self._change(Change(self.directory(path.parent), path.name, None))

    def remove_directory(self, path: PurePath) -> None:
        if self.directory(path).seen:
            raise OSError(39, "Directory not empty")
        self._change(Change(self.directory(path.parent), path.name, None))

    def rename(self, old: PurePath, new: PurePath) -> None:
        node = self.find(old)
        source, target = self.directory(old.parent), self.directory(new.parent)
        there = target.seen.get(new.name)
        if isinstance(there, DiskDirectory) and (there.seen or isinstance(node, DiskFile)):
            raise OSError(39, "Directory not empty")
        if there is not node:
            self._change(Change(target, new.name, node), Change(source, old.name, None))

    def _change(self, *step: Change) -> None:
        for change in step:
            if change.node is None:
                del change.directory.seen[change.name]
            else:
                change.directory.seen[change.name] = change.node
        self._journal.append(step)

    # -- what becomes durable ------------------------------------------------------------------

    def sync_directory(self, directory: DiskDirectory) -> None:
        """All names in it are as they are seen; names in others that had to change first, too."""
        waiting: list[Step] = []
        for step in self._journal:
            here = tuple(change for change in step if change.directory is directory)
            if all(change.node is None for change in here):
                here = step if here else ()
            for change in here:
                change.apply()
            # An older change of a name must not come after this one.
            waiting = [_without(older, here) for older in waiting] + [_without(step, here)]
        self._journal = [step for step in waiting if step]

    def fail_to_sync_directory(self, directory: DiskDirectory, dice: random.Random) -> None:
        """Programs still see all its names; a part of what was pending never reaches the disk."""
        luck = Luck.any(dice)
        concerned = [step for step in self._journal if any(change.directory is directory for change in step)]
        self._journal = [step for step in self._journal if step not in concerned]
        _apply_some(concerned, luck)

    @property
    def is_synced(self) -> bool:
        """A crash now would lose nothing."""
        return not self._journal and all(file.is_synced for _, file in self.files())

    def crash(self, luck: Luck) -> Disk:
        """The disk as the next start finds it. This one stays as it is."""
        disk = self.clone()
        for node in disk._nodes():
            if isinstance(node, DiskFile):
                node.lose(luck)
        _apply_some(disk._journal, luck)
        disk._journal.clear()
        for node in disk._nodes():
            if isinstance(node, DiskFile):
                node.seen = bytearray(node.durable)
            else:
                node.seen = dict(node.durable)
        return disk

    # -- the whole -----------------------------------------------------------------------------

    def files(self, *, durable: bool = False) -> Iterator[tuple[str, DiskFile]]:
        """(path, file) of all that have a name; as programs see it, or as surely on the disk."""
        waiting: list[tuple[str, DiskDirectory]] = [("", self.root)]
        while waiting:
            path, directory = waiting.pop()
            for name, node in (directory.durable if durable else directory.seen).items():
                if isinstance(node, DiskFile):
                    yield f"{path}/{name}", node
                else:
                    waiting.append((f"{path}/{name}", node))

    def _nodes(self) -> list[Node]:
        """All files and directories that have a name, or may have one again after a crash."""
        found: dict[int, Node] = {}
        waiting: list[Node] = [self.root]
        for change in itertools.chain.from_iterable(self._journal):
            waiting += [change.directory] if change.node is None else [change.directory, change.node]
        while waiting:
            node = waiting.pop()
            if id(node) not in found and isinstance(node, DiskDirectory):
                waiting += [*node.durable.values(), *node.seen.values()]
            found[id(node)] = node
        return list(found.values())

    def clone(self) -> Disk:
        """A copy of everything, without locks."""
        copies = {id(node): node.clone() for node in self._nodes()}
        for copy in copies.values():
            if isinstance(copy, DiskDirectory):
                copy.seen = {name: copies[id(child)] for name, child in copy.seen.items()}
                copy.durable = {name: copies[id(child)] for name, child in copy.durable.items()}
        disk = Disk()
        disk.root = cast(DiskDirectory, copies[id(self.root)])
        disk._journal = [tuple(change.among(copies) for change in step) for step in self._journal]
        return disk


def _without(step: Step, done: Step) -> Step:
    return tuple(change for change in step if not any(map(change.concerns, done)))


def _apply_some(steps: list[Step], luck: Luck) -> None:
    for step in steps:
        if luck.pick([False, True]):
            for change in step:
                change.apply()
