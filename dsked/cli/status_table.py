"""Status as tables for people: hubs, clients, the pools between them with bars, keys, errors.

Loads rich: only for who looks at it. What nodes say is shown as text, and never as markup or as control
characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dsked.cli.cells import Signs, number, part_of, table, text
from dsked.cli.status_nodes import NodeState
from dsked.cli.status_pools import pools_table
from dsked.errors import NONSENSE, DskedError, FrameError


class Rates(NamedTuple):
    """Of one node, per second."""

    first: float  # keys established; of a hub, shares stored
    second: float  # keys handed out by ID


def page(
    title: str, states: Sequence[NodeState], signs: Signs, rates: Mapping[str, Rates] | None = None
) -> Group:
    """All tables. `title`: the topology's; `rates`: by `role name`, in place of counts since the start."""
    states = [_understood(state, signs, rates) for state in states]
    return Group(*_parts(title, states, signs, rates))


def _understood(state: NodeState, signs: Signs, rates: Mapping[str, Rates] | None) -> NodeState:
    """The state, or an error in its place: one node's nonsense does not keep the others from being seen."""
    try:
        tuple(_parts("", [state], signs, rates))
    except NONSENSE:
        return state._replace(answer=FrameError(f"the status of {state.role} {state.name} is not understood"))
    return state


def _parts(
    title: str, states: Sequence[NodeState], signs: Signs, rates: Mapping[str, Rates] | None
) -> Iterator[RenderableType]:
    hubs = [state for state in states if state.role == "hub"]
    clients = [state for state in states if state.role == "client"]
    yield _heading(title, states)
    if hubs:
        yield _hubs_table(hubs, signs, rates)
    if clients:
        yield _clients_table(clients, signs, rates)
    yield from _stored_table(clients)
    # A client sees the pools of all its hubs; those of a hub tell the same from the other side.
    yield from pools_table(clients or hubs, signs)
    yield from _troubles(states)


def _heading(title: str, states: Sequence[NodeState]) -> Text:
    if len(states) == 1 and not isinstance(states[0].answer, DskedError):
        answer = states[0].answer
        place = f"{answer['role']} {answer['name']}, process {answer['pid']}, dsked {answer['version']}"
        return text(place, "bold")
    running = sum(not isinstance(state.answer, DskedError) for state in states)
    ready = sum(_is_ready(state) for state in states)
    draining = Counter(filter(None, map(_drains, states)))
    style = "green" if ready - draining.total() == len(states) else "yellow" if ready else "red"
    counts = f": {len(states)} nodes, {running} running, {ready} ready"
    counts += "".join(f", {count} {word}" for word, count in sorted(draining.items()))
    return text(title, "bold").append(counts, style=style)


# --- nodes ---


def _hubs_table(states: list[NodeState], signs: Signs, rates: Mapping[str, Rates] | None) -> Table:
    counts = ("held", "stored" if rates is None else "stored/s", "refused", "expired")
    port = _port_column(states, rates)
    columns = ("hub", *port, "state", "clients", *counts)
    shown = table("Hubs, and shares of keys", *columns, right=(*port, *counts))
    for state in states:
        cells = _place(state, signs, with_port=bool(port))
        if not isinstance(state.answer, DskedError):
            own = state.answer["status"]
            shares = own.get("shares", {})
            stored = (
                number(shares.get("nr_stored")) if rates is None else _per_s(_rates_of(state, rates).first)
            )
            cells += [
                part_of(own.get("nr_registered"), own.get("nr_peer_clients")),
                number(shares.get("nr_pending")),
                stored,
                number(shares.get("nr_refused"), "yellow"),
                number(shares.get("nr_expired"), "yellow"),
            ]
        shown.add_row(*cells)
    return shown


def _clients_table(states: list[NodeState], signs: Signs, rates: Mapping[str, Rates] | None) -> Table:
    counts = ("made", "given") if rates is None else ("made/s", "given/s")
    port = _port_column(states, rates)
    columns = ("client", *port, "state", "hubs (needed)", "encryptors", *counts, "errors")
    shown = table("Clients, and keys", *columns, right=(*port, *counts))
    for state in states:
        cells = _place(state, signs, with_port=bool(port))
        if not isinstance(state.answer, DskedError):
            own = state.answer["status"]
            halves = [own.get("keys", {}).get(half, {}) for half in ("initiator", "responder")]
            cells += [_hubs_of(own), text(", ".join(own.get("encryptor_names", [])))]
            if rates is None:
                cells += [number(half.get("nr_keys")) for half in halves]
            else:
                cells += map(_per_s, _rates_of(state, rates))
            cells.append(_errors(halves))
        shown.add_row(*cells)
    return shown


def _rates_of(state: NodeState, rates: Mapping[str, Rates]) -> Rates:
    return rates.get(f"{state.role} {state.name}", Rates(0.0, 0.0))


def _per_s(rate: float) -> Text:
    return Text(f"{rate:,.1f}")


def _is_ready(state: NodeState) -> bool:
    return not isinstance(state.answer, DskedError) and bool(state.answer["ready"])


def _drains(state: NodeState) -> str:
    """What of a hub that takes no new shares: some are left, or none. Empty: it takes them."""
    if isinstance(state.answer, DskedError) or not state.answer["status"].get("draining"):
        return ""
    return "draining" if state.answer["status"].get("shares", {}).get("nr_pending") else "drained"


def _state(state: NodeState, signs: Signs) -> Text:
    if not state.running:
        return Text(f"{signs.ill} not running", style="red")
    if isinstance(state.answer, DskedError):
        return Text(f"{signs.ill} no answer", style="red")
    if _drains(state):
        return Text(f"{signs.ill} {_drains(state)}", style="yellow")
    if state.answer["ready"]:
        return Text(f"{signs.well} ready", style="green")
    return Text(f"{signs.ill} not ready", style="yellow")


def _hubs_of(own: dict[str, Any]) -> Text:
    """How many hubs a client is registered with, of how many, and how many it needs."""
    hubs = own.get("peer_hubs", [])
    registered, needed = sum(bool(hub.get("registered")) for hub in hubs), own.get("min_nr_shares", 0)
    style = "green" if registered == len(hubs) else "yellow" if registered >= needed else "red"
    return text(f"{registered} of {len(hubs)} ({needed})", style)


def _place(state: NodeState, signs: Signs, *, with_port: bool) -> list[Text]:
    """The first cells of a node's row."""
    return [text(state.name), *([text(state.port or "")] if with_port else []), _state(state, signs)]


def _port_column(states: Sequence[NodeState], rates: Mapping[str, Rates] | None) -> tuple[str, ...]:
    """Only a topology tells ports; a live view has no place for them."""
    return ("port",) if rates is None and any(state.port for state in states) else ()


def _errors(halves: Iterable[Mapping[str, Any]]) -> Text:
    """`3 too few hubs, 1 unknown key`."""
    sums: dict[str, int] = {}
    for half in halves:
        for reason, times in half.get("failures", {}).items():
            sums[reason] = sums.get(reason, 0) + times
    most_first = sorted(sums, key=lambda reason: -sums[reason])
    told = ", ".join(f"{sums[one]:,} {one.replace('_', ' ')}" for one in most_first)
    return text(told or "none", "yellow" if sums else "green")


def _stored_table(clients: list[NodeState]) -> Iterator[Table]:
    """Keys that clients hold ahead."""
    shown = table("Stored keys", "client", "initiator", "responder", "bits", "stored", "", right=("bits",))
    for state in clients:
        places = [] if isinstance(state.answer, DskedError) else state.answer["status"].get("stored_keys", [])
        for place in places:
            shown.add_row(
                *(text(value) for value in (state.name, place.get("initiator"), place.get("responder"))),
                text(place.get("size_bits")),
                part_of(place.get("stored_key_count"), place.get("max_key_count")),
                text(place.get("problem") or "", "yellow"),
            )
    if shown.row_count:
        yield shown


# --- what is wrong ---


def _troubles(states: Sequence[NodeState]) -> Iterator[Text]:
    for state in states:
        if isinstance(state.answer, DskedError):
            yield text(str(state.answer), "red")
            continue
        who = f"{state.role} {state.name}"
        if not state.answer["ready"]:
            yield text(f"{who} is not ready: {state.answer.get('reason')}", "yellow")
        for peer, reason in state.answer["status"].get("closed_pools", {}).items():
            yield text(f"{who}: pools with {peer} are closed: {reason}", "red")
        audit = state.answer["status"].get("audit_log") or {}
        if audit.get("problem"):
            yield text(f"{who}: audit log {audit.get('path')}: {audit['problem']}", "red")
        elif audit.get("nr_lost"):
            yield text(f"{who}: {audit['nr_lost']} lines of its audit log could not be written", "yellow")
