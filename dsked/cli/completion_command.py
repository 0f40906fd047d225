"""`dskectl completion`: what makes a shell complete commands, options and names."""

from __future__ import annotations

import click

from dsked.cli import completing

_EPILOG = """
\b
In ~/.bashrc:  eval "$(dskectl completion bash)"
In ~/.zshrc, after compinit:  eval "$(dskectl completion zsh)"
In ~/.config/fish/config.fish:  dskectl completion fish | source

The Debian package has them installed already.
"""


@click.command(epilog=_EPILOG)
@click.argument("shell", type=click.Choice(completing.SHELLS))
@click.option("--program", type=click.Choice(["dskectl", "dsked"]), help="Only this.  [default: both]")
def completion(shell: str, program: str | None) -> None:
    """Print what makes SHELL complete commands, options, and the names of nodes and encryptors."""
    from dsked.cli.dskectl import dskectl
    from dsked.cli.dsked import dsked

    commands: dict[str, click.Command] = {"dskectl": dskectl, "dsked": dsked}
    for name in [program] if program else commands:
        click.echo(completing.script(shell, name, commands[name]))
