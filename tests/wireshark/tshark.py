"""tshark with the dissector of this project, and what it says of captures."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

from .segments import HUB_PORT, Connection, packets_of, write

DISSECTOR = Path(__file__).parents[2] / "scripts/wireshark/dske.lua"
COLOURS = DISSECTOR.with_name("dske.colorfilters")
_CONTAINERS = ("group", "done", "missing", "party", "definition", "holdings", "additions", "body")


@dataclass(frozen=True, slots=True)
class Field:
    """A field as tshark shows it. `value`: its bytes in hexadecimal, None where the dissector made it up."""

    name: str
    show: str
    value: str | None

    @property
    def said(self) -> bool:
        """True for what the piece itself says, and not for what the dissector adds."""
        return self.value is not None or not self.show


class Piece:
    """A piece of DSKE, as the dissector shows it in one packet."""

    def __init__(self, packet: int, element: ElementTree.Element) -> None:
        self.packet = packet
        self.line = element.get("showname", "")
        self._element = element

    @cached_property
    def fields(self) -> list[Field]:
        """All fields, in their order; names without `dske.`."""
        return list(_fields(self._element))

    @cached_property
    def body(self) -> list[Field]:
        """The fields of a frame's body that the message itself says."""
        element = self._element.find("field[@name='dske.body']")
        assert element is not None, self.line
        return [field for field in _fields(element) if field.said and field.name not in _CONTAINERS]

    def shown(self, name: str) -> list[str]:
        """What all fields of this name show."""
        return [field.show for field in self.fields if field.name == name]

    def one(self, name: str) -> str:
        """What the only field of this name shows."""
        (only,) = self.shown(name)
        return only

    @cached_property
    def experts(self) -> list[tuple[str, str]]:
        """Expert information: its name without `dske.`, and its text."""
        return [
            (field.get("name", "").removeprefix("dske."), field.get("showname", ""))
            for information in self._element.iter("field")
            if information.get("name") == "_ws.expert"
            for field in information[:1]
        ]

    def has(self, expert: str) -> bool:
        """True if the piece has expert information of this name."""
        return any(name == expert for name, _ in self.experts)


def _fields(element: ElementTree.Element) -> Iterator[Field]:
    for child in element:
        name = child.get("name", "")
        if name.startswith("dske."):
            yield Field(name.removeprefix("dske."), child.get("show", ""), child.get("value"))
        if name != "_ws.expert":
            yield from _fields(child)


def run(path: Path, *options: str, home: Path | None = None) -> str:
    """What tshark prints of a capture; it must succeed, and have nothing to say of the dissector's code."""
    environment = {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "WIRESHARK_CONFIG_DIR": str(home or path.parent / "none"),
    }
    command = ["tshark", "-X", f"lua_script:{DISSECTOR}", "-r", str(path), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    assert "Lua" not in done.stderr, done.stderr
    return done.stdout


def pieces(path: Path, *options: str, certain: bool = True) -> list[Piece]:
    """Every piece that the dissector finds. `certain`: what goes over HUB_PORT is DSKE, however it begins."""
    known = ("-d", f"tcp.port=={HUB_PORT},dske") if certain else ()
    shown = run(path, "-T", "pdml", "-J", "dske", *known, *options)
    assert "Lua Error" not in shown, re.findall('showname="(Lua Error[^"]*)', shown)[0]
    return [
        Piece(number, element)
        for number, packet in enumerate(ElementTree.fromstring(shown).iter("packet"), 1)
        for element in packet.findall("proto[@name='dske']")
    ]


def dissect(
    path: Path, connections: Sequence[Connection], *options: str, certain: bool = True
) -> list[list[Piece]]:
    """The pieces of connections, in a capture file that is written to `path`."""
    found: list[list[Piece]] = [[] for _ in connections]
    owners = [number for number, one in enumerate(connections) for _ in packets_of(number, one)]
    for piece in pieces(write(path, connections), *options, certain=certain):
        found[owners[piece.packet - 1]].append(piece)
    return found
