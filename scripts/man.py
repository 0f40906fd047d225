#!/usr/bin/env python3
"""Writes the manual pages dsked(8), dskectl(1) and dsked.yaml(5), and the shells' completion.

    python3 scripts/man.py DIRECTORY     # DIRECTORY/man/*.[158], DIRECTORY/completion/SHELL/...

Everything in them is the commands' own help, or stands in docs/.
"""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from manual import of_commands, of_markdown
from manual.roff import Page

from dsked import __version__
from dsked.cli import completing
from dsked.cli.dskectl import dskectl
from dsked.cli.dsked import dsked

_DOCS = Path(__file__).parents[1] / "docs"
_GUIDE = _DOCS / "user-guide.md"
_CONFIGURATION = _DOCS / "configuration.md"
_ELSEWHERE = "The documents that come with dsked, and https://www.etsi.org/ for ETSI GS QKD 014."
#: Where each shell looks for the completion of a command, as a file's name.
_COMPLETION = {"bash": "{}", "zsh": "_{}", "fish": "{}.fish"}


def pages(date: str) -> dict[str, str]:
    """All manual pages by their file names. `date` is the one that they bear."""
    return {"dsked.8": _dsked(date), "dskectl.1": _dskectl(date), "dsked.yaml.5": _configuration(date)}


def _dsked(date: str) -> str:
    page = Page("dsked", 8, date, __version__, "a hub or a client of Distributed Symmetric Key Establishment")
    of_commands.synopsis(page, dsked, "dsked")
    of_commands.description(page, dsked)
    of_commands.options(page, dsked, "dsked")
    of_commands.notes(page, dsked)
    page.section("SIGNALS")
    of_markdown.table(page, _GUIDE, "signal")
    _ending(page, "dskectl(1), dsked.yaml(5), systemd.exec(5)")
    return page.text()


def _dskectl(date: str) -> str:
    page = Page("dskectl", 1, date, __version__, "control hubs and clients of dsked, and get keys from them")
    of_commands.synopsis(page, dskectl, "dskectl")
    of_commands.description(page, dskectl)
    of_commands.options(page, dskectl, "dskectl")
    of_commands.commands(page, dskectl, "dskectl")
    of_commands.notes(page, dskectl)
    _ending(page, "dsked(8), dsked.yaml(5)")
    return page.text()


def _configuration(date: str) -> str:
    page = Page("dsked.yaml", 5, date, __version__, "configuration of hubs and clients of dsked")
    of_markdown.document(page, _CONFIGURATION)
    page.section("SEE ALSO")
    page.paragraph("dsked(8), dskectl(1)")
    return page.text()


def _ending(page: Page, others: str) -> None:
    page.section("EXIT STATUS")
    of_markdown.table(page, _GUIDE, "exit status")
    page.section("SEE ALSO")
    page.paragraph(others)
    page.paragraph(_ELSEWHERE)


def completions() -> dict[str, str]:
    """The scripts that make shells complete both programs, by `SHELL/FILE`."""
    commands = {"dskectl": dskectl, "dsked": dsked}
    return {
        f"{shell}/{_COMPLETION[shell].format(program)}": completing.script(shell, program, command) + "\n"
        for shell in completing.SHELLS
        for program, command in commands.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, help="where man/ and completion/ are made")
    directory = parser.parse_args().directory
    made = {f"man/{name}": text for name, text in pages(_date()).items()}
    made |= {f"completion/{name}": text for name, text in completions().items()}
    for name, text in made.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(made)} files are in {directory}/man and {directory}/completion")


def _date() -> str:
    """Today, or the day that a reproducible build is of."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    day = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return f"{day:%Y-%m-%d}"


if __name__ == "__main__":
    main()
