"""A topology of pure engines whose every key, share, pad and gate key is a canary."""

from __future__ import annotations

import gc
import pickle
import types
from collections.abc import Iterator
from typing import Any

import pytest

from dsked.client import initiator
from dsked.limits import KEY_ID_BYTES
from dsked.psrd.store import MemoryStream
from dsked.sharing import dealing
from dsked.sharing.shares import HubColumns, code_bytes, cut
from dsked.sharing.terms import Terms, responder_clients

from ..engines.world import World
from .canaries import Canaries

_NOT_ENTERED = (types.ModuleType, type, types.CodeType, types.FrameType, Canaries)


class Watch:
    """Takes note of every secret that comes into being."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.canaries = Canaries()
        append, watch = MemoryStream.append, self

        def appended(stream: MemoryStream, uuid: bytes, data: bytes) -> Any:
            watch.canaries.add(f"block {uuid.hex()}", data)
            return append(stream, uuid, data)

        def dealt(key_ids: bytes, keys: bytes, terms: Terms, xs: Any, random: Any) -> Any:
            columns = dealing.deal_columns(key_ids, keys, terms, xs, random)
            ids = [key_id.hex() for key_id in cut(key_ids, KEY_ID_BYTES)]
            for key_id, key in zip(ids, cut(keys, terms.key_bytes), strict=True):
                watch.canaries.add(f"key {key_id}", key)
            for x, of_hub in zip(xs, columns, strict=True):
                watch._dealt_to(x, ids, of_hub, terms)
            return columns

        monkeypatch.setattr(MemoryStream, "append", appended)
        monkeypatch.setattr(initiator, "deal_columns", dealt)

    def _dealt_to(self, x: int, ids: list[str], of_hub: HubColumns, terms: Terms) -> None:
        for key_id, share in zip(ids, cut(of_hub.shares, terms.key_bytes), strict=True):
            self.canaries.add(f"share {x} of {key_id}", share)
        clients = len(responder_clients(terms))
        for number, code in enumerate(cut(of_hub.codes, code_bytes(terms))):
            self.canaries.add(f"code {x} of {ids[number // clients]}", code)

    def gate_keys(self, world: World) -> None:
        """Gate keys are secrets as well."""
        for hub in world.hubs.values():
            for pair in hub.pairs.values():
                self.canaries.add(f"gate key of {pair.client} and {pair.hub}", pair.gate_key)


def reachable(roots: list[object]) -> Iterator[object]:
    """Everything that the engines hold, directly or not."""
    seen: set[int] = set()
    todo = list(roots)
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, _NOT_ENTERED):
            continue
        seen.add(id(thing))
        yield thing
        if isinstance(thing, types.FunctionType):
            todo.extend(thing.__closure__ or ())
        else:
            todo.extend(gc.get_referents(thing))


def is_ours(thing: object) -> bool:
    """Whether its class is of the product."""
    return type(thing).__module__.split(".")[0] == "dsked"


def texts(thing: object) -> Iterator[tuple[str, str]]:
    """Every text that a thing has of itself."""
    name = type(thing).__qualname__
    yield f"repr of {name}", repr(thing)
    yield f"str of {name}", str(thing)
    yield f"format of {name}", f"{thing}"


def pickled(thing: object) -> bytes:
    """What pickling tells; nothing where it is refused."""
    try:
        return pickle.dumps(thing)
    except Exception:
        return b""
