"""The load generator notices what is wrong: other values, refusals, a node that goes away."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
from load import ControlConnection, Load

from dsked.delivery.control_protocol import FrameBuffer, Op, encode_frame

Answer = Callable[[int, list[Any]], list[Any] | None]


class Node(asyncio.Protocol):
    """A client's control socket, as `answer(op, args)` has it: [code, result], or None to hang up."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._frames = FrameBuffer()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            op, request_id, args = msgpack.unpackb(frame)
            reply = self._answer(op, args)
            if reply is None:
                self._transport.abort()
                return
            self._transport.write(encode_frame([request_id, *reply]))


class Pair:
    """Two nodes that hold the same keys; `known` are those that were established."""

    def __init__(self) -> None:
        self.known: dict[bytes, bytes] = {}
        self._ids = itertools.count()

    def get_keys(self, op: int, args: list[Any]) -> list[Any] | None:
        _, number, bits, _ = args
        ids = [next(self._ids).to_bytes(16, "big") for _ in range(number)]
        self.known.update({key_id: key_id[-1:] * (bits // 8) for key_id in ids})
        return [0, [[key_id, self.known[key_id]] for key_id in ids]]

    def by_id(self, op: int, args: list[Any]) -> list[Any] | None:
        assert op == Op.GET_KEYS_BY_ID
        return [0, [[key_id, self.known.pop(key_id)] for key_id in args[1]]]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A place whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="dsked-") as path:
        yield Path(path)


@asynccontextmanager
async def loaded(directory: Path, *answers: Answer, number: int = 2) -> AsyncIterator[Load]:
    """A load on two nodes that answer like this."""
    loop = asyncio.get_running_loop()
    paths = [directory / name for name in ("carol", "curtis")]
    servers = [
        await loop.create_unix_server(lambda answer=answer: Node(answer), str(path))  # type: ignore[misc]
        for path, answer in zip(paths, answers, strict=True)
    ]
    ends = [await ControlConnection.open(path) for path in paths]
    try:
        yield Load(ends[0], ends[1], number, 128)
    finally:
        for end in ends:
            end.transport.close()
        for server in servers:
            server.close()


async def test_pairs_are_counted_and_both_halves_timed(directory: Path) -> None:
    pair = Pair()
    async with loaded(directory, pair.get_keys, pair.by_id) as load:
        await load.run(3, float("inf"), requests=10)
    assert (load.pairs, load.refused, pair.known) == (20, 0, {})
    assert len(load.get_key_s) == len(load.by_id_s) == 10


async def test_a_run_ends_when_its_time_is_up(directory: Path) -> None:
    pair = Pair()
    async with loaded(directory, pair.get_keys, pair.by_id) as load:
        assert await load.run(3, 0.05) >= 0.05
    assert load.pairs


async def test_a_run_whose_time_is_up_before_it_begins_has_a_request_of_every_worker(directory: Path) -> None:
    pair = Pair()
    async with loaded(directory, pair.get_keys, pair.by_id) as load:
        await load.run(3, 0.0)
    assert (load.pairs, load.refused) == (3 * load.number, 0)


async def test_another_value_at_the_other_end_is_noticed(directory: Path) -> None:
    pair = Pair()

    def other(op: int, args: list[Any]) -> list[Any] | None:
        return [0, [[key_id, bytes(15) + b"?"] for key_id in args[1]]]

    async with loaded(directory, pair.get_keys, other) as load:
        with pytest.raises(RuntimeError, match="different values"):
            await load.run(1, float("inf"), requests=10)
    assert load.pairs == 0


async def test_another_id_at_the_other_end_is_noticed(directory: Path) -> None:
    pair = Pair()

    def other(op: int, args: list[Any]) -> list[Any] | None:
        return [0, [[bytes(16), pair.known[key_id]] for key_id in reversed(args[1])]]

    async with loaded(directory, pair.get_keys, other) as load:
        with pytest.raises(RuntimeError, match="different values"):
            await load.run(1, float("inf"), requests=10)


async def test_too_few_keys_are_noticed(directory: Path) -> None:
    pair = Pair()

    def too_few(op: int, args: list[Any]) -> list[Any] | None:
        return pair.get_keys(op, [args[0], 1, *args[2:]])

    async with loaded(directory, too_few, pair.by_id) as load:
        with pytest.raises(RuntimeError, match="1 keys came, 2 were asked for"):
            await load.run(1, float("inf"), requests=10)


async def test_refusals_are_counted_and_the_run_goes_on(directory: Path) -> None:
    pair, calls = Pair(), itertools.count()

    def every_other(op: int, args: list[Any]) -> list[Any] | None:
        return pair.get_keys(op, args) if next(calls) % 2 else [33, "too few hubs"]

    async with loaded(directory, every_other, pair.by_id) as load:
        await load.run(1, float("inf"), requests=10)
    assert (load.pairs, load.refused, load.refusal) == (10, 5, "too few hubs")


async def test_a_node_that_goes_away_ends_the_run(directory: Path) -> None:
    async with loaded(directory, lambda op, args: None, Pair().by_id) as load:
        with pytest.raises(RuntimeError, match="closed the connection"):
            await load.run(2, float("inf"))


async def test_a_request_of_its_own_gets_its_result_or_the_refusal(directory: Path) -> None:
    pair = Pair()
    async with loaded(directory, pair.get_keys, lambda op, args: [20, "no such key"]) as load:
        keys = await load.carol.request(Op.GET_KEYS, [["sunny"], 1, 64, "sam"])
        assert [[key_id, pair.known[key_id]] for key_id, _ in keys] == keys
        with pytest.raises(RuntimeError, match="20: no such key"):
            await load.curtis.request(Op.GET_KEYS_BY_ID, ["sam", [bytes(16)], "sunny"])
