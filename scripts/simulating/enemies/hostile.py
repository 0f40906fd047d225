"""Every way in which a client is hostile, by name; each does one thing of its kind when it is told to."""

from __future__ import annotations

from simulating.enemies.deeds.abuse import ABUSE
from simulating.enemies.deeds.client import Deed, HostileClient, client_that
from simulating.enemies.deeds.columns import IN_COLUMNS
from simulating.enemies.deeds.deals import DEALERS

_SIMPLE: tuple[type[Deed], ...] = (*ABUSE, *IN_COLUMNS, *DEALERS)


class NeverTheSame(Deed):
    """Any of the others' deeds, one after the other."""

    def __init__(self, me: HostileClient) -> None:
        super().__init__(me)
        self.parts = [kind(me) for kind in _SIMPLE]

    def misbehave(self, now: float) -> None:
        self.dice.choice(self.parts).misbehave(now)


_ALL: tuple[type[Deed], ...] = (*_SIMPLE, NeverTheSame)
DEEDS: dict[str, type[Deed]] = {deed.named(): deed for deed in _ALL}
#: Every class takes ClientEngine's arguments, and `cabal`.
HOSTILE: dict[str, type[HostileClient]] = {name: client_that(deed) for name, deed in DEEDS.items()}
