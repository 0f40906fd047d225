"""Options that were not typed: errors name the variable of the environment that says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click
from click.core import ParameterSource

from dsked.errors import ConfigurationError

#: Option -> what the user has written in its place.
Variables = Mapping[str, str]


def of(ctx: click.Context) -> Variables:
    """Of the options that the environment says."""
    return {
        option.opts[-1]: option.envvar
        for option in ctx.command.params
        if isinstance(option, click.Option) and isinstance(option.envvar, str)
        if option.name and ctx.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT
    }


def in_place(text: str, variables: Variables) -> str:
    """A text that begins with an option, with the variable in its place; others as they are."""
    option, mark, rest = _option(text)
    return f"{variables[option]}{mark}{rest}" if option in variables else text


def _option(text: str) -> tuple[str, str, str]:
    """`--limit`, and what follows: `--limit max_connections: 0; ...`."""
    word, _, rest = text.partition(" ")
    colon = ":" if word.endswith(":") else ""
    return word.removesuffix(":"), colon, f" {rest}" if rest else ""


@contextmanager
def named(variables: Variables) -> Iterator[None]:
    """Errors of the configuration that begin with an option name what the user has written."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(in_place(str(error), variables)) from None
