"""A topology in which carol stores keys for sam and sunny, and what the tests of it ask again and again."""

from __future__ import annotations

from typing import Any

from dsked.client.stored_place import StoredPair
from dsked.keys import Key
from dsked.limits import STORED_KEY_LIFE

from .world import World

PAIR = StoredPair("sam", "sunny", 4, 32)
TIMEOUT_S = 60.0
LIFE_S = STORED_KEY_LIFE * TIMEOUT_S


def world(*pairs: StoredPair, kind: type[World] = World, wait: int = 0, **options: Any) -> Any:
    """A started topology in which carol stores keys, and has stored all, or `wait` of them."""
    made = kind(stored={"carol": pairs or (PAIR,)}, **options).start()
    made.run_until(lambda: stored(made) == (wait or sum(pair.count for pair in pairs or (PAIR,))))
    return made


def stored(w: World, initiator: str = "sam", responder: str = "sunny") -> int:
    return w.clients["carol"].stored_keys(initiator, responder, w.now)[0]


def at_once(w: World, number: int = 1, size_bits: int = 256) -> list[Key]:
    """Keys that are there before anything else happens."""
    [keys] = w.ask_keys("carol", "sam", ["sunny"], number, size_bits)
    assert isinstance(keys, list)
    return keys


def report(w: World) -> dict[str, Any]:
    [place] = w.clients["carol"].status(w.now)["stored_keys"]
    return dict(place)


def fetched(w: World, keys: list[Key]) -> bool:
    return w.get_by_id("curtis", "sunny", "sam", keys) == keys


def restart(w: World, *hubs: str) -> None:
    """New processes of hubs, with which carol and curtis have sessions again."""
    for hub in hubs:
        w.stop_hub(hub)
        w.start_hub(hub)
    w.start()
