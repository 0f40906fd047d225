"""How both commands end: one line on standard error, and an exit status; never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from dsked.errors import DskedError, ExitStatus, exit_status

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def run(program: str, command: click.Command) -> None:
    """Runs a click command as a program, and leaves the process with its exit status."""
    sys.exit(_status(program, lambda: command.main(prog_name=program, standalone_mode=False)))


def _status(program: str, call: Callable[[], Any]) -> int:
    try:
        result = call()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return ExitStatus.USAGE
    except click.UsageError as error:
        help_command = f"{error.ctx.command_path if error.ctx else program} --help"
        message = _misplaced(error) or f"{_variable(error)}{error.format_message()}"
        end = "" if message.endswith(".") else "."
        return _say(program, f"{message}{end} See: {help_command}", ExitStatus.USAGE)
    except click.ClickException as error:
        return _say(program, error.format_message(), ExitStatus.FAILURE)
    except (click.Abort, KeyboardInterrupt):
        return _say(program, "interrupted", INTERRUPTED)
    except NodeNotRunningError as error:
        return _say(program, str(error), ExitStatus.NOT_RUNNING)
    except DskedError as error:
        return _say(program, str(error), exit_status(error.code))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(program, f"{where}{error.strerror or error}", ExitStatus.FAILURE)
    return int(result or 0)


def _misplaced(error: click.UsageError) -> str | None:
    """Where an option of the program was given to one of its commands: where it stands."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return None
    root = error.ctx.find_root()
    for option in root.command.params if root is not error.ctx else ():
        if error.option_name in option.opts:
            command = error.ctx.command_path.removeprefix(root.command_path)
            usage = f"{root.command_path} {error.option_name} {option.metavar}{command}"
            return f"{error.option_name} stands before the command: {usage} ..."
    return None


def _variable(error: click.UsageError) -> str:
    """The name of the variable that a wrong value comes from, where it was not typed."""
    param, ctx = getattr(error, "param", None), error.ctx
    if not isinstance(param, click.Option) or ctx is None or not isinstance(param.envvar, str):
        return ""
    found = ctx.get_parameter_source(param.name or "") is ParameterSource.ENVIRONMENT
    return f"{param.envvar}: " if found else ""


def _say(program: str, message: str, status: int) -> int:
    click.echo(f"{program}: {one_line(message)}", err=True)
    return status


def one_line(message: str) -> str:
    """A message as it is shown: nothing in it begins a line, moves the cursor, or cannot be printed."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(message.split()))


class NodeNotRunningError(DskedError):
    """A node that is needed is not running."""
