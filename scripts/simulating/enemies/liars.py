"""Every way in which a hub lies, by name: real hub engines, with a lie between them and their clients."""

from __future__ import annotations

from simulating.enemies.lies.answers import IN_ANSWERS
from simulating.enemies.lies.collusion import COLLUSION
from simulating.enemies.lies.columns import IN_COLUMNS
from simulating.enemies.lies.giving import WHAT_IS_GIVEN
from simulating.enemies.lies.hub import Lie, LyingHub, hub_that
from simulating.enemies.lies.identifiers import ABOUT_IDENTIFIERS
from simulating.enemies.lies.in_time import IN_TIME, LiesToOne, Moody, Turncoat
from simulating.enemies.lies.shares import ABOUT_SHARES

_SIMPLE: tuple[type[Lie], ...] = (
    *ABOUT_SHARES, *IN_COLUMNS, *IN_ANSWERS, *WHAT_IS_GIVEN, *ABOUT_IDENTIFIERS, *IN_TIME, *COLLUSION,
)  # fmt: skip


class MoodyLiar(Moody):
    kinds = _SIMPLE


class TurncoatLiar(Turncoat):
    kinds = _SIMPLE


class OneVictim(LiesToOne):
    kinds = _SIMPLE


_ALL: tuple[type[Lie], ...] = (*_SIMPLE, MoodyLiar, TurncoatLiar, OneVictim)
LIES: dict[str, type[Lie]] = {lie.named(): lie for lie in _ALL}
#: Every class takes HubEngine's arguments, and `cabal`.
LIARS: dict[str, type[LyingHub]] = {name: hub_that(lie) for name, lie in LIES.items()}
