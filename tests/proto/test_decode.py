"""scripts/decode.py as a program: what it reads, what it says, and its exit status."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import decode
import pytest
from decoding.checking_sessions import secrets_of
from decoding.following import Conversation
from decoding.shapes import MESSAGES

from tests.proto.files import PROJECT, VECTORS, load

CLIENT, HUB = ("10.0.0.1", 40000), ("10.0.0.2", 19000)
SESSIONS = {session["name"]: session for session in load("sessions")["sessions"]}
WRAPPED = "wrapped, with local identifiers: celia fetches a share"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, str, str]:
        status = decode.main([str(word) for word in words])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


# --- captures -----------------------------------------------------------------------------------------------


def packet(
    source: tuple[str, int], target: tuple[str, int], sequence: int, data: bytes, flags: int = 16
) -> bytes:
    """An Ethernet frame with a TCP segment in IPv4."""
    tcp = struct.pack(">HHIIBBHHH", source[1], target[1], sequence, 0, 5 << 4, flags, 65535, 0, 0) + data
    addresses = b"".join(bytes(map(int, address[0].split("."))) for address in (source, target))
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses
    return bytes(12) + b"\x08\x00" + ip + tcp


def packets_of(session: dict[str, Any], size: int) -> Iterator[bytes]:
    """The session in segments of at most `size` bytes. One in three comes twice, the first two swapped."""
    ends = {"C": (CLIENT, HUB), "H": (HUB, CLIENT)}
    sequences = {"C": 2**32 - 100, "H": 7}  # one of them wraps around
    yield packet(*ends["C"], sequences["C"] - 1, b"", flags=2)
    yield packet(*ends["H"], sequences["H"] - 1, b"", flags=18)
    for piece in session["pieces"]:
        side, data = piece["direction"], bytes.fromhex(piece["bytes"])
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        made = []
        for part in parts:
            made.append(packet(*ends[side], sequences[side], part))
            sequences[side] = (sequences[side] + len(part)) % 2**32
        yield from [*made[1:2], *made[:1], *made[2:], *made[::3]]


def pcap(packets: Iterator[bytes]) -> bytes:
    records = (struct.pack("<IIII", 1, 2, len(one), len(one)) + one for one in packets)
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + b"".join(records)


def pcapng(packets: Iterator[bytes]) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        length = 12 + len(body)
        return struct.pack("<II", kind, length) + body + struct.pack("<I", length)

    head = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(
        1, struct.pack("<HHI", 1, 0, 0)
    )
    bodies = (
        struct.pack("<IIIII", 0, 0, 0, len(one), len(one)) + one + bytes(-len(one) % 4) for one in packets
    )
    return head + b"".join(block(6, body) for body in bodies)


@pytest.mark.parametrize("container", [pcap, pcapng])
@pytest.mark.parametrize("size", [1400, 50, 7])
@pytest.mark.parametrize(
    "name", ["celia fetches shares from hugo", "simulated PSRD: blocks before M3 and later"]
)
def test_a_captured_session(run: Run, tmp_path: Path, name: str, size: int, container: Any) -> None:
    session = SESSIONS[name]
    (tmp_path / "made.pcap").write_bytes(container(packets_of(session, size)))
    status, said, _ = run("capture", tmp_path / "made.pcap", "--json")
    found = [json.loads(line) for line in said.splitlines()]
    assert status == 0
    assert [(one["direction"], one["name"], one["length"]) for one in found] == [
        (piece["direction"], piece["name"], len(piece["bytes"]) // 2) for piece in session["pieces"]
    ]


def test_a_real_capture(run: Run) -> None:
    """Real nodes, captured: the dissector's sample."""
    status, said, _ = run("capture", PROJECT / "scripts" / "wireshark" / "sample.pcap", "--json")
    found = [json.loads(line) for line in said.splitlines()]
    assert (status, [one for one in found if one["problem"]]) == (0, [])
    assert {name for name, _, _ in MESSAGES.values()} - {"WRAP"} <= {one["name"] for one in found}


def test_a_wrapped_session_in_a_capture_shows_its_wrap_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "made.pcap").write_bytes(pcap(packets_of(SESSIONS[WRAPPED], 1400)))
    status, said, _ = run("capture", tmp_path / "made.pcap", "--port", HUB[1])
    assert status == 0
    assert said.count("WRAP") == 2
    assert said.count("wrapped") == sum("wrapped" in piece for piece in SESSIONS[WRAPPED]["pieces"])
    assert "REGISTER" not in said


def test_a_capture_that_ends_within_a_piece(run: Run, tmp_path: Path) -> None:
    packets = list(packets_of(SESSIONS[WRAPPED], 20))
    for what, some in (("ends within a piece", packets[:7]), ("bytes are missing", packets[:3])):
        (tmp_path / "cut.pcap").write_bytes(pcap(iter(some)))
        status, said, _ = run("capture", tmp_path / "cut.pcap")
        assert status == 1
        assert what in said


@pytest.mark.parametrize("data", [b"", b"no capture", b"\x0a\x0d\x0d\x0a" + bytes(8)])
def test_what_is_no_capture(run: Run, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    status, _, error = run("capture", tmp_path / "file")
    assert (status, error.count("\n")) == (2, 1)


# --- whatever comes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [WRAPPED, "simulated PSRD: blocks before M3 and later"])
@pytest.mark.parametrize("known", [True, False])
def test_altered_pieces_are_told_of(name: str, known: bool) -> None:
    """Bytes that are changed, cut or out of place: a problem of that piece, and no exception."""
    session, rng = SESSIONS[name], random.Random(name)
    for _ in range(40):
        conversation = Conversation(secrets_of(session) if known else None)
        for piece in session["pieces"]:
            data = bytearray.fromhex(piece["bytes"])
            if rng.random() < 0.1:
                data[rng.randrange(4, len(data))] ^= 1 << rng.randrange(8)
            if rng.random() < 0.03:
                del data[rng.randrange(5, len(data)) :]
            if rng.random() < 0.97:
                found = conversation.take(piece["direction"], bytes(data))
                assert not (found.authentic and bytes(data).hex() != piece["bytes"])


@pytest.mark.parametrize("container", [pcap, pcapng])
def test_altered_captures(tmp_path: Path, run: Run, container: Any) -> None:
    whole, rng = container(packets_of(SESSIONS[WRAPPED], 100)), random.Random(1)
    for number in range(60):
        data = bytearray(whole)
        for _ in range(3):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (tmp_path / "altered").write_bytes(data[: rng.randrange(len(data))] if number % 3 else data)
        assert run("capture", tmp_path / "altered")[0] in (0, 1, 2)


# --- the rest -----------------------------------------------------------------------------------------------


def test_pieces_as_text(run: Run) -> None:
    pieces = SESSIONS["carol puts shares at hank"]["pieces"]
    of_hub = " ".join(piece["bytes"] for piece in pieces if piece["direction"] == "H")
    status, said, _ = run("hex", of_hub, "--from", "H")
    assert status == 0
    assert [
        name
        for name in ("M0", "M2", "M4", "REGISTERED", "LOCATED", "PUT_SHARES_ACK")
        if f"  {name}  " in said
    ]
    assert "clients:\n      0: 'celia'" in said
    assert "codes: 0 OK 0 OK" in said


@pytest.mark.parametrize(
    ("hexadecimal", "problem"),
    [
        ("00000000", "a length of 0"),
        ("00000002", "cut short"),
        ("0000000191", "no handshake message has this form"),
    ],
)
def test_what_is_malformed(run: Run, hexadecimal: str, problem: str) -> None:
    status, said, error = run("hex", hexadecimal)
    assert status == 1
    assert problem in said + error


@pytest.mark.parametrize("name", ["M0", "M1", "M2", "M3", "M4"])
def test_a_handshake_message_tells_who_has_sent_it(run: Run, name: str) -> None:
    [piece] = [one for one in SESSIONS["carol puts shares at hank"]["pieces"] if one["name"] == name]
    status, said, _ = run("hex", piece["bytes"])
    assert status == 0
    assert said.startswith("H -> C  " + name if piece["direction"] == "H" else "C -> H  " + name)


def test_no_hexadecimal_text(run: Run) -> None:
    assert run("hex", "xyz")[0] == 2


def test_a_session_with_its_pools(run: Run) -> None:
    status, said, _ = run("session", WRAPPED)
    assert status == 0
    assert "client: 4000000000" in said
    assert "NOT AUTHENTIC" not in said
    assert run("session", "nobody's")[0] == 2


def test_text_of_a_peer_moves_no_cursor(run: Run) -> None:
    reason = "\x1b[2J\nM9"
    body = b"\x92\x09" + bytes([0xA0 + len(reason)]) + reason.encode()
    head = struct.pack(
        ">IBBBIBQBIBQBI", 53 + len(body), 0x97, 5, 0xCE, 1, 0xCF, 0, 0xCE, 0, 0xCF, 0, 0xC6, len(body)
    )
    status, said, _ = run("hex", (head + body + b"\xc4\x10" + bytes(16)).hex(), "--from", "H")
    assert status == 0
    assert "\x1b" not in said and "\nM9" not in said


def test_a_bundle(run: Run, tmp_path: Path) -> None:
    files = {case["name"]: case["file"] for case in load("bundles")["bundles"]}
    for name, shown in (("going on", True), ("sealed", False)):
        (tmp_path / name).write_bytes(bytes.fromhex(files[name]))
        status, said, _ = run("bundle", tmp_path / name)
        assert (status, "window:" in said) == (0, shown)
    (tmp_path / "cut").write_bytes(bytes.fromhex(files["sealed"])[:-1])
    assert run("bundle", tmp_path / "cut")[0] == 1


def test_a_vector_that_is_wrong(run: Run, tmp_path: Path) -> None:
    text = (VECTORS / "frames.json").read_text(encoding="ascii")
    (tmp_path / "frames.json").write_text(text.replace('"ack": 65536', '"ack": 65535'), encoding="ascii")
    status, said, _ = run("vectors", tmp_path)
    assert status == 1
    assert "frames.json" in said and "another header" in said
    status, said, _ = run("vectors", tmp_path, "--json")
    assert (status, json.loads(said)["disagreements"][0][0]) == (1, "REGISTER")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("shamir", ("sharings", 1, "n")),
        ("shamir", ("sharings", 1, "subsets", 2, "lagrange_at_0", 1)),
        ("gfp", ("sharings", 1, "subsets", 2, "xs", 0)),
        ("gfp", ("sharings", 1, "subsets", 2, "lagrange_at_0", 1)),
        ("handshakes", ("handshakes", 0, "messages", 1, "mac_input")),
        ("handshakes", ("handshakes", 0, "messages", 3, "tag_input")),
        ("handshakes", ("handshakes", 0, "hash_keys", "hub")),
        ("handshakes", ("handshakes", 0, "client_state", "told_before")),
        ("handshakes", ("handshakes", 0, "hub_state", "told_before")),
        ("bundles", ("bundles", 0, "manifest", 1)),
        ("bundles", ("bundles", 1, "sha256")),
    ],
)
def test_each_value_of_a_vector_counts(run: Run, tmp_path: Path, name: str, place: tuple[Any, ...]) -> None:
    document = deepcopy(load(name))
    *way, last = place
    inner: Any = document
    for step in way:
        inner = inner[step]
    inner[last] = inner[last] + 1 if isinstance(inner[last], int) else _another_digit(inner[last])
    (tmp_path / f"{name}.json").write_text(json.dumps(document), encoding="ascii")
    status, said, _ = run("vectors", tmp_path)
    assert (status, ", 1 disagreements" in said) == (1, True)


def _another_digit(text: str) -> str:
    """The same but for its tenth digit."""
    return text[:9] + format(int(text[9], 16) ^ 1, "x") + text[10:]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"protocol": "DSKE", "version": 2, "frames": []}', "not of DSKE, version 1"),
        ("[]", "not of DSKE, version 1"),
        ('{"protocol": "DSKE", "version": 1}', "KeyError"),
        ('{"protocol": "DSKE", "version": 1, "frames": [1]}', "TypeError"),
        ('{"protocol": "DSKE", "version": 1, "frames": []}', "no cases"),
    ],
)
def test_what_are_no_vectors_of_this_version(run: Run, tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "frames.json").write_text(text, encoding="ascii")
    status, said, _ = run("vectors", tmp_path / "frames.json")
    assert status == 1
    assert problem in said


def test_a_directory_without_vectors(run: Run, tmp_path: Path) -> None:
    status, _, error = run("vectors", tmp_path)
    assert status == 2
    assert "no vectors" in error
