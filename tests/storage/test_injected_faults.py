"""Real daemons whose calls of the system fail or are their last, by strace(1), or whose disk is full.

A recorder at the wire notes every position that is used (scripts/torturing). Without strace the tests fail:
`make test` installs it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from dsked.errors import ExitStatus
from scripts.laboratory import Laboratory, free_ports
from scripts.provision import deliver
from scripts.torturing.media_world import PAIRS, MediaWorld
from scripts.torturing.world import PORTS
from tests.system.support import assert_no_fault, key_pair, small, wait_for_hubs

LIMIT_S = 60.0
VICTIM = "carol"


class Faults(MediaWorld):
    """A world in calm weather, in which one node's calls fail."""

    def __init__(self, seed: str) -> None:
        super().__init__(seed, free_ports(PORTS), deliver)
        self.weather.calm = True

    async def wound(self, name: str, call: str, fault: str, when: str, *paths: Path) -> None:
        """Start a node anew: these calls, on these paths or on all, meet the fault. Waits for nothing."""
        node = self.nodes[name]
        assert shutil.which("strace"), "strace is missing: `make test` installs it"
        await self.kill(name)
        if "error" in fault:
            self.excuse(
                name
            )  # an attempt whose mark cannot be durable passes over 48 bytes, unseen at the wire
        limited = [word for path in paths for word in ("-P", str(path))]
        node.wrapper = [
            "strace", "-D", "-f", "-qq", "-o", str(self.root / "strace"), *limited,
            "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={when}",
        ]  # fmt: skip
        await self.launch(name)
        if node.role == "hub":
            self.gateways[name].set_ports(self.hub_port(name))

    async def top_up(self) -> None:
        """More for pools that run low: every start of a hub costs all its clients something."""
        for pair in self.low():
            await self.deliver(pair)

    async def heal(self, name: str) -> None:
        """Start it anew, without faults; keys flow again."""
        await self.kill(name)
        self.nodes[name].wrapper = []
        since = len(self.recorder.dialled)
        await self.start(name)
        await self.flows(name, since=since)
        self.check()

    async def deaths(self, name: str) -> None:
        """Wait until a node has been killed."""
        assert await self.nodes[name].exit_status() == -9, self.nodes[name].log_tail()

    async def log_tells(self, name: str, text: str) -> None:
        async with asyncio.timeout(LIMIT_S):
            while text not in "\n".join(self.nodes[name].log_lines()):
                self.check()
                await asyncio.sleep(0.05)

    def blocks(self, name: str) -> list[Path]:
        return list((self.nodes[name].place.state / "blocks").iterdir())


@asynccontextmanager
async def world(seed: str) -> AsyncIterator[Faults]:
    """Everything runs and keys flow; in the end nothing was used twice."""
    one = Faults(seed)
    try:
        await one.begin()
        yield one
        one.check()
        assert sum(one.load.pairs.values()) > 0
    finally:
        await one.close()
        shutil.rmtree(one.root)


#: What a node under load calls, and where.
KILLS = [("pwrite64", "marks"), ("fdatasync", "marks"), ("pwrite64", "blocks"), ("openat", "blocks")]


async def kill_at(one: Faults, name: str, call: str, where: str, when: int) -> None:
    """A node is killed at this call of its; then it goes on."""
    paths = [one.nodes[name].place.state / "marks"] if where == "marks" else one.blocks(name)
    await one.wound(name, call, "signal=KILL", str(when), *paths)
    await one.deaths(name)
    await one.heal(name)


async def test_killed_at_a_call() -> None:
    async with world("kill at a call") as one:
        for number, (call, where) in enumerate(KILLS[:2]):
            await kill_at(one, (VICTIM, "hank")[number % 2], call, where, 1 + 2 * number)


#: What a delivery calls: at a hub that prepares one, and at a client.
DELIVERY_CALLS = ["rename", "fsync", "unlink", "rmdir"]


async def kill_at_delivery(one: Faults, name: str, call: str, when: int) -> bool:
    """A node is killed at this call while a bundle is brought, which the operator then tries again.

    False if the node was not killed: a delivery has not so many of these calls.
    """
    state = one.nodes[name].place.state
    places = [state, *(state / part for part in ("pairs", "blocks", "uuids", "marks", "staging"))]
    await one.wound(name, call, "signal=KILL", str(when), *(places if call == "fsync" else ()))
    await one.nodes[name].opened()
    pair = next(pair for pair in PAIRS if name in pair)
    await one.deliver(pair)
    killed = one.nodes[name].has_ended
    await one.heal(name)
    return killed


@pytest.mark.full
async def test_killed_while_a_delivery_is_taken_over() -> None:
    async with world("kill at a delivery") as one:
        assert await kill_at_delivery(one, VICTIM, "rename", 3)


@pytest.mark.full
@pytest.mark.parametrize("name", [VICTIM, "hank"])
@pytest.mark.parametrize(("call", "where"), KILLS)
async def test_killed_at_each_of_the_first_calls(name: str, call: str, where: str) -> None:
    async with world(f"kill at {call} {name}") as one:
        for when in (1, 2, 3, 5, 8):  # of one thread; a hub opens its four blocks twice
            await kill_at(one, name, call, where, when)
            await one.top_up()


@pytest.mark.full
@pytest.mark.parametrize("name", [VICTIM, "hank"])
@pytest.mark.parametrize("call", DELIVERY_CALLS)
async def test_killed_at_each_call_of_a_delivery(name: str, call: str) -> None:
    async with world(f"kill at each {call} {name}") as one:
        when = 1
        while await kill_at_delivery(one, name, call, when):
            when += 1
            await one.top_up()
        assert when > 1


async def test_a_failed_sync_is_for_good_and_a_full_disk_is_asked_again() -> None:
    async with world("errors") as one:
        marks = one.nodes[VICTIM].place.state / "marks"
        await one.wound(VICTIM, "fdatasync", "error=EIO", "2", marks)
        await one.log_tells(
            VICTIM, "marks: cannot be synced: Input/output error; these pools stay closed until"
        )
        await one.heal(VICTIM)
        since = len(one.recorder.dialled)
        await one.wound(VICTIM, "pwrite64", "error=ENOSPC", "2..6", marks)
        await one.log_tells(VICTIM, "marks: cannot be written: No space left on device; it is tried again")
        await one.flows(VICTIM, since=since)  # by itself
        await one.heal(VICTIM)


# -- a disk that is full ------------------------------------------------------------------------------


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[None]:
    """A file system of its own; skips where this process may not mount one."""
    path.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"only who may mount a file system can fill one: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(path: Path) -> None:
    """Leaves no byte free."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


MIB = 1024 * 1024


def test_a_node_on_a_full_disk_goes_on_and_takes_nothing_until_there_is_space(tmp_path: Path) -> None:
    lab = Laboratory({**small(["hank", "hilary"], 2), "psrd": "media"}, media_bytes=MIB)
    state = tmp_path / "small disk"
    (lab.path / "client-carol").symlink_to(state)
    with small_disk(state, 10 * MIB), lab:
        wait_for_hubs(lab, "carol", "curtis")
        key_pair(lab)
        fill(state / "filler")
        for _ in range(30):  # marks stand in their place already
            key_pair(lab, number=16)
        bundle = lab.path / "bundle"
        lab.dskectl(
            "psrd", "generate", "--hub", "hank", "--client", "carol", "--size", "1M", "--out", str(bundle)
        )
        refused = lab.run("psrd", "import", "--client", "carol", str(bundle))
        assert refused.returncode == ExitStatus.FAILURE
        assert refused.stderr.endswith(" are needed on its file system, 0 bytes are free\n")
        key_pair(lab)
        (state / "filler").unlink()
        lab.dskectl("psrd", "import", "--client", "carol", str(bundle))
        key_pair(lab)
        assert os.listdir(state / "staging") == []  # noqa: PTH208
        lab.stop()
        for _, name in lab.nodes():
            assert_no_fault(lab.log(name), name)
