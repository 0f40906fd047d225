"""TCP streams out of pcap and pcapng files: Ethernet, Linux cooked, raw IP; IPv4 and IPv6."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple


class CaptureError(Exception):
    """The file is no capture that this reader takes."""


Address = tuple[bytes, int]


class Segment(NamedTuple):
    """One TCP segment."""

    source: Address
    target: Address
    sequence: int
    syn: bool
    data: bytes


class Stream:
    """One direction of a connection: `data`, the bytes in order that were not dropped, from byte `at` on."""

    def __init__(self) -> None:
        self.at = 0
        self.data = bytearray()
        self._next: int | None = None
        self._later: dict[int, bytes] = {}

    def take(self, segment: Segment) -> None:
        """Bytes that came; what comes early waits, what comes again is dropped."""
        start = segment.sequence + 1 if segment.syn else segment.sequence
        if self._next is None or segment.syn:
            self._next = start
        if segment.data:
            self._later[start] = max(self._later.get(start, b""), segment.data, key=len)
        while (found := self._ready(self._next)) is not None:
            self.data += found
            self._next = (self._next + len(found)) & 0xFFFFFFFF

    @property
    def lacks(self) -> bool:
        """True while bytes wait for others that come before them."""
        return bool(self._later)

    def drop(self, number: int) -> None:
        """So many bytes have been looked at."""
        self.at += number
        del self.data[:number]

    def _ready(self, wanted: int) -> bytes | None:
        for start in sorted(self._later, key=lambda one: (one - wanted + (1 << 31)) & 0xFFFFFFFF):
            behind = (wanted - start) & 0xFFFFFFFF
            if behind >= 1 << 31:
                return None  # a gap
            data = self._later.pop(start)[behind:]
            if data:
                return data
        return None


def segments(data: bytes) -> Iterator[Segment]:
    """The TCP segments of a capture file. Raises CaptureError."""
    try:
        for link, packet in _packets(data):
            found = _segment(_ip(link, packet))
            if found is not None:
                yield found
    except (struct.error, IndexError):
        raise CaptureError("the capture is damaged, or cut short") from None


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        yield from _pcapng(data)
        return
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<",
             b"\xa1\xb2\x3c\x4d": ">"}.get(data[:4])  # fmt: skip
    if order is None or len(data) < 24:
        raise CaptureError("neither pcap nor pcapng")
    link, at = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF, 24
    while at + 16 <= len(data):
        length = struct.unpack_from(order + "I", data, at + 8)[0]
        yield link, data[at + 16 : at + 16 + length]
        at += 16 + length


def _pcapng(data: bytes) -> Iterator[tuple[int, bytes]]:
    links: list[int] = []
    at, order = 0, "<"
    while at + 12 <= len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order, links = ("<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"), []
        kind, length = struct.unpack_from(order + "II", data, at)
        if length < 12:
            raise CaptureError(f"a block of {length} bytes at byte {at}")
        if kind == 1:
            links.append(struct.unpack_from(order + "H", data, at + 8)[0])
        elif kind == 6:
            interface, _, _, captured = struct.unpack_from(order + "IIII", data, at + 8)
            yield links[interface], data[at + 28 : at + 28 + captured]
        at += length


#: Link type -> (bytes before the EtherType, bytes before the packet); None: the packet is there at once.
_LINKS = {1: (12, 14), 113: (14, 16), 276: (0, 20)}


def _ip(link: int, packet: bytes) -> bytes:
    if link in (12, 101, 228, 229):
        return packet
    if link == 0:
        return packet[4:]
    if link not in _LINKS:
        raise CaptureError(f"link type {link} is not known here")
    at, start = _LINKS[link]
    while packet[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):  # VLAN
        at, start = at + 4, start + 4
    return packet[start:] if packet[at : at + 2] in (b"\x08\x00", b"\x86\xdd") else b""


def _segment(packet: bytes) -> Segment | None:
    version = packet[0] >> 4 if len(packet) >= 20 else 0
    if version == 4 and packet[9] == 6:
        header, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
        source, target, tcp = packet[12:16], packet[16:20], packet[header : total or len(packet)]
    elif version == 6 and packet[6] == 6 and len(packet) >= 40:
        total = int.from_bytes(packet[4:6], "big")
        source, target, tcp = packet[8:24], packet[24:40], packet[40 : 40 + total]
    else:
        return None
    if len(tcp) < 20:
        return None
    from_port, to_port, sequence = struct.unpack_from(">HHI", tcp)
    data = tcp[(tcp[12] >> 4) * 4 :]
    return Segment((source, from_port), (target, to_port), sequence, bool(tcp[13] & 2), data)
