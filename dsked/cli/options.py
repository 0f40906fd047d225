"""Option types that the commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from dsked.chosen_limits import Value
from dsked.config import rules
from dsked.config.node import HubAddress, MetricsSettings

_ValueT = TypeVar("_ValueT")
_ReadT = TypeVar("_ReadT")
_WHOLE = re.compile(r"-?\d{1,40}", re.ASCII)
_HUB = re.compile(r"([^=]+)=([^,]+)(?:,x=(\d{1,9}))?", re.ASCII)


def read_by(
    read: Callable[[_ValueT], _ReadT],
) -> Callable[[click.Context, click.Parameter, _ValueT], _ReadT]:
    """A callback of an option: so errors of `read` know which it is, and where it was written."""
    return lambda ctx, option, value: read(value)


def hub_addresses(values: tuple[str, ...]) -> tuple[HubAddress, ...]:
    """`NAME=HOST:PORT[,x=X]` of every hub; X is the hub's number in the list where it is not said."""
    return tuple(_hub_address(value, number) for number, value in enumerate(values, start=1))


def _hub_address(value: str, number: int) -> HubAddress:
    match = _HUB.fullmatch(value)
    address = rules.split_address(match[2]) if match else None
    if match is None or address is None:
        raise click.BadParameter(f"{value!r}: NAME=HOST:PORT[,x=X] is expected.", param_hint="--hubs")
    name, (host, port), x = match[1], address, int(match[3] or number)
    fault = rules.node_name_fault(name) or rules.host_fault(host) or rules.port_fault(port)
    if not 1 <= x <= 255:
        fault = f"{x} is no x-coordinate; expected 1 to 255"
    if fault:
        raise click.BadParameter(f"{value!r}: {fault}.", param_hint="--hubs")
    return HubAddress(name=name, host=host, port=port, x=x)


def metrics_address(value: str | None) -> MetricsSettings | None:
    """HOST:PORT where metrics are read."""
    if value is None:
        return None
    address = rules.split_address(value)
    fault = rules.port_fault(address[1]) if address else rules.no_address(value)
    if address is None or fault:
        raise click.BadParameter(f"{fault}.", param_hint="--metrics")
    return MetricsSettings(host=address[0], port=address[1])


def limit_values(values: tuple[str, ...]) -> dict[str, Value]:
    """`NAME=VALUE` of every limit; names may be written with '-' for '_'. The last of a name counts."""
    return dict(map(_limit_value, values))


def _limit_value(text: str) -> tuple[str, Value]:
    name, _, number = text.partition("=")
    try:
        if name:
            return name.replace("-", "_"), int(number) if _WHOLE.fullmatch(number) else float(number)
    except ValueError:
        pass
    raise click.BadParameter(f"{text!r}: NAME=VALUE is expected, VALUE a number.", param_hint="--limit")


class ManyValuesCommand(click.Command):
    """A command whose repeatable options may also take several values at once: `--hubs A B C`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrites `--hubs A B` as `--hubs A --hubs B` before click reads the line."""
        repeatable = {
            name for option in self.params if getattr(option, "multiple", False) for name in option.opts
        }
        return super().parse_args(ctx, list(_repeated(args, repeatable)))


def _repeated(args: list[str], repeatable: set[str]) -> Any:
    option = ""
    pending = False  # the option stands there, its first value does not yet
    for arg in args:
        if arg.startswith("-") and not pending:
            option = arg if arg in repeatable else ""
            pending = bool(option)
            yield arg
        else:
            if option and not pending:
                yield option
            pending = False
            yield arg
