"""docs/encryptors.md as the tests run it: its files, its sessions and its topology, moved to free ports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from scripts.laboratory import free_ports

DOCUMENT = Path(__file__).parents[2] / "docs" / "encryptors.md"
_FIRST_PORT = 8100  # of the document's topology
_NR_PORTS = 20
_PORT = re.compile(r"\b81[01]\d\b")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"\A(?:#!.*\n)?# (\S+\.(?:py|sh|yaml))\b")
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


class Step(NamedTuple):
    """A command of a session. `output`: what it prints, `...` standing for anything."""

    command: str
    output: str

    def printed(self, text: str) -> bool:
        """Whether it may print this."""
        pattern = ".*".join(map(re.escape, self.output.split("...")))
        return re.fullmatch(pattern, text, re.DOTALL) is not None


class Page:
    """The document on ports that are this process's."""

    def __init__(self) -> None:
        shift = free_ports(_NR_PORTS) - _FIRST_PORT
        text = _PORT.sub(lambda port: str(int(port[0]) + shift), DOCUMENT.read_text())
        self._blocks = _BLOCK.findall(text)
        #: Text of each file, by the name in its first comment.
        self.files = {
            named[1]: block for _, block in self._blocks if (named := _FILE_NAME.match(block)) is not None
        }
        self.topology: dict[str, Any] = yaml.safe_load(self.files["lab.yaml"])

    def steps(self) -> list[Step]:
        """All commands of all sessions, in order."""
        sessions = (block for language, block in self._blocks if language == "console")
        return [Step(*found) for session in sessions for found in _COMMAND.findall(session)]
