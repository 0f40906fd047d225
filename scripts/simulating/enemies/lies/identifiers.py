"""Lies about identifiers: for whom a number stands, and numbers that stand for nobody."""

from __future__ import annotations

from collections.abc import Iterable

from dsked.limits import MAX_KEYS_PER_FRAME
from dsked.wire.connection import HubConnection
from dsked.wire.messages import Names
from simulating.enemies.lies.hub import Lie


class ConfusesClients(Lie):
    """Each of its clients has the number of another, both ways: it takes one for the other."""

    def tells(self, to: HubConnection, names: Names) -> Iterable[Names]:
        clients = sorted(self.hub.pairs)
        next_of = dict(zip(clients, [*clients[1:], clients[0]], strict=True))
        yield Names([(identifier, next_of[name]) for identifier, name in names.names])


class HidesOneBehindAnother(Lie):
    """Tells one client that its keys come from itself, or go there."""

    def tells(self, to: HubConnection, names: Names) -> Iterable[Names]:
        (identifier, name), *others = names.names
        yield Names([(identifier, to.client), *((i, n) for i, n in others if n != to.client)])
        yield from [Names([(identifier + 1000, name)])] if name != to.client else []


class InventsClients(Lie):
    """Names that nobody has."""

    def tells(self, to: HubConnection, names: Names) -> Iterable[Names]:
        yield Names([(identifier, f"{name} the other") for identifier, name in names.names])


class UsesUndefinedIdentifiers(Lie):
    def tells(self, to: HubConnection, names: Names) -> Iterable[Names]:
        return []


class RedefinesIdentifiers(Lie):
    """Tells the truth, and then something else of the same number."""

    def tells(self, to: HubConnection, names: Names) -> Iterable[Names]:
        yield names
        yield Names([(identifier, f"{name} anew") for identifier, name in names.names])


class GivesSecondIdentifiers(Lie):
    """Tells the truth, and then the same of another number."""

    def tells(self, to: HubConnection, names: Names) -> Iterable[Names]:
        yield names
        yield Names([(2**32 - 1 - identifier, name) for identifier, name in names.names])


class FloodsNames(Lie):
    """Defines clients without end."""

    def tells(self, to: HubConnection, names: Names) -> Iterable[Names]:
        yield names
        first = self.random.randrange(1000, 2**31)
        yield Names([(first + number, f"{number} of {first}") for number in range(MAX_KEYS_PER_FRAME)])


ABOUT_IDENTIFIERS: tuple[type[Lie], ...] = (
    ConfusesClients, HidesOneBehindAnother, InventsClients, UsesUndefinedIdentifiers, RedefinesIdentifiers,
    GivesSecondIdentifiers, FloodsNames,
)  # fmt: skip
