"""A group of commands that load when they are called, each with its own subject's modules."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """`lazy`: command name -> (module, the name of its click command), in the order of the help."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order in which the help shows them."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in self._lazy:
            return None
        module, attribute = self._lazy[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command
