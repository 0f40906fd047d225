"""What options may be, beyond what click knows. Light to import: a key request comes this way."""

from __future__ import annotations

import math
from typing import Any

import click


def not_empty(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """A callback: an empty text is what a script gives whose variable is not set, and not the default."""
    if value == "":
        raise click.BadParameter("it is empty.", ctx, option)
    return value


class Number(click.FloatRange):
    """A number in a range, and not the one that is none."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Fails for NaN, which is in no range and passes every comparison."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a valid number.", param, ctx)
        return number
