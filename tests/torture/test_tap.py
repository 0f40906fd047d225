"""What the onlooker reads from a connection, byte by byte if need be."""

from __future__ import annotations

import pytest

from scripts.torturing.tap import REFUSED_REWIND, Piece, Range, Tap, Way
from tests.proto.files import load

from .wires import WAYS, Frame, Handshake, frames, handshakes, media


def watched(handshake: Handshake | None = None) -> tuple[Tap, list[Range]]:
    """A tap, perhaps with a handshake behind it, and the ranges that it tells from then on."""
    ranges: list[Range] = []
    tap = Tap(ranges.append)
    for way, message in handshake.sent if handshake is not None else []:
        assert len(list(tap.feed(way, message))) == 1
    ranges.clear()
    return tap, ranges


@pytest.mark.parametrize("size", [1, 3, 7, 4096])
@pytest.mark.parametrize("handshake", handshakes().values(), ids=handshakes().keys())
def test_a_handshake_tells_its_streams_and_positions_however_it_is_cut(
    handshake: Handshake, size: int
) -> None:
    tap, ranges = watched()
    pieces: list[Piece] = []
    for way, message in handshake.sent:
        for at in range(0, len(message), size):
            pieces += tap.feed(way, message[at : at + size])
    plain = [piece for piece in pieces if piece.is_handshake]
    assert [piece.name for piece in plain] == ["M0", "M1", "M2", "M3", "M4"]
    assert [(piece.way, piece.raw) for piece in pieces] == handshake.sent
    assert [(used.name, used.start, used.end) for used in ranges] == [
        ("M3", handshake.m3, handshake.m3 + 48),
        ("M4", handshake.m4, handshake.m4 + 48),
    ]
    hello = tap.hellos[Way.TO_CLIENT]
    assert (hello.client_stream, hello.hub_stream) == (handshake.client_stream, handshake.hub_stream)
    assert tap.hellos[Way.TO_HUB].client == "carol"


@pytest.mark.parametrize("frame", frames().values(), ids=frames().keys())
def test_a_frame_uses_its_mask_and_pads(frame: Frame) -> None:
    tap, ranges = watched(media())
    (piece,) = tap.feed(frame.way, frame.raw)
    assert (piece.way, piece.raw, piece.is_handshake) == (frame.way, frame.raw, False)
    assert [(used.way, used.start, used.end) for used in ranges] == [(frame.way, frame.start, frame.end)]


def test_a_frame_counts_from_when_its_pads_can_be_read() -> None:
    frame = frames()["REGISTER"]
    tap, ranges = watched(media())
    assert list(tap.feed(frame.way, frame.raw[:24])) == []
    assert ranges == []
    assert list(tap.feed(frame.way, frame.raw[24:25])) == []
    assert [(used.start, used.end) for used in ranges] == [(frame.start, frame.end)]
    assert tap.rest(frame.way) == frame.raw[:25]
    assert len(list(tap.feed(frame.way, frame.raw[25:]))) == 1
    assert len(ranges) == 1  # once


def test_a_proof_counts_from_when_its_position_can_be_read() -> None:
    handshake = media()
    tap, ranges = watched(handshake._replace(sent=handshake.sent[:3]))
    _, m3 = handshake.sent[3]
    for at in range(len(m3) - 1):
        list(tap.feed(Way.TO_HUB, m3[at : at + 1]))
        assert len(ranges) <= 1
        if at == 10:  # length, array, and an integer of nine bytes at most
            assert [(used.start, used.end) for used in ranges] == [(handshake.m3, handshake.m3 + 48)]


def test_many_frames_in_one_read_and_both_ways_apart() -> None:
    tap, ranges = watched(media())
    for way in Way:
        of_way = [frame for frame in frames().values() if frame.way is way]
        pieces = list(tap.feed(way, b"".join(frame.raw for frame in of_way)))
        assert [piece.raw for piece in pieces] == [frame.raw for frame in of_way]
        assert [(used.start, used.end) for used in ranges] == [(frame.start, frame.end) for frame in of_way]
        ranges.clear()


def test_sealed_frames_use_no_positions() -> None:
    tap, ranges = watched(media())
    sealed = load("sealed")
    for case in sealed["frames"]:
        assert len(list(tap.feed(WAYS[case["direction"]], bytes.fromhex(case["frame"])))) == 1
    assert ranges == []


def test_a_refusal_tells_its_code() -> None:
    refused = [case for case in load("handshakes")["handshakes"] if case["name"].startswith("refused")]
    codes = set()
    for case in refused:
        tap, ranges = watched()
        for part in case["messages"]:
            list(tap.feed(WAYS[part["direction"]], bytes.fromhex(part["message"])))
        codes.add(tap.hellos[Way.TO_CLIENT].code)
        assert ranges == []
    assert REFUSED_REWIND in codes
    assert 0 not in codes
