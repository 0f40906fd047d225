"""The other side, as its `dskectl status --json` printed it: one node, or all nodes of its file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dsked.doctor import pools
from dsked.doctor.finding import Finding, warning
from dsked.errors import ConfigurationError

Answer = Mapping[str, Any]
_EXPECTED = "expected what dskectl status --json prints, of one node or of all"


class OtherSide(NamedTuple):
    """What a file holds. `silent`: role and name of those that gave no status when it was written."""

    path: Path
    answers: tuple[Answer, ...]
    silent: tuple[tuple[str, str], ...]

    @property
    def nodes(self) -> list[tuple[str, str]]:
        """Role and name of all."""
        return [*((answer["role"], answer["name"]) for answer in self.answers), *self.silent]


def read(path: Path) -> OtherSide:
    """What was printed elsewhere. Raises ConfigurationError."""
    try:
        printed = json.loads(path.read_bytes())
        if not isinstance(printed, dict) or "nodes" not in printed:
            return OtherSide(path, (pools.from_status(printed),), ())
        answered = [_of_node(one) for one in printed["nodes"] if "status" in one]
        silent = [(str(one["role"]), str(one["name"])) for one in printed["nodes"] if "status" not in one]
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}; {_EXPECTED}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ConfigurationError(f"{path}: {_EXPECTED}") from None
    return OtherSide(path, tuple(answered), tuple(silent))


def _of_node(one: Answer) -> Answer:
    return pools.from_status(one["status"])


def apart_from(here: Sequence[Answer], others: Sequence[OtherSide]) -> list[Answer]:
    """The statuses of nodes that were not asked here: what these say now goes before what they once said."""
    known = {(answer["role"], answer["name"]) for answer in here}
    everything = [answer for other in others for answer in other.answers]
    return [answer for answer in everything if (answer["role"], answer["name"]) not in known]


def check(here: Sequence[Answer], others: Sequence[OtherSide]) -> Iterator[Finding]:
    """Files in which nothing stands of whom the nodes here share pools with, or not all of it."""
    wanted = set(pools.other_ends(here))
    for other in others:
        missing = [node for node in other.silent if node in wanted]
        if not wanted.intersection(other.nodes):
            text = f"holds {_listed(other.nodes)}: no node that was asked here shares pools with these"
            yield warning(pools.POSITIONS, str(other.path), text)
        elif missing:
            text = f"holds no status of {_listed(missing)}: did not answer when it was written"
            yield warning(pools.POSITIONS, str(other.path), text)


def _listed(nodes: Sequence[tuple[str, str]], most: int = 20) -> str:
    more = f" and {len(nodes) - most} more" if len(nodes) > most else ""
    return (", ".join(f"{role} {name}" for role, name in nodes[:most]) or "no node") + more
