"""The limits that a topology file sets: checked, and put together for every node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsked import chosen_limits
from dsked.chosen_limits import Value
from dsked.config import schema, shapes
from dsked.config.document import Document, Place


def of_nodes(source: Document, entry: schema.FileEntry) -> Mapping[str, Mapping[str, Value]]:
    """By node name: what stands at the top and is for the node's role, and the node's own before that.

    Raises ConfigurationError with the place.
    """
    of_file = _checked(source, ("limits",), entry.limits, None)
    found: dict[str, Mapping[str, Value]] = {}
    nodes: list[tuple[str, str, Sequence[schema.HubEntry | schema.ClientEntry]]] = [
        ("hubs", chosen_limits.HUB, entry.hubs),
        ("clients", chosen_limits.CLIENT, entry.clients),
    ]
    for key, role, listed in nodes:
        names = chosen_limits.names(role)
        of_all = {name: value for name, value in of_file.items() if name in names}
        for index, node in enumerate(listed):
            found[node.name] = {**of_all, **_checked(source, (key, index, "limits"), node.limits, role)}
    return found


def _checked(
    source: Document, place: Place, values: Mapping[str, object], role: str | None
) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise source.error((*place, name), f"expected a number, got {shapes.word_of(value)}")
        fault = chosen_limits.fault(name, value, role)
        if fault:
            raise source.error((*place, name), fault)
        found[name] = value
    return found
