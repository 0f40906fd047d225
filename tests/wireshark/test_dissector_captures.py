"""What the dissector shows of real nodes: in the sample that is delivered, and in captures made here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from scripts.capture import HUBS, SAMPLE, NoCaptureError, Scene, ordinary, record, topology, wait_for_hubs
from scripts.laboratory import Laboratory

from .segments import CLIENT, HUB
from .tshark import Piece, pieces

HANDSHAKE = ["M0", "M1", "M2", "M3", "M4"]
#: What each type of message shows in `ordinary`, beside what all frames show.
_TERMS = {"responder", "n", "k", "key_bytes", "key_id", "offset", "shares", "codes", "keys"}
_SEALED = {"sealed", "sealed.counter", "sealed.bytes", "sealed.tag"}
FIELDS: dict[str, set[str]] = {
    "REGISTER": {"encryptor"},
    "REGISTERED": {"code", "share_timeout"},
    "UNREGISTER": set(),
    "PING": {"reply", "client_end", "hub_end"},
    "ERROR": {"code", "reason"},
    "NAMES": {"identifier", "name"},
    "PSRD_REQUEST": _SEALED,
    "PSRD_BLOCK": _SEALED,
    "PUT_SHARES": _TERMS | {"initiator", "responder_client", "ttl"},
    "PUT_SHARES_ACK": {"result", "code", "key_id"},
    "GET_SHARES": {"initiator_client", "key_id", "offset", "wait"},
    "SHARES": _TERMS | {"initiator", "initiator_client", "responder_client"},
    "LOCATE": {"encryptor"},
    "LOCATED": {"located", "encryptor"},
}
FRAME = {"length", "type", "request_id", "position", "pads", "ack", "tag", "piece", "direction"}
ANSWERS = {
    "REGISTER": "REGISTERED",
    "PUT_SHARES": "PUT_SHARES_ACK",
    "GET_SHARES": "SHARES",
    "LOCATE": "LOCATED",
}
#: What stands beside ordinary messages: a key that no hub knows, a hub that drains.
REMARKS = {"not_final", "drains"}
SEALED = ("PSRD_REQUEST", "PSRD_BLOCK")


def read(path: Path) -> list[Piece]:
    """All pieces of a capture, found without a hint; nothing is malformed or strange."""
    found = pieces(path, "-2", certain=False)
    for piece in found:
        assert {name for name, _ in piece.experts} <= REMARKS, f"packet {piece.packet}: {piece.experts}"
    return found


def named(found: Iterable[Piece], name: str) -> list[Piece]:
    return [piece for piece in found if piece.one("piece") == name]


@pytest.fixture(scope="module")
def sample() -> list[Piece]:
    """The capture that comes with the dissector."""
    return read(SAMPLE)


def check_connections(found: list[Piece]) -> None:
    """Each client has been through the handshake with each hub, in its order, and then said no more of it."""
    pairs = {(piece.one("client"), piece.one("hub")) for piece in named(found, "M1")}
    assert {hub for _, hub in pairs} == set(HUBS)
    for client, hub in pairs:
        mine = [p.one("piece") for p in found if (p.shown("client"), p.shown("hub")) == ([client], [hub])]
        assert [name for name in mine if name in HANDSHAKE] == HANDSHAKE


def check_frames(found: list[Piece]) -> None:
    """Every type of message shows its fields, and directions are right."""
    for name, fields in FIELDS.items():
        mine = named(found, name)
        common = FRAME if name in SEALED else FRAME | {"body", "end"}
        assert mine, name
        assert fields | common <= {field.name for piece in mine for field in piece.fields}, name
        for piece in mine:
            assert common <= {field.name for field in piece.fields}, name
    assert {piece.one("direction") for name in ANSWERS for piece in named(found, name)} == {CLIENT}
    assert {piece.one("direction") for name in ANSWERS.values() for piece in named(found, name)} == {HUB}


def check_requests(found: list[Piece]) -> None:
    """Requests and answers know each other, and times between them are those of one machine.

    A GET_SHARES that is parked when its node stops is not answered.
    """
    by_packet = {(piece.packet, piece.one("piece")): piece for piece in found}
    for asked, answered in ANSWERS.items():
        requests = named(found, asked)
        for piece in requests:
            assert piece.shown("response_in") or asked == "GET_SHARES", f"{asked} in packet {piece.packet}"
            assert all((int(packet), answered) in by_packet for packet in piece.shown("response_in"))
        for piece in named(found, answered):
            assert (int(piece.one("request_in")), asked) in by_packet
            assert 0 < float(piece.one("time")) < 30


def check_whole(found: list[Piece]) -> None:
    check_connections(found)
    check_frames(found)
    check_requests(found)


def test_the_sample(sample: list[Piece]) -> None:
    check_whole(sample)
    assert {name for piece in sample for name, _ in piece.experts} == REMARKS


def test_the_sample_shows_who_asked_for_which_key(sample: list[Piece]) -> None:
    """A key is found by its ID on its whole way: shares are put, acknowledged, wanted and given."""
    key = named(sample, "PUT_SHARES")[0].shown("key_id")[0]
    way = {piece.one("piece") for piece in sample if key in piece.shown("key_id")}
    assert way >= {"PUT_SHARES", "PUT_SHARES_ACK", "GET_SHARES", "SHARES"}


def large(lab: Laboratory) -> None:
    """A key of 1 Mbit, whose shares no packet holds."""
    wait_for_hubs(lab)
    with lab.control("carol") as carol, lab.control("curtis") as curtis:
        (key,) = carol.get_keys(("sunny",), 1, 1_000_000, "sam")
        assert curtis.get_keys_by_id("sam", [key.key_id], "sunny") == [key]


@pytest.fixture
def captured(tmp_path: Path) -> Callable[..., list[Piece]]:
    def capture(scene: Scene = ordinary, media_bytes: int = 0, **settings: bool) -> list[Piece]:
        content = topology(**settings)
        if media_bytes:
            content["psrd"] = "media"
        try:
            record(tmp_path / "lab.pcap", content, scene, media_bytes=media_bytes)
        except NoCaptureError as error:
            if os.geteuid():
                pytest.skip(str(error))
            raise
        return read(tmp_path / "lab.pcap")

    return capture


@pytest.mark.full
def test_a_laboratory(captured: Callable[..., list[Piece]]) -> None:
    check_whole(captured())


@pytest.mark.full
def test_a_laboratory_with_media(captured: Callable[..., list[Piece]]) -> None:
    found = captured(media_bytes=1024 * 1024)
    check_connections(found)
    check_requests(found)
    assert all(piece.shown("next") for piece in named(found, "M1"))
    assert not any(named(found, name) for name in SEALED)


@pytest.mark.full
def test_pieces_that_no_packet_holds(captured: Callable[..., list[Piece]]) -> None:
    found = captured(large)
    check_requests(found)
    for name in ("PUT_SHARES", "SHARES"):
        assert max(int(piece.one("length")) for piece in named(found, name)) > 100_000


@pytest.mark.full
def test_a_laboratory_with_wrapping(captured: Callable[..., list[Piece]]) -> None:
    """Names of encryptors, keys and types are nowhere; what is wrapped is counted without a gap."""
    found = captured(wrapping=True)
    check_connections(found)
    assert {piece.one("piece") for piece in found} == {*HANDSHAKE, *SEALED, "WRAP", "WRAPPED"}
    assert not any(piece.shown("encryptor") or piece.shown("key_id") for piece in found)
    for client, hub in {(piece.one("client"), piece.one("hub")) for piece in named(found, "M1")}:
        for side in (CLIENT, HUB):
            mine = [p for p in named(found, "WRAPPED") if (p.one("client"), p.one("hub")) == (client, hub)]
            mine = [piece for piece in mine if piece.one("direction") == side]
            assert [int(piece.one("wrapped.counter")) for piece in mine] == list(range(len(mine)))
            assert len(mine) > 3
