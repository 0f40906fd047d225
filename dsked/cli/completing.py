"""What shells complete: names of nodes and encryptors, files, directories; and the scripts that ask for it.

Commands and options come from click. Light to import: every command is declared with these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from dsked.cli.target import Target
from dsked.config import paths
from dsked.errors import DskedError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")
_Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[str]]"]


def of_type(kind: str) -> _Completer:
    """Completes names of files ("file") or of directories ("dir"), which the shell knows best."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type=kind)]

    return complete


def names(find: Callable[[Target], list[str]]) -> _Completer:
    """Completes what `find` gives; nothing where a file cannot be read: this is no place for messages."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        try:
            found = find(_target(ctx))
        except (DskedError, OSError):
            found = []
        return [CompletionItem(name) for name in dict.fromkeys(found) if name.startswith(incomplete)]

    return complete


def _target(ctx: click.Context) -> Target:
    """The options in front of the command, which has not been called."""
    given: dict[str, Any] = ctx.find_root().params
    return Target(**{name: given.get(name) or default for name, default in _NOTHING._asdict().items()})


_NOTHING = Target(config=None, clients=(), hubs=(), state_dir=None, runtime_dir=None)


def _clients(target: Target) -> list[str]:
    network = target.known_topology()
    return [client.name for client in network.clients] if network else _running(target, "client")


def _hubs(target: Target) -> list[str]:
    network = target.known_topology()
    return [hub.name for hub in network.hubs] if network else _running(target, "hub")


def _encryptors(target: Target) -> list[str]:
    network = target.known_topology()
    return [one.name for client in network.clients for one in client.encryptors] if network else []


def _running(target: Target, role: str) -> list[str]:
    """Nodes that have a socket on this host."""
    found = (path.stem.partition("-") for path in paths.sockets_on_host(target.runtime_dir))
    return sorted(name for of_role, _, name in found if of_role == role)


files = of_type("file")
directories = of_type("dir")
clients = names(_clients)
hubs = names(_hubs)
nodes = names(lambda target: _hubs(target) + _clients(target))
encryptors = names(_encryptors)


def script(shell: str, program: str, command: click.Command) -> str:
    """What makes `shell`, one of SHELLS, complete `program`."""
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    completion = kind(command, {}, program, f"_{program.upper()}_COMPLETE")
    return ShellComplete.source(completion)  # bash's own looks which bash is here, which need not be the one
