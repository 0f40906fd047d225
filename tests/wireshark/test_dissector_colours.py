"""The colouring rules that come with the dissector: each is taken by tshark, and meets what its name says."""

from __future__ import annotations

import re
from pathlib import Path

from .segments import CLIENT, HUB, HUB_PORT, Connection, write
from .test_dissector_broken import FRAMES, SEALED, mended, of_type
from .tshark import COLOURS, run

_RULE = re.compile("@([^@]+)@[^@]+@.*")
#: What is said, in the order of the rules.
SAID = [
    (CLIENT, mended(of_type(0x01)[:-1])),
    (HUB, of_type(0x05)),
    next(one for one in SEALED if one[0] == CLIENT),
    next(one for one in SEALED if one[0] == HUB),
    next(one for one in FRAMES if one[0] == CLIENT),
    (HUB, of_type(0x19)),
]


def test_each_rule_meets_what_its_name_says(tmp_path: Path) -> None:
    rules = [match[1] for match in map(_RULE.fullmatch, COLOURS.read_text().splitlines()) if match]
    (tmp_path / "colorfilters").write_text(COLOURS.read_text())
    path = write(tmp_path / "all.pcap", [Connection([one]) for one in SAID])
    options = [
        "-d",
        f"tcp.port=={HUB_PORT},dske",
        "--color",
        "-T",
        "fields",
        "-e",
        "frame.coloring_rule.name",
    ]
    shown = run(path, *options, home=tmp_path)
    assert shown.splitlines() == rules
