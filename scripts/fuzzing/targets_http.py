"""ETSI GS QKD 014: bodies, queries and names that the daemon reads; replies that dskectl reads."""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock
from urllib.parse import unquote

from yarl import URL

from dsked.cli import etsi_client, etsi_commands
from dsked.config.topology import Client
from dsked.delivery import etsi_messages
from dsked.errors import RequestError, ServiceError
from dsked.limits import MAX_RESPONDERS

from . import words
from .target import Given, Target
from .targets_config import shown

_KEY_ID = b"0f8fad5b-d9cb-469f-a165-70867728950e"


def _key_request(body: bytes) -> object:
    request = etsi_messages.key_request_of_body(body, MAX_RESPONDERS - 1)
    assert isinstance(request.number, int) and isinstance(request.size_bits, int | None)
    assert len(request.additional) < MAX_RESPONDERS
    return request


def _key_request_bytes(value: object) -> bytes:
    assert isinstance(value, etsi_messages.KeyRequest)
    fields = {"number": value.number, "size": value.size_bits, "additional_slave_SAE_IDs": value.additional}
    return json.dumps(fields).encode()


def _key_ids(body: bytes) -> list[bytes]:
    found = etsi_messages.key_ids_of_body(body)
    assert all(len(key_id) == 16 for key_id in found)
    return found


def _key_ids_bytes(value: object) -> bytes:
    assert isinstance(value, list)
    return json.dumps({"key_IDs": [{"key_ID": _dashed(key_id.hex())} for key_id in value]}).encode()


def _dashed(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


_QUERIES: tuple[Callable[[dict[str, list[str]]], object], ...] = (
    etsi_messages.key_request_of_query,
    etsi_messages.key_ids_of_query,
)


def _query(data: bytes) -> object:
    """A query as aiohttp hands it on; the first byte tells for which method."""
    text = data[1:].decode("utf-8", "surrogateescape")
    raw = "".join(char for char in text if " " < char < "\x7f" and char != "#")
    query = URL("/?" + raw, encoded=True).query
    return _QUERIES[(data[0] if data else 0) % 2]({name: query.getall(name) for name in query})


def _sae(data: bytes) -> object:
    """The name of an encryptor, out of a path (unquoted) or a header (as it is)."""
    text = data[1:].decode("utf-8", "surrogateescape")
    if data[:1] and data[0] & 1:
        text = unquote(text)
    name = etsi_messages.sae_id(text, "slave_SAE_ID")
    name.encode()
    return name


# --- dskectl ---


class _Socket:
    """A connection on which a reply comes in pieces."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    def sendall(self, data: object) -> None:
        """It knows what it will say."""

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Pieces(iter(self._pieces)))

    def close(self) -> None:
        """It is no real one."""


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = filter(None, pieces)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:  # a buffer: Python 3.11 has no name for it
        buffer = memoryview(into)
        data = self._rest or next(self._pieces, b"")
        taken, self._rest = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


_CLIENT = Client("carol", "127.0.0.1", 8105, (), (), None, None)


def _reply(pieces: Sequence[bytes], given: Given) -> None:
    """What a client answers `etsi-qkd get-key`."""

    def connect(connection: http.client.HTTPConnection) -> None:
        connection.sock = _Socket(pieces)

    with mock.patch.object(http.client.HTTPConnection, "connect", connect):
        container = etsi_client.get(_CLIENT, "sam", "sunny", "enc_keys", size=256)
    json.dumps(container)
    given += [etsi_commands._first(container, field) for field in ("key_ID", "key")]


def _replies() -> list[bytes]:
    key = b'{"keys":[{"key_ID":"%s","key":"a2V5"}]}' % _KEY_ID
    refused = b'{"message":"size shall be a multiple of 8","details":[{"reason":"255"}]}'
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(key), key)
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    return [
        head % (b"200 OK", len(key), key),
        head % (b"400 Bad Request", len(refused), refused),
        head % (b"503 Service Unavailable", 0, b""),
        b"HTTP/1.1 100 Continue\r\n\r\n" + chunked,
    ]


TARGETS = (
    Target(
        name="http-get-key",
        what="the body of Get key",
        declared=(RequestError,),
        seeds=lambda: [
            b'{"number":3,"size":256,"extension_optional":[{"a":1}]}',
            b"{}",
            b'{"extension_mandatory":[{}]}',
        ],
        decode=_key_request,
        encode=_key_request_bytes,
        exact=False,
        words=words.JSON,
        max_bytes=8192,
    ),
    Target(
        name="http-get-key-with-key-ids",
        what="the body of Get key with key IDs",
        declared=(RequestError,),
        seeds=lambda: [b'{"key_IDs":[{"key_ID":"%s"},{"key_ID":"%s"}]}' % (_KEY_ID, _KEY_ID.upper())],
        decode=_key_ids,
        encode=_key_ids_bytes,
        exact=False,
        words=words.JSON,
        max_bytes=8192,
    ),
    Target(
        name="http-query",
        what="queries of both methods",
        declared=(RequestError,),
        seeds=lambda: [
            b"\x00number=3&size=256",
            b"\x01key_ID=" + _KEY_ID,
            b"\x00number=1&number=2&key_size=1",
        ],
        decode=_query,
        words=words.QUERY,
    ),
    Target(
        name="http-sae-id",
        what="names of encryptors in paths and in Authorization",
        declared=(RequestError,),
        seeds=lambda: [b"\x00sam", b"\x01s%C3%BCsan%209"],
        decode=_sae,
        words=words.NAMES,
    ),
    Target(
        name="http-reply",
        what="what a client answers dskectl",
        declared=(RequestError, ServiceError),
        shown=shown,
        seeds=_replies,
        stream=_reply,
        regressions=(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-10\r\n\r\n",),
        words=words.HTTP,
        max_bytes=8192,
    ),
)  # fmt: skip
