"""Capture files of TCP connections between a client and a hub, made from pieces without any network."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HUB_PORT = 7100
FIRST_CLIENT_PORT = 41_000
CLIENT, HUB = "C", "H"
_ADDRESSES = {CLIENT: bytes([192, 0, 2, 1]), HUB: bytes([192, 0, 2, 2])}
_OTHER = {CLIENT: HUB, HUB: CLIENT}
_RAW_IP = 101  # LINKTYPE_RAW: packets begin with their IP header
_PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, _RAW_IP)
_MOST_BYTES = 60_000  # of one IP packet
#: Time between two packets.
STEP_S = 0.001

Said = tuple[str, bytes]  # C or H, and what it sends in one go


def cut(said: Iterable[Said], size: int) -> list[Said]:
    """The same in segments of `size` bytes at most."""
    return [(side, data[at : at + size]) for side, data in said for at in range(0, max(len(data), 1), size)]


@dataclass(frozen=True, slots=True)
class Connection:
    """What is said on one connection, each segment a packet, of which `snapped` bytes are captured."""

    said: Sequence[Said]
    snapped: int = 262_144


def write(path: Path, connections: Sequence[Connection]) -> Path:
    """A pcap of connections, one after the other."""
    with path.open("wb") as file:
        file.write(_PCAP)
        packets = (packet for number, one in enumerate(connections) for packet in packets_of(number, one))
        for number, (packet, held) in enumerate(packets):
            at = divmod(number * int(STEP_S * 1e6), 1_000_000)
            file.write(struct.pack("<IIII", at[0], at[1], held, len(packet)) + packet[:held])
    return path


def packets_of(number: int, connection: Connection) -> Iterator[tuple[bytes, int]]:
    """The packets of a connection, and how much of each is captured."""
    sent = {CLIENT: 1, HUB: 1}
    ports = {CLIENT: FIRST_CLIENT_PORT + number, HUB: HUB_PORT}
    for side, data in cut(connection.said, _MOST_BYTES):
        other = _OTHER[side]
        packet = _ip(side, other, _tcp(ports[side], ports[other], sent[side], sent[other]) + data)
        yield packet, min(len(packet), connection.snapped)
        sent[side] += len(data)


def _tcp(source: int, target: int, sent: int, seen: int) -> bytes:
    return struct.pack(">HHIIBBHHH", source, target, sent, seen, 0x50, 0x18, 0xFFFF, 0, 0)


def _ip(side: str, other: str, payload: bytes) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, 6, 0)
    return head + _ADDRESSES[side] + _ADDRESSES[other] + payload
