"""The dissector shows every message of proto/vectors with the fields that the vectors give."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsked.wire.frame import Header, encode_untagged
from tests.proto.files import load

from .segments import CLIENT, HUB, Connection, Said
from .tshark import Field, Piece, dissect

_MASK_BYTES = 16
_BYTES = re.compile("[0-9a-f]{2}(:[0-9a-f]{2})+")
_BOOLEANS = {"True": "1", "False": "0"}
_SECRET = ("shares", "codes")


def leaves(value: Any) -> Iterator[str]:
    """The values of a vector's fields, in the order of the bytes; binaries as hexadecimal."""
    if isinstance(value, list):
        for one in value:
            yield from leaves(one)
    elif isinstance(value, dict):
        yield from [value["hex"]] if "hex" in value else leaves(value["map"])
    else:
        yield {None: "(none known)", True: "1", False: "0"}.get(value, str(value))


def shown(fields: Iterable[Field], pads: Iterable[int] = ()) -> Iterator[str]:
    """The same of what tshark shows. Secret bins stand there as they travel: `pads` are taken off."""
    left = iter(pads)
    for is_key, group in itertools.groupby(fields, lambda field: field.name == "key_id"):
        if is_key:
            yield "".join(field.show.replace("-", "") for field in group)
            continue
        for field in group:
            if field.name in _SECRET and field.value:
                yield bytes(byte ^ next(left) for byte in bytes.fromhex(field.value)).hex()
            else:
                yield _shown(field)


def _shown(field: Field) -> str:
    if _BYTES.fullmatch(field.show):
        return field.value or ""
    if field.show in _BOOLEANS:  # as Wireshark 4.4 has them
        return _BOOLEANS[field.show]
    return str(int(field.show, 16)) if field.show.startswith("0x") else field.show


FRAMES, HANDSHAKES, SEALED = (
    load("frames")["frames"], load("handshakes")["handshakes"], load("sealed")["frames"],
)  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[list[Piece]]:
    """Each frame and each transcript on a connection of its own, found without a hint of the port."""
    said = [[_said(case["direction"], case["frame"])] for case in FRAMES]
    said += [[_said(one["direction"], one["message"]) for one in case["messages"]] for case in HANDSHAKES]
    said += [[_said(case["direction"], case["frame"]) for case in SEALED]]
    path = tmp_path_factory.mktemp("vectors") / "all.pcap"
    return dissect(path, [Connection(one) for one in said], certain=False)


def _said(direction: str, raw: str) -> Said:
    return direction, bytes.fromhex(raw)


CASES = list(enumerate(FRAMES))


@pytest.mark.parametrize(("place", "case"), CASES, ids=[case["name"] for _, case in CASES])
def test_frames(place: int, case: dict[str, Any], found: list[list[Piece]]) -> None:
    (piece,) = found[place]
    assert not piece.has("malformed"), piece.experts
    assert int(piece.one("type"), 16) == case["type"]
    for name in ("request_id", "position", "pads", "ack"):
        assert int(piece.one(name)) == case[name], name
    assert piece.one("direction") == case["direction"]
    assert int(piece.one("end")) == case["position"] + _MASK_BYTES + case["pads"]
    if case["fields"] == [None]:  # a type that is not known: its body is not read
        assert piece.has("unknown") and not piece.body
        return
    pads = iter(bytes.fromhex(case["pool_bytes"])[_MASK_BYTES:])
    assert list(shown(_without_results(piece.body), pads)) == list(leaves(case["fields"]))
    assert next(pads, None) is None


def _without_results(body: list[Field]) -> list[Field]:
    """A bin of results is shown as a whole, and each byte once more."""
    if not body or body[0].name != "result":
        return body
    assert body[0].value == "".join(field.value or "" for field in body[1:])
    return body[:1]


def test_handshakes(found: list[list[Piece]]) -> None:
    made_up = ("length", "next", "cipher", "holdings", "additions")
    cases = [(case, message) for case in HANDSHAKES for message in case["messages"]]
    shown_pieces = itertools.chain.from_iterable(found[len(FRAMES) : -1])
    for (case, message), piece in zip(cases, shown_pieces, strict=True):
        named = f"{case['name']}: {message['name']}"
        fields = [field for field in piece.fields if field.said and field.name not in made_up]
        fields = [field for field in fields if not field.name.startswith("flags.")]
        assert piece.one("piece") == message["name"], named
        assert piece.one("direction") == message["direction"], named
        assert list(shown(fields)) == list(leaves(message["fields"])), named
        refused = message["name"] == "M2" and message["fields"][1] != 0
        assert [name for name, _ in piece.experts] == ["refusal"] * refused, named


def test_all_pieces_of_a_connection_carry_the_names_of_its_ends(found: list[list[Piece]]) -> None:
    handshake = found[len(FRAMES)]
    ends = {(piece.one("client"), piece.one("hub")) for piece in handshake[1:]}
    assert ends == {("carol", "hank")}
    assert not handshake[0].shown("client")  # M0 comes before anybody has said it


def test_sealed_frames_are_shown_as_sealed(found: list[list[Piece]]) -> None:
    for case, piece in zip(SEALED, found[-1], strict=True):
        assert int(piece.one("type"), 16) == case["type"]
        assert int(piece.one("sealed.counter")) == case["counter"]
        assert int(piece.one("sealed.bytes")) * 2 == len(case["plain_body"])
        assert piece.one("direction") == case["direction"]
        assert not piece.experts
        assert not {"owner", "stream", "sequence", "size"} & {field.name for field in piece.fields}
    assert {case["direction"] for case in SEALED} == {CLIENT, HUB}


def hub_messages() -> Iterator[list[dict[str, Any]]]:
    """What is said in each session of hub.json, in order."""
    for scenario in load("hub")["scenarios"]:
        steps = scenario["steps"]
        said = [one for step in steps for one in [step] * (step["event"] == "asks") + step["answers"]]
        for session in dict.fromkeys(one["session"] for one in said):
            yield [one for one in said if one["session"] == session]


def framed(messages: list[dict[str, Any]]) -> Connection:
    """Messages in frames whose pads, and tags, are zeros."""
    said, ends = [], {CLIENT: 0, HUB: 0}
    for one in messages:
        side, body = CLIENT if "event" in one else HUB, bytes.fromhex(one["plain_body"])
        header = Header(one["type"], one["request_id"], ends[side], 0, 0)
        ends[side] += _MASK_BYTES
        said.append((side, encode_untagged(header, body) + bytes(16)))
    return Connection(said)


def test_a_hub_among_its_clients(tmp_path: Path) -> None:
    sessions = list(hub_messages())
    found_in = dissect(tmp_path / "hub.pcap", [framed(messages) for messages in sessions])
    pairs = list(zip(itertools.chain(*sessions), itertools.chain(*found_in), strict=True))
    assert len(pairs) > 200
    for message, piece in pairs:
        assert piece.one("piece") == message["name"]
        assert int(piece.one("request_id")) == message["request_id"]
        said = shown(_without_results(piece.body), itertools.repeat(0))
        assert list(said) == list(leaves(message["fields"])), message
