"""Pages of commands, out of what `--help` says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from manual.roff import Page, bold, escaped, italic


def synopsis(page: Page, command: click.Command, name: str) -> None:
    """How the command is called."""
    page.section("SYNOPSIS")
    page.paragraph(f"{bold(name)} {_usage(_context(command, name))}")


def description(page: Page, command: click.Command) -> None:
    """What the command's help says of it."""
    page.section("DESCRIPTION")
    _prose(page, command.help)


def options(page: Page, command: click.Command, name: str) -> None:
    """All options of the command."""
    page.section("OPTIONS")
    _options(page, _context(command, name))


def notes(page: Page, command: click.Command) -> None:
    """What stands at the end of the help."""
    page.section("NOTES")
    _prose(page, command.epilog)


def commands(page: Page, group: click.Group, name: str) -> None:
    """Every command of the group, those of groups within it as well, each with its options."""
    page.section("COMMANDS")
    for context in _leaves(_context(group, name)):
        words = context.command_path.partition(" ")[2]
        page.subsection(f"{words} {' '.join(context.command.collect_usage_pieces(context))}")
        _prose(page, context.command.help)
        _options(page, context)
        _prose(page, context.command.epilog)


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    return click.Context(command, info_name=name, parent=parent)


def _leaves(context: click.Context) -> Iterator[click.Context]:
    group = context.command
    if not isinstance(group, click.Group):
        yield context
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if not command.hidden:
            yield from _leaves(_context(command, name, context))


def _usage(context: click.Context) -> str:
    return " ".join(map(italic, context.command.collect_usage_pieces(context)))


def _options(page: Page, context: click.Context) -> None:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None and "--help" not in parameter.opts:
            page.item(_declared(record[0]), escaped(record[1]))


def _declared(text: str) -> str:
    """`-p, --port INTEGER` with what is typed as it stands in bold."""
    return " ".join(bold(word) if word.startswith("-") else italic(word) for word in text.split())


def _prose(page: Page, text: str | None) -> None:
    """Paragraphs; one that begins with \\b stands as it is written."""
    for paragraph in inspect.cleandoc(text or "").partition("\f")[0].split("\n\n"):
        if paragraph.startswith("\b"):
            page.literal(paragraph.removeprefix("\b\n"))
        elif paragraph.strip():
            page.paragraph(escaped(paragraph))
