"""The tables of the specification say what the code says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsked import limits
from dsked.errors import ErrorCode
from dsked.wire import additions, frame
from dsked.wire import handshake as hs
from dsked.wire import messages as ms
from tests.proto.files import PROJECT, PROTO, VECTORS


def rows(name: str, columns: int) -> Iterator[list[str]]:
    """The cells of every table row with so many columns."""
    for line in (PROTO / name).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == columns:
            yield cells


def test_codes() -> None:
    told = {int(row[0]): row[1] for row in rows("specification.md", 4) if row[0].isdigit()}
    assert told == {int(code): code.name for code in ErrorCode}


def test_limits() -> None:
    told = {row[0].strip("`"): int(row[1]) for row in rows("specification.md", 3) if row[1].isdigit()}
    assert told == {name: getattr(limits, name) for name in told}
    assert len(told) > 15


def test_message_types() -> None:
    told = {int(row[0], 16): row[1] for row in rows("messages.md", 5) if row[0].startswith("0x")}
    assert told == {int(kind): kind.name for kind in ms.MessageType}


def _fields(text: str) -> list[str]:
    return [field.strip() for field in text.strip("`[]").split(",") if field.strip()]


def test_fields_of_messages() -> None:
    text = (PROTO / "messages.md").read_text(encoding="utf-8")
    of_type = {int(message.type): list(message.__struct_fields__) for message in (*ms.MESSAGES, ms.Wrap)}
    told = {
        int(kind, 16): _fields(fields)
        for kind, fields in re.findall(r"^## \w+ \((0x..)\).*\n\n`(\[[^`]*\])`", text, re.MULTILINE)
    }
    assert told == of_type


def test_fields_of_parts_of_messages() -> None:
    text = (PROTO / "messages.md").read_text(encoding="utf-8")
    parts = {
        "confirmed": ms.Confirmed, "put group": ms.PutGroup, "party": ms.PartyBody,
        "get group": ms.GetGroup, "share group": ms.ShareGroup, "missing": ms.Missing,
    }  # fmt: skip
    for name, kind in parts.items():
        found = re.search(rf"\*\*{name}\*\*[^`]*`(\[[^`]*\])`", text)
        assert found, name
        assert _fields(found[1]) == list(kind.__struct_fields__), name


def test_fields_of_the_handshake() -> None:
    text = (PROTO / "handshake.md").read_text(encoding="utf-8")
    told = {name: _fields(fields) for name, fields in re.findall(r"\*\*(\w+)\*\*: `(\[[^`]*\])`", text)}
    kinds = {"M0": hs.M0, "M1": hs.M1, "M2": hs.M2, "M3": hs.M3, "M4": hs.M4, "holdings": hs.Holdings}
    assert told == {name: list(kind.__struct_fields__) for name, kind in kinds.items()}
    for flag in hs.Flag:
        assert f"{flag.value} {flag.name}" in text


def test_frame_layout() -> None:
    assert frame.OVERHEAD_BYTES == 57
    offsets = [row[0] for row in rows("frames.md", 4)]
    assert offsets[2:] == ["0", "4", "5", "6", "11", "20", "25", "34", "39", "39 + b", "41 + b"]
    assert frame.HEADER_BYTES == 39


def test_timers() -> None:
    told = [(row[0].strip("`"), float(row[1])) for row in rows("timers.md", 5) if row[0].startswith("`")]
    assert len(told) > 20
    assert [(name, getattr(limits, name)) for name, _ in told] == told


#: Where a code may stand, as specification.md names the place, and the heading of its table in codes.md.
PLACES = {
    "M2": "In M2 (hub)", "REGISTERED": "In REGISTERED (hub)", "ERROR": "In ERROR (both)",
    "PUT_SHARES_ACK": "In PUT_SHARES_ACK (hub), a code for each key",
    "SHARES": "In `missing` of SHARES (hub)",
}  # fmt: skip


def test_every_place_of_a_code_is_told() -> None:
    listed = {
        (row[1], place.strip())
        for row in rows("specification.md", 4)
        if row[0].isdigit()
        for place in row[2].split(",")
        if place
    }
    sections = (PROTO / "codes.md").read_text(encoding="utf-8").split("\n## ")
    by_heading = {section.split("\n")[0]: section for section in sections}
    told = {
        (code, place)
        for place, heading in PLACES.items()
        for code in re.findall(r"^\| ([A-Z_]+[A-Z]) \|", by_heading[heading], re.MULTILINE)
    }
    assert told == listed


def test_additions() -> None:
    told = {int(row[0]): row[1] for row in rows("versions.md", 6) if row[0].isdigit()}
    listed = {int(row[0]): row[1] for row in rows("specification.md", 5) if row[0].isdigit()}
    assert told == {additions.WRAPPING: "WRAPPING", additions.LOCAL_IDENTIFIERS: "LOCAL_IDENTIFIERS"} | {
        hs.NEXT_FIELD: "NEXT"
    }
    assert listed.items() <= told.items()


def test_what_conformance_names_is_there() -> None:
    text = (PROTO / "conformance.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./]+\.(?:json|py))`", text))
    vectors = {path.name for path in VECTORS.glob("*.json")}
    missing = {name for name in named - vectors if not (PROJECT / name).is_file()}
    assert not missing
    assert vectors <= named | {"shamir.json", "sealed.json"}


def test_every_file_of_vectors_is_described() -> None:
    text = (VECTORS / "README.md").read_text(encoding="utf-8")
    described = {
        name for row in re.findall(r"^\| ([\w., ]+\.json) \|", text, re.MULTILINE) for name in row.split(", ")
    }
    assert described == {path.name for path in VECTORS.glob("*.json")}


@pytest.mark.parametrize("page", sorted(PROTO.glob("**/*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []
    if page.parent == PROTO:  # pages are also named without a link
        named = set(re.findall(r"(?<![\w/.])([a-z-]+\.md)", text))
        assert {name for name in named if not (PROTO / name).exists()} == set()
