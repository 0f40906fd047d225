"""All that an object holds, however deep, as something that can be compared: what changed, by its path."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

_LEAVES = (int, float, str, bytes, bool, type(None), enum.Enum)
Snapshot = dict[str, object]


def snapshot(thing: object) -> Snapshot:
    """Path to value of all leaves below `thing`. Functions and methods are no state."""
    found: Snapshot = {}
    seen: dict[int, str] = {}
    waiting: deque[tuple[str, object]] = deque([("", thing)])
    while waiting:
        path, value = waiting.popleft()
        if isinstance(value, _LEAVES):
            found[path] = value
        elif isinstance(value, (bytearray, memoryview)):
            found[path] = bytes(value)
        elif isinstance(value, Iterator):
            found[path] = repr(value)
        elif callable(value):
            continue
        elif id(value) in seen:
            found[path] = f"the same as {seen[id(value)]}"
        else:
            seen[id(value)] = path
            found[path] = type(value).__name__
            waiting.extend((f"{path}{name}", inner) for name, inner in _inside(value))
    return found


def _inside(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for place, (key, inner) in enumerate(value.items()):
            name = repr(key) if isinstance(key, _LEAVES) else f"#{place}"
            yield f"[{name}]", inner
            if not isinstance(key, _LEAVES):
                yield f"[key {name}]", key
    elif isinstance(value, Set):
        yield from ((f"{{{place}}}", inner) for place, inner in enumerate(sorted(value, key=repr)))
    elif isinstance(value, Iterable):
        yield from ((f"[{place}]", inner) for place, inner in enumerate(value))
    for name in _fields(value):
        yield f".{name}", getattr(value, name)


def _fields(value: Any) -> list[str]:
    slots = (getattr(kind, "__slots__", ()) for kind in type(value).__mro__)
    names = [name for of_kind in slots for name in ((of_kind,) if isinstance(of_kind, str) else of_kind)]
    names += [*getattr(value, "__dict__", {}), *getattr(value, "__struct_fields__", ())]
    return [name for name in dict.fromkeys(names) if not name.startswith("__") and hasattr(value, name)]


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    """The paths at which two snapshots differ."""
    return [path for path in {**before, **after} if before.get(path) != after.get(path)]
