"""The store of a running node: real files, a real thread, and the event loop."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dsked.errors import ConfigurationError, DskedError, RequestError, StorageError
from dsked.psrd.pair import Streams
from dsked.storage.block_file import HEADER_BYTES
from dsked.storage.files import Files, OpenFile
from dsked.storage.open_blocks import block_path
from dsked.storage.records import Delivery
from dsked.storage.running import RunningStore
from tests.storage.lives import block_bytes
from tests.storage.nodes import Node

PEERS = {"hank": 1, "hilary": 2}
LIMIT_S = 20.0


class Receiver:
    """The node that deliveries are for."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def deliver(self, peer: str, gate_key: bytes, streams: Streams) -> None:
        self.told.append(("deliver", peer))

    def grown(self, peer: str) -> None:
        self.told.append(("grown", peer))


class Run:
    """A running store, its receiver, and deliveries staged beside it as an import does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.receiver = Receiver()
        self.store = RunningStore(path, "client", "carol", PEERS)
        self.store.deliver_to(self.receiver)

    async def adopt(self, bundle: bytes) -> str | DskedError:
        done: asyncio.Future[str | DskedError] = asyncio.get_running_loop().create_future()
        self.store.adopt(bundle, done.set_result)
        return await asyncio.wait_for(done, LIMIT_S)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "client-carol"


@pytest.fixture
def first(path: Path) -> Delivery:
    """A delivery that waits in the staging directory of a state that exists."""
    path.parent.mkdir()
    node = Node(Files(), path)
    node.store.close()
    return node.first(50_000)


def stage(path: Path, delivery: Delivery, tmp_path: Path) -> None:
    """Through another directory, since a running node owns its own."""
    other = Node(Files(), tmp_path / "elsewhere")
    other.stage(delivery)
    other.state.staged(delivery.bundle).rename(path / "staging" / delivery.bundle.hex())
    other.store.close()


@pytest.fixture
async def run(path: Path, first: Delivery, tmp_path: Path) -> AsyncIterator[Run]:
    run = Run(path)
    stage(path, first, tmp_path)
    yield run
    await run.store.close()


async def test_a_delivery_comes_into_the_running_node(run: Run, first: Delivery) -> None:
    assert run.store.streams() == {} and run.store.gate_keys() == {}
    assert await run.adopt(first.bundle) == "hank"
    assert run.receiver.told == [("deliver", "hank")]
    streams = run.store.streams()["hank"]
    assert streams.local.store.read(0, 100) == block_bytes(first.client_blocks[0].uuid, 50_000)[:100]
    assert run.store.gate_keys() == {"hank": first.terms.gate_key}


async def test_a_further_delivery_makes_the_same_streams_longer(
    run: Run, first: Delivery, tmp_path: Path, path: Path
) -> None:
    await run.adopt(first.bundle)
    streams = run.store.streams()["hank"]
    helper = Node(Files(), tmp_path / "helper")
    helper.adopt(first)
    further = helper.further("hank", 9000)
    helper.store.close()
    stage(path, further, tmp_path)
    assert await run.adopt(further.bundle) == "hank"
    assert run.receiver.told == [("deliver", "hank"), ("grown", "hank")]
    assert run.store.streams()["hank"] is streams and streams.peer.store.end == 59_000


async def test_a_refusal_is_answered(run: Run, first: Delivery) -> None:
    answer = await run.adopt(bytes(16))
    assert isinstance(answer, RequestError) and "no delivery is staged there" in str(answer)
    assert await run.adopt(first.bundle) == "hank"
    assert isinstance(await run.adopt(first.bundle), RequestError)


async def test_one_delivery_at_a_time(run: Run, first: Delivery) -> None:
    answers: list[str | DskedError] = []
    one = asyncio.create_task(run.adopt(first.bundle))
    await asyncio.sleep(0)
    run.store.adopt(first.bundle, answers.append)
    assert isinstance(answers[0], RequestError) and "try again" in str(answers[0])
    assert await one == "hank"


async def test_marks_become_durable_without_the_loop_waiting(run: Run, first: Delivery, path: Path) -> None:
    await run.adopt(first.bundle)
    store = run.store.streams()["hank"].local.store
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    store.reserve(500, 500, told.set_result)
    assert not told.done()
    assert await asyncio.wait_for(told, LIMIT_S) == 500
    store.wipe(500)
    await run.store.close()
    content = block_path(path / "blocks", first.client_blocks[0].uuid).read_bytes()
    assert not any(content[HEADER_BYTES : HEADER_BYTES + 500]) and any(content[HEADER_BYTES + 500 :])
    run.store = RunningStore(path, "client", "carol", PEERS)
    assert run.store.streams()["hank"].local.durable == 500


async def test_two_on_one_directory_are_refused(run: Run, path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{path}: is in use by process"):
        RunningStore(path, "client", "carol", PEERS)


_HOLDS = """
import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(fd, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.readline()
"""


async def test_a_node_waits_for_who_is_about_to_give_its_directory_back(
    run: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was killed, for instance, whose files the kernel closes in a moment."""
    await run.store.close()
    with subprocess.Popen(  # noqa: ASYNC220  nothing else runs in this loop
        [sys.executable, "-c", _HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdout.readline()
        asked = 0
        take = Files._lock_at_once

        def lock_at_once(file: OpenFile) -> bool:
            nonlocal asked
            asked += 1
            if asked == 2:
                holder.kill()
                holder.wait()
            return take(file)

        monkeypatch.setattr(Files, "_lock_at_once", staticmethod(lock_at_once))
        run.store = RunningStore(path, "client", "carol", PEERS)
    assert asked > 1


async def test_the_state_of_another_user_is_not_opened(
    path: Path, first: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsked.storage.running.os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigurationError, match="belongs to user "):
        RunningStore(path, "client", "carol", {})


def give(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_a_state_that_everybody_may_write_is_not_opened(path: Path, first: Delivery) -> None:
    give(path, 0o777)
    says = rf"^{path}: everybody may write there \(mode 0777\), .*; expected 0700: .* chmod 0700 {path}$"
    with pytest.raises(ConfigurationError, match=says):
        RunningStore(path, "client", "carol", PEERS)
    give(path, 0o700)
    await RunningStore(path, "client", "carol", PEERS).close()


async def test_an_empty_one_is_closed_to_others(path: Path) -> None:
    give(path, 0o777)
    store = RunningStore(path, "client", "carol", PEERS)
    assert mode_of(path) == 0o700
    await store.close()


async def test_the_base_directory_is_made(path: Path) -> None:
    store = RunningStore(path, "client", "carol", PEERS)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await store.close()


async def test_a_base_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="/file/state: cannot be made: Not a directory"):
        RunningStore(tmp_path / "file" / "state" / "client-carol", "client", "carol", PEERS)
