"""What went over TCP connections, as the kernel counted it: no other process's traffic is in it.

The kernel's socket diagnostics (sock_diag(7)) give the tcp_info of every connection: payload bytes that
were acknowledged and received, and segments, those without payload included. Headers come on top of
that: 52 bytes a segment (IPv4 20, TCP 20, timestamps 12).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Container, Iterator
from typing import NamedTuple

HEADER_BYTES = 52

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_DONE, _ERROR = 3, 2
_ESTABLISHED = 1
_INFO = 2  # INET_DIAG_INFO, the attribute that holds tcp_info
_HEAD = struct.Struct("=IHHII")  # nlmsghdr
_ATTRIBUTE = struct.Struct("=HH")
_SOURCE_PORT = struct.Struct("!H")
_SOURCE_PORT_AT, _ATTRIBUTES_AT = 4, 72  # in inet_diag_msg
_COUNTERS = struct.Struct("=QQII")  # bytes_acked, bytes_received, segs_out, segs_in of tcp_info
_COUNTERS_AT = 120
_RECEIVE_BYTES = 256 * 1024


class Traffic(NamedTuple):
    """Payload bytes and segments, both directions together."""

    payload_bytes: int
    segments: int

    def since(self, before: Traffic) -> Traffic:
        """What has come in addition."""
        return Traffic(self.payload_bytes - before.payload_bytes, self.segments - before.segments)

    @property
    def wire_bytes(self) -> int:
        """With the headers of IP and TCP."""
        return self.payload_bytes + HEADER_BYTES * self.segments


def of_ports(ports: Container[int]) -> Traffic:
    """All that the present connections of these listening ports have carried since they began."""
    found = [counted for port, counted in _connections() if port in ports]
    return Traffic(sum(one.payload_bytes for one in found), sum(one.segments for one in found))


def _connections() -> Iterator[tuple[int, Traffic]]:
    """(local port, what it carried) of every established IPv4 connection of this network."""
    for message in _messages():
        (port,) = _SOURCE_PORT.unpack_from(message, _SOURCE_PORT_AT)
        for kind, value in _attributes(message):
            if kind == _INFO:
                acked, received, out, came = _COUNTERS.unpack_from(value, _COUNTERS_AT)
                yield port, Traffic(acked + received, out + came)


def _messages() -> Iterator[bytes]:
    request = struct.pack(
        "=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, 1 << _ESTABLISHED
    ) + bytes(48)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as diagnostics:
        head = _HEAD.pack(_HEAD.size + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0)
        diagnostics.send(head + request)
        while True:
            data = diagnostics.recv(_RECEIVE_BYTES)
            while data:
                length, kind, *_ = _HEAD.unpack_from(data)
                if kind == _ERROR:
                    raise OSError("the kernel gives no socket diagnostics")
                if kind == _DONE:
                    return
                yield data[_HEAD.size : length]
                data = data[_aligned(length) :]


def _attributes(message: bytes) -> Iterator[tuple[int, bytes]]:
    rest = message[_ATTRIBUTES_AT:]
    while rest:
        length, kind = _ATTRIBUTE.unpack_from(rest)
        yield kind, rest[_ATTRIBUTE.size : length]
        rest = rest[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3
