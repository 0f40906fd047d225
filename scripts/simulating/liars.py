"""Every way in which a hub lies, by name: real hub engines, with a lie between them and their clients."""

from __future__ import annotations

from simulating.collusion import COLLUSION
from simulating.lies_answers import IN_ANSWERS
from simulating.lies_columns import IN_COLUMNS
from simulating.lies_deeds import IN_DEEDS
from simulating.lies_in_time import IN_TIME, LiesToOne, Moody, Turncoat
from simulating.lies_shares import ABOUT_SHARES
from simulating.lying import Lie, LyingHub, hub_that

_SIMPLE: tuple[type[Lie], ...] = (
    *ABOUT_SHARES, *IN_COLUMNS, *IN_ANSWERS, *IN_DEEDS, *IN_TIME, *COLLUSION,
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
