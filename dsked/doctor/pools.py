"""Pools: what is left, for how many days, how much to order; and whether both sides agree on positions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dsked.doctor.finding import Finding, fault, good, warning
from dsked.media.sizes import show_size
from dsked.psrd.forecast import to_order

_CHECK, POSITIONS = "pools", "positions"
_MIB = 1 << 20
Answer = Mapping[str, Any]


class Plan(NamedTuple):
    """Both in days: pools that last less than `warn` are told of; an order makes them last for `order`."""

    warn: float = 30.0
    order: float = 365.0


def check(answer: Answer, plan: Plan) -> Iterator[Finding]:
    """Both pools of each pair of a node; of simulated ones nothing is said."""
    about = f"{answer['role']} {answer['name']}"
    for peer, pair in _pairs(answer):
        if _is_on_media(pair):
            yield _of_pair(f"{about}, {_other(answer)} {peer}", pair, plan)


def _pairs(answer: Answer) -> Iterator[tuple[str, Answer]]:
    """(name of the peer, what is told of it)."""
    key, name = ("peer_hubs", "hub_name") if answer["role"] == "client" else ("peer_clients", "client_name")
    for pair in answer["status"][key]:
        yield pair[name], pair


def other_ends(answers: Iterable[Answer]) -> Iterator[tuple[str, str]]:
    """Role and name of those with whom these nodes share pools."""
    for answer in answers:
        for peer, _ in _pairs(answer):
            yield _other(answer), peer


def _other(answer: Answer) -> str:
    return "hub" if answer["role"] == "client" else "client"


def _is_on_media(pair: Answer) -> bool:
    return pair["local_pool"]["window"] is not None


def _of_pair(about: str, pair: Answer, plan: Plan) -> Finding:
    pools = [pair["local_pool"], pair["peer_pool"]]
    left = min(pool["nr_unused_bytes"] for pool in pools)
    values = {"bytes_left": left, "days_left": None, "order_bytes": None}
    if not left:
        return fault(_CHECK, about, "used up: import the next bundle", **values)
    days = [pool["days_left"] for pool in pools if pool["days_left"] is not None]
    orders = [
        to_order(pool["bytes_per_day"], pool["nr_unused_bytes"], plan.order)
        for pool in pools
        if pool["bytes_per_day"] is not None
    ]
    text = f"{show_size(left)} left"
    if len(orders) < len(pools):
        text += "; for how long is known when they have been watched for ten minutes"
    elif not days:
        text += "; nothing is being used"
    else:
        values |= {"days_left": round(min(days), 1), "order_bytes": max(orders)}
        text += f", {min(days):,.0f} days at the present rate"
        if max(orders):
            text += f"; for {plan.order:g} days order --size {-(-max(orders) // _MIB)}M"
    if pair["psrd_low"] or (days and min(days) < plan.warn):
        return warning(_CHECK, about, f"low: {text}", **values)
    return good(_CHECK, about, text, **values)


def positions(
    before: Sequence[Answer], after: Sequence[Answer], written: Sequence[Answer] = ()
) -> Iterator[Finding]:
    """Of each pair of which both sides are there: whether they agree how far the pools are used.

    The nodes were asked twice, while keys may flow: what an owner has used `after` is never below what the
    receiver saw `before`, and what the owner had used `before` is at most two windows above what the receiver
    sees `after`. Of what was `written` down elsewhere nobody knows when it was so: that gives warnings only.
    """
    first, second = _by_node([*before, *written]), _by_node([*after, *written])
    old = {(answer["role"], answer["name"]) for answer in written}
    for (role, name), pairs in first.items():
        for hub in pairs if role == "client" else ():
            sides = ("client", name), ("hub", hub)
            there = all(side in answers for side in sides for answers in (first, second))
            if there and all(_is_on_media(_pair(first, *both)) for both in _both_ways(sides)):
                yield _of_both(sides, first, second, bool(old.intersection(sides)))


def from_status(status: object) -> Answer:
    """What `dskectl status --node NAME --json` printed, as an answer of that node. Raises ValueError."""
    try:
        answer = {key: status[key] for key in ("role", "name")} | {"status": status}  # type: ignore[index]
        pools = [pair[key] for _, pair in _pairs(answer) for key in ("local_pool", "peer_pool")]
        known = answer["role"] in ("hub", "client") and isinstance(answer["name"], str)
        if known and all(map(_is_pool, pools)):
            return answer
    except (KeyError, TypeError):
        pass
    raise ValueError("not the status of one node")


def _is_pool(pool: Answer) -> bool:
    return type(pool["position"]) is int and type(pool["window"]) in (int, type(None))


_Side = tuple[str, str]  # role, name
_ByNode = Mapping[_Side, Mapping[str, Answer]]


def _by_node(answers: Sequence[Answer]) -> dict[_Side, dict[str, Answer]]:
    return {(answer["role"], answer["name"]): dict(_pairs(answer)) for answer in answers}


def _both_ways(sides: tuple[_Side, _Side]) -> list[tuple[_Side, _Side]]:
    return [sides, (sides[1], sides[0])]


def _pair(answers: _ByNode, own: _Side, other: _Side) -> Answer:
    """What `own` tells of `other`; of pools that it does not have, as of simulated ones."""
    nothing = {"window": None}
    return answers[own].get(other[1], {"local_pool": nothing, "peer_pool": nothing})


def _of_both(sides: tuple[_Side, _Side], first: _ByNode, second: _ByNode, old: bool) -> Finding:
    (_, client), (_, hub) = sides
    about, apart = f"client {client}, hub {hub}", ""
    values: dict[str, Any] = {}
    for owner, receiver in _both_ways(sides):
        sent = [_pair(answers, owner, receiver)["local_pool"] for answers in (first, second)]
        seen = [_pair(answers, receiver, owner)["peer_pool"]["position"] for answers in (first, second)]
        used = sent[1]["position"]
        values[f"{owner[0]}_pool"] = {"owner": used, "receiver": seen[1]}
        if used < seen[0] or seen[1] < sent[0]["position"] - 2 * sent[0]["window"]:
            apart = f"the {owner[0]} has used its pool up to {used}, and the other side says {seen[1]}"
    if not apart:
        return good(POSITIONS, about, "both sides agree how far the pools are used", **values)
    if old:
        return warning(POSITIONS, about, f"{apart}; were both asked at the same time?", **values)
    return fault(
        POSITIONS, about, f"{apart}: one of the two was set back, or has another one's state", **values
    )
