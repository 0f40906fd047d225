"""Whole sessions of proto/vectors are shown with nothing that closes a session; what has one fault is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.proto.files import load

from .segments import CLIENT, HUB, Connection
from .test_dissector_broken import HANDSHAKE, START, with_body
from .tshark import Piece, dissect

SESSIONS = load("sessions")["sessions"]
SEALED_TYPES = (0x08, 0x09)
#: What closes a session. Refusals, and requests that deserve one, do not.
CLOSING = {"malformed", "out_of_place", "replay", "identifier_fault", "cut"}


def case_connection(case: dict[str, Any]) -> Connection:
    return Connection([(piece["direction"], bytes.fromhex(piece["bytes"])) for piece in case["pieces"]])


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> list[list[Piece]]:
    """All sessions of sessions.json, each a connection."""
    path = tmp_path_factory.mktemp("sessions") / "all.pcap"
    return dissect(path, [case_connection(case) for case in SESSIONS], certain=False)


PLACED = list(enumerate(SESSIONS))


@pytest.mark.parametrize(("place", "case"), PLACED, ids=[case["name"] for case in SESSIONS])
def test_sessions(place: int, case: dict[str, Any], sessions: list[list[Piece]]) -> None:
    wrapped = {CLIENT: False, HUB: False}
    for given, piece in zip(case["pieces"], sessions[place], strict=True):
        named, shown = given["name"], piece.one("piece")
        assert not {name for name, _ in piece.experts} & CLOSING, f"{named}: {piece.experts}"
        assert piece.one("direction") == given["direction"], named
        assert shown == ("WRAPPED" if wrapped[given["direction"]] else named) or "later version" in named
        wrapped[given["direction"]] |= named == "WRAP"


def wrapped_pieces(sessions: list[list[Piece]]) -> Iterator[tuple[dict[str, Any], Piece]]:
    for case, found in zip(SESSIONS, sessions, strict=True):
        for given, piece in zip(case["pieces"], found, strict=True):
            if piece.one("piece") == "WRAPPED":
                yield given, piece


def test_wrapped_pieces_show_their_lengths_alone(sessions: list[list[Piece]]) -> None:
    found = list(wrapped_pieces(sessions))
    assert {given["name"] for given, _ in found} >= {
        "REGISTER",
        "NAMES",
        "GET_SHARES",
        "SHARES",
        "PSRD_BLOCK",
    }
    told = {"length", "piece", "direction", "client", "hub"}
    told |= {"wrapped", "wrapped.counter", "wrapped.bytes", "wrapped.tag"}
    for given, piece in found:
        assert {field.name for field in piece.fields} == told
        assert int(piece.one("wrapped.bytes")) == len(given["bytes"]) // 2 - 26


def test_wrapped_pieces_are_counted(sessions: list[list[Piece]]) -> None:
    """From 0 on, each side for itself."""
    for found in sessions:
        for side in (CLIENT, HUB):
            mine = [piece for piece in found if piece.shown("wrapped") and piece.one("direction") == side]
            assert [int(piece.one("wrapped.counter")) for piece in mine] == list(range(len(mine)))


def wrapped_case() -> list[tuple[str, bytes]]:
    case = next(case for case in SESSIONS if any(piece["name"] == "WRAP" for piece in case["pieces"]))
    return list(case_connection(case).said)


def names(identifier: int, name: bytes) -> bytes:
    return with_body(0x07, b"\x91\x91\x92" + bytes([identifier, 0xA0 + len(name)]) + name)


def of_vectors(name: str) -> tuple[str, bytes]:
    case = next(case for case in load("frames")["frames"] if case["name"].startswith(name))
    return case["direction"], bytes.fromhex(case["frame"])


WRAP_AT = 5  # behind M0 to M4
EARLY = [*wrapped_case()[:WRAP_AT], wrapped_case()[-1]]
CLEAR = [*wrapped_case()[: WRAP_AT + 1], wrapped_case()[WRAP_AT]]
NO_WRAP = [*wrapped_case()[:WRAP_AT], of_vectors("REGISTER")]
NOT_AGREED = [*HANDSHAKE, (CLIENT, with_body(0x06, b"\x90"))]
AGREED = list(case_connection(SESSIONS[0]).said)[:5]
STRANGE: dict[str, tuple[Connection, str]] = {
    "wrapped before WRAP": (Connection(EARLY), "out_of_place"),
    "in clear after WRAP": (Connection(CLEAR), "out_of_place"),
    "no WRAP where it was agreed": (Connection(NO_WRAP), "out_of_place"),
    "WRAP where it was not agreed": (Connection(NOT_AGREED), "out_of_place"),
    "WRAP without a key": (Connection(NOT_AGREED), "malformed"),
    "a name with two identifiers": (
        Connection([*HANDSHAKE, (HUB, names(1, b"celia")), (HUB, names(2, b"celia"))]), "identifier_fault",
    ),
    "an identifier with two names": (
        Connection([*HANDSHAKE, (HUB, names(1, b"celia")), (HUB, names(1, b"connie"))]), "identifier_fault",
    ),
    "an identifier before its NAMES": (
        Connection([*HANDSHAKE, of_vectors("SHARES: missing, by identifier"), of_vectors("NAMES")]),
        "identifier_fault",
    ),
    "names of a client": (
        Connection([*HANDSHAKE, (CLIENT, names(1, b"celia"))]), "out_of_place",
    ),
    "an identifier that was not defined": (
        Connection([*HANDSHAKE, of_vectors("SHARES: missing, by identifier")]), "identifier_fault",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Piece]]:
    """The connections of STRANGE."""
    path = tmp_path_factory.mktemp("strange") / "all.pcap"
    return dict(
        zip(STRANGE, dissect(path, [connection for connection, _ in STRANGE.values()], "-2"), strict=True)
    )


@pytest.mark.parametrize("name", STRANGE)
def test_strange_sessions(name: str, strange: dict[str, list[Piece]]) -> None:
    assert any(piece.has(STRANGE[name][1]) for piece in strange[name][-2:])


def test_identifiers_are_resolved(tmp_path: Path) -> None:
    """Beside each identifier the name that NAMES has told, in both directions."""
    said = [of_vectors(name) for name in ("NAMES", "PUT_SHARES: responders by id", "SHARES: parties by id")]
    ((_, put, shares),) = dissect(tmp_path / "names.pcap", [Connection(said)])
    assert put.shown("identifier") == ["300", "7", "7"]
    assert put.shown("responder_client") == ["celia", "connie", "connie"]
    assert shares.shown("initiator_client") == ["carol", "cindy"]
    assert not put.experts


def refused_bodies() -> Iterator[tuple[str, str, Connection]]:
    """Name, what it pretends to be, and a connection on which it is all that is said."""
    for message in load("refused_bodies")["messages"]:
        if message["type"] not in SEALED_TYPES:
            for case in message["refused"]:
                frame = with_body(message["type"], bytes.fromhex(case["body"]), START)
                name = f"{message['name']}: {case['name']}"
                yield name, message["name"], Connection([(message["direction"], frame)])


def refused_handshakes() -> Iterator[tuple[str, str, Connection]]:
    """The same of messages of the handshake that are out of form."""
    for case in load("refused_handshakes")["cases"]:
        if case["error"] == "FORM":
            side = {"client": HUB, "hub": CLIENT}[case["to"]]
            yield case["name"], case["stage"], Connection([(side, bytes.fromhex(case["message"]))])


@pytest.mark.full
def test_bodies_and_handshakes_with_one_fault(tmp_path: Path) -> None:
    """They are malformed, or another message, well-formed, in the place of theirs."""
    cases = [*refused_bodies(), *refused_handshakes()]
    found = dissect(tmp_path / "refused.pcap", [connection for *_, connection in cases])
    for (name, wanted, _), pieces in zip(cases, found, strict=True):
        assert any(piece.has("malformed") or piece.one("piece") != wanted for piece in pieces), name
    assert len(cases) > 500
