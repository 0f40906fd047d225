"""The files of proto/vectors, and a store that holds just the pool bytes that a vector gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from dsked.psrd.pair import Streams
from dsked.psrd.store import BlockInfo

PROJECT = Path(__file__).resolve().parents[2]
PROTO = PROJECT / "proto"
VECTORS = PROTO / "vectors"


@cache
def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="ascii"))
    assert (document["protocol"], document["version"]) == ("DSKE", 1)
    return document


def cases(name: str, key: str) -> Any:
    """Arguments of pytest.mark.parametrize: every case of a file, named."""
    found = load(name)[key]
    return {"argvalues": found, "ids": [case["name"] for case in found]}


def octets(value: Any) -> Any:
    """Fields of a vector as Python values: {"hex": ...} is bytes, {"map": ...} a dict."""
    if isinstance(value, dict):
        if "hex" in value:
            return bytes.fromhex(value["hex"])
        return {octets(key): octets(item) for key, item in value["map"]}
    return [octets(item) for item in value] if isinstance(value, list) else value


def remember_proofs(streams: Streams, own: dict[str, Any], peers: dict[str, Any]) -> None:
    """The hash keys of the last proofs, as the states of both sides tell them."""
    if own["previous_hash_key"] is not None:
        streams.local.proofs.add(0, bytes(32) + bytes.fromhex(own["previous_hash_key"]))
    if peers["previous_hash_key"] is not None:
        streams.peer.proved = bytes.fromhex(peers["previous_hash_key"])


class GivenStream:
    """A StreamStore that knows `data` from `start` on, and ends at `end`."""

    nr_blocks = 1

    def __init__(self, start: int, data: bytes, end: int) -> None:
        self.changed: Callable[[], None] = list  # nobody waits
        self._start, self._data, self.end = start, data, end
        self.wiped_to = 0

    def read(self, position: int, length: int) -> bytes:
        assert position >= self.wiped_to, "bytes are read that were wiped"
        offset = position - self._start
        assert 0 <= offset <= offset + length <= len(self._data), (
            "bytes are read that the vector does not give"
        )
        return self._data[offset : offset + length]

    def wipe(self, up_to: int) -> None:
        self.wiped_to = up_to

    def blocks(self) -> Iterator[BlockInfo]:
        return iter(())

    def reserve(self, mark: int, at_most: int, durable: Callable[[int], None]) -> None:
        durable(mark)

    def check(self) -> None:
        pass
