"""What is broken, cut, replayed or out of place: expert information, and never an error of the dissector.

All that tests say stands in SAID, by name, and tshark reads it once.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proto.files import load

from .segments import CLIENT, HUB, Connection, Said, cut
from .tshark import Piece, dissect

_LENGTH = struct.Struct(">I")
REFUSED = load("refused_frames")["frames"]
FRAMES = [(case["direction"], bytes.fromhex(case["frame"])) for case in load("frames")["frames"]]
TRANSCRIPT = load("handshakes")["handshakes"][0]["messages"]
HANDSHAKE = [(message["direction"], bytes.fromhex(message["message"])) for message in TRANSCRIPT]
SEALED = [(case["direction"], bytes.fromhex(case["frame"])) for case in load("sealed")["frames"]]
START = 16_884 + 48  # behind M3 and M4 of HANDSHAKE
_SNAPPED = 100  # bytes that a capture keeps of each packet, 40 of them of IP and TCP


def of_type(kind: int) -> bytes:
    """The first vector of a type."""
    return next(frame for _, frame in FRAMES if frame[5] == kind)


def mended(piece: bytes) -> bytes:
    """A piece with the length that it has."""
    return _LENGTH.pack(len(piece) - _LENGTH.size) + piece[_LENGTH.size :]


def moved(frame: bytes, position: int) -> bytes:
    """A frame at another position; its tag does not fit, which no capture tells."""
    return frame[:12] + position.to_bytes(8, "big") + frame[20:]


def with_body(kind: int, body: bytes, position: int = START) -> bytes:
    """A frame with request id 0 and no pads; its tag is made up."""
    head = bytes([0x97, kind, 0xCE, *bytes(4), 0xCF]) + position.to_bytes(8, "big")
    head += b"\xce" + bytes(4) + b"\xcf" + bytes(8) + b"\xc6" + _LENGTH.pack(len(body))
    return mended(bytes(4) + head + body + b"\xc4\x10" + bytes(16))


def shortened() -> list[bytes]:
    """Pieces cut behind every seventh byte, with a length that says so."""
    whole = [HANDSHAKE[1][1], of_type(0x10), of_type(0x13)]
    return [mended(piece[:size]) for piece in whole for size in range(5, len(piece), 7)]


def mutants(rng: random.Random, number: int) -> Iterator[bytes]:
    """Pieces of the vectors, each with bytes changed, taken out, repeated, or made up."""
    pool = [piece for _, piece in (*FRAMES, *HANDSHAKE, *SEALED)]
    for _ in range(number):
        piece = bytearray(rng.choice(pool))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(4, len(piece))
            end = min(at + rng.randint(1, 8), len(piece))
            piece[at:end] = rng.choice(
                (b"", rng.randbytes(end - at), piece[at:end] * 2, b"\xff", b"\xdd\xff")
            )
            piece = piece if len(piece) > 5 else bytearray(b"\0\0\0\1\x97\0")
        yield mended(bytes(piece)) if rng.random() < 0.8 else bytes(piece)


def mutated(number: int) -> list[Connection]:
    """Each mutant on a connection of its own, from either side."""
    rng = random.Random(8)
    return [Connection([(rng.choice((CLIENT, HUB)), piece)]) for piece in mutants(rng, number)]


def rubbish() -> Iterator[list[Said]]:
    """Random bytes between two pieces."""
    rng, register = random.Random(9), (CLIENT, of_type(0x01))
    for _ in range(20):
        yield [register, (CLIENT, b"\xff" + rng.randbytes(rng.randint(0, 300))), register]


def large(bytes_of_frame: int) -> list[Said]:
    """A frame of this size, of a type that is not known, and behind it an ordinary one."""
    frame = bytearray(of_type(0x7F))
    frame[34:39] = b"\xc6" + _LENGTH.pack(bytes_of_frame - 53)
    largest = mended(bytes(frame[:39]) + bytes(bytes_of_frame - 53) + bytes(frame[-18:]))
    return [(CLIENT, largest), (CLIENT, of_type(0x01))]


def one_segment() -> list[Said]:
    """All frames of the client at once, then a frame of which the segment holds a part."""
    client = [piece for side, piece in FRAMES if side == CLIENT]
    joined = b"".join(client)
    return [(CLIENT, joined + client[0][:20]), (CLIENT, client[0][20:] + joined)]


REGISTER = moved(of_type(0x01), START)
GOING_BACK = [(CLIENT, moved(of_type(0x03), START + offset)) for offset in (0, 16, 16, 100, 32)]
SAID: dict[str, list[Connection]] = {
    "refused": [Connection([(case["direction"], bytes.fromhex(case["frame"]))]) for case in REFUSED],
    "shortened": [Connection([(CLIENT, piece)]) for piece in shortened()],
    "snapped": [Connection([one], _SNAPPED) for one in FRAMES],
    "mutants": mutated(150),
    "rubbish": [Connection(said) for said in rubbish()],
    "cut": [Connection(cut([*HANDSHAKE, *FRAMES], size)) for size in (7, 50, 1000)],
    "one segment": [Connection(one_segment())],
    "largest": [Connection(large(393_216))],
    "beyond": [Connection(large(393_217))],
    "going back": [Connection([*HANDSHAKE, *GOING_BACK])],
    "in place": [Connection([*HANDSHAKE, (CLIENT, REGISTER)])],
    "by the hub": [Connection([*HANDSHAKE, (HUB, REGISTER)])],
    "M1 again": [Connection([*HANDSHAKE, HANDSHAKE[1]])],
    "early": [Connection([HANDSHAKE[0], (CLIENT, REGISTER), SEALED[0]])],
    "error": [Connection([*HANDSHAKE, (HUB, moved(of_type(0x05), START))])],
    "answer": [Connection([*HANDSHAKE, (HUB, moved(of_type(0x11), START))])],
    "drains": [Connection([*HANDSHAKE, (HUB, with_body(0x05, b"\x92\x27\xa0"))])],
    "unknown code": [Connection([*HANDSHAKE, (HUB, with_body(0x05, b"\x92\xcc\xfe\xa0"))])],
    "requests": [Connection(FRAMES)],
}


Shown = dict[str, list[list[Piece]]]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The pieces of all connections of SAID. Read twice (tshark -2), as Wireshark does."""
    path = tmp_path_factory.mktemp("broken") / "all.pcap"
    found = iter(dissect(path, [one for connections in SAID.values() for one in connections], "-2"))
    return {name: [next(found) for _ in connections] for name, connections in SAID.items()}


def test_refused_frames(shown: Shown) -> None:
    """What a receiver refuses for its form is malformed; what it refuses for the pool's sake is not.

    What it refuses for its tag may be either: the tag comes first, and cannot be checked here.
    """
    for case, (piece,) in zip(REFUSED, shown["refused"], strict=True):
        if case["result"] != "TAG":
            assert piece.has("malformed") == (case["result"] == "FRAME"), case["name"]
    assert {case["result"] for case in REFUSED} >= {"OK", "FRAME", "REPLAY", "WINDOW"}


def test_pieces_that_lack_bytes(shown: Shown) -> None:
    for given, (piece,) in zip(shortened(), shown["shortened"], strict=True):
        assert piece.has("malformed"), given.hex()


def test_a_capture_of_the_first_bytes_of_packets(shown: Shown) -> None:
    """As by tcpdump -s: what is missing was not captured, and nobody sent anything malformed."""
    for (_, frame), (piece,) in zip(FRAMES, shown["snapped"], strict=True):
        assert piece.has("cut") == (len(frame) > _SNAPPED - 40), piece.line
        assert not piece.has("malformed")
        assert int(piece.one("type"), 16) == frame[5]


def check_mutants(found: list[list[Piece]]) -> None:
    """Most are malformed, some are not; that no error in Lua came up, `dissect` has seen to."""
    all_found = [piece for one in found for piece in one]
    assert len(found) / 2 < sum(piece.has("malformed") for piece in all_found) < len(all_found)
    assert all(piece.shown("direction") for piece in all_found)


def test_mutants_are_no_fault_of_the_dissector(shown: Shown) -> None:
    check_mutants(shown["mutants"])


@pytest.mark.full
def test_many_mutants_are_no_fault_of_the_dissector(tmp_path: Path) -> None:
    check_mutants(dissect(tmp_path / "mutants.pcap", mutated(10_000)))


def test_rubbish_costs_its_own_segment_alone(shown: Shown) -> None:
    for found in shown["rubbish"]:
        assert [piece.has("malformed") for piece in found] == [False, True, False]
        assert [piece.shown("type") for piece in found] == [["0x01"], [], ["0x01"]]


def test_pieces_over_several_segments(shown: Shown) -> None:
    said = [*HANDSHAKE, *FRAMES]
    for found in shown["cut"]:
        assert not any(piece.has("malformed") for piece in found)
        assert [int(piece.one("length")) for piece in found] == [len(piece) - 4 for _, piece in said]


def test_pieces_in_one_segment(shown: Shown) -> None:
    (found,) = shown["one segment"]
    first = found[0].packet
    client = [piece for side, piece in FRAMES if side == CLIENT]
    assert [piece.packet - first for piece in found] == [0] * len(client) + [1] * (len(client) + 1)
    assert not any(piece.has("malformed") for piece in found)


def test_the_largest_frame(shown: Shown) -> None:
    """384 KiB over seven IP packets; for one byte more nobody waits."""
    (found,) = shown["largest"]
    assert [piece.one("piece") for piece in found] == ["type 0x7f", "REGISTER"]
    assert not any(piece.has("malformed") for piece in found)
    (found,) = shown["beyond"]
    assert found[0].has("malformed")
    assert found[0].packet + 6 < found[-1].packet
    assert found[-1].one("piece") == "REGISTER"


def test_positions_that_go_back_and_that_leave_a_gap(shown: Shown) -> None:
    found = shown["going back"][0][len(HANDSHAKE) :]
    assert [piece.has("replay") for piece in found] == [False, False, True, False, True]
    assert [piece.shown("skipped") for piece in found] == [[], [], [], ["68"], []]


@pytest.mark.parametrize(
    ("name", "experts"),
    [
        ("in place", []),
        ("by the hub", ["out_of_place"]),
        ("M1 again", ["out_of_place"]),
        ("error", ["error", "unmatched"]),
        ("answer", ["failure", "unmatched"]),
        ("drains", ["drains"]),
        ("unknown code", ["error", "unknown"]),
    ],
)
def test_expert_information_of_the_last_piece(name: str, experts: list[str], shown: Shown) -> None:
    (found,) = shown[name]
    assert not any(piece.experts for piece in found[:-1])
    assert sorted(expert for expert, _ in found[-1].experts) == experts


def test_frames_before_their_time(shown: Shown) -> None:
    (found,) = shown["early"]
    assert [piece.has("out_of_place") for piece in found] == [False, True, True]


def test_requests_and_answers(shown: Shown) -> None:
    (found,) = shown["requests"]
    answers = {piece.packet: [int(answer) for answer in piece.shown("response_in")] for piece in found}
    names = {piece.packet: piece.one("piece") for piece in found}
    told = [(names[asked], names[answer]) for asked in answers for answer in answers[asked]]
    assert set(told) == {
        ("REGISTER", "REGISTERED"), ("PING", "PING"), ("LOCATE", "LOCATED"), ("PUT_SHARES", "PUT_SHARES_ACK"),
        ("GET_SHARES", "SHARES"),
    }  # fmt: skip
    assert max(len(answered) for answered in answers.values()) == 2  # SHARES for one GET_SHARES
    for piece in found:
        for asked in map(int, piece.shown("request_in")):
            assert piece.packet in answers[asked]
            assert float(piece.one("time")) == pytest.approx((piece.packet - asked) / 1000)


def test_results_stand_beside_their_keys(shown: Shown) -> None:
    (found,) = shown["requests"]
    asked, answer = (
        next(p for p in found if p.one("piece") == name) for name in ("PUT_SHARES", "PUT_SHARES_ACK")
    )
    assert answer.shown("key_id") == asked.shown("key_id") != []
