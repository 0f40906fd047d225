"""What docs/operators-guide.md tells an operator to do, in its order: files, commands, ways of the medium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "operators-guide.md"
_STEP = re.compile(
    r"^```(?P<language>\w+)\n(?P<block>.*?)^```$"
    r"|^\*The medium (?:is put into|goes from \S+ to) (?P<host>\S+)\.\*$",
    re.MULTILINE | re.DOTALL,
)
_NAMED = re.compile(r"\A(?:#!.*\n)?# (?P<hosts>[a-z0-9, -]+): (?P<path>/\S+)\n")
_COMMAND = re.compile(r"^root@([a-z0-9,-]+)# ((?:.*\\\n)*.*)\n((?:(?!root@).*\n)*)", re.MULTILINE)


class File(NamedTuple):
    """A file that is written at some hosts."""

    hosts: list[str]
    path: str
    text: str


class Command(NamedTuple):
    """A command that is typed at some hosts. `output`: what it prints, `...` standing for anything."""

    hosts: list[str]
    command: str
    output: str

    def printed(self, text: str) -> bool:
        """Whether it may print this."""
        pattern = ".*".join(map(re.escape, self.output.split("...")))
        return re.fullmatch(pattern, text, re.DOTALL) is not None


class Medium(NamedTuple):
    """The medium is unplugged where it was, and put into this host."""

    host: str


Step = File | Command | Medium


def steps(page: Path = PAGE) -> Iterator[Step]:
    """All of them, in the order of the page."""
    for found in _STEP.finditer(page.read_text()):
        if found["host"]:
            yield Medium(found["host"])
        elif found["language"] == "console":
            for hosts, command, output in _COMMAND.findall(found["block"]):
                yield Command(_names(hosts), command, output)
        elif named := _NAMED.match(found["block"]):
            yield File(_names(named["hosts"]), named["path"], found["block"])


def _names(hosts: str) -> list[str]:
    return [name.strip() for name in hosts.split(",")]
