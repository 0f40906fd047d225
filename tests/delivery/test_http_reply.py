"""Replies whose head and body leave in one write."""

from __future__ import annotations

import asyncio
import email.utils
import socket
import time

import pytest

from dsked.delivery import http_reply
from dsked.delivery.http_reply import Reply, ReplyHead
from dsked.delivery.http_server import HttpServer

BODY = b'{"keys":[]}'
LIMIT_S = 10.0


@pytest.fixture
async def http():
    head = ReplyHead({"Content-Type": "application/json", "Server": "dsked"})

    async def handle(request):
        return Reply(head, BODY * int(request.rel_url.query.get("times", "1")))

    server = HttpServer(handle)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


async def replies(http, sent):
    """Everything that is answered to these bytes, until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(sent)
    async with asyncio.timeout(LIMIT_S):
        reply = await reader.read()
    writer.close()
    return reply


def parted(reply):
    head, _, body = reply.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    assert status.endswith(" 200 OK")
    return status, dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize(
    ("version", "asked", "told"),
    [
        ("1.1", "Connection: close\r\n", "close"),
        ("1.0", "", None),
        ("1.0", "Connection: close\r\n", None),
    ],
)
async def test_the_last_reply_of_a_connection(http, version, asked, told):
    reply = await replies(http, f"GET / HTTP/{version}\r\nHost: x\r\n{asked}\r\n".encode())
    status, headers, body = parted(reply)
    assert status == f"HTTP/{version} 200 OK"
    assert headers.pop("Connection", None) == told
    assert email.utils.parsedate_to_datetime(headers.pop("Date")).timestamp() <= time.time()
    assert headers == {
        "Content-Type": "application/json",
        "Server": "dsked",
        "Content-Length": str(len(BODY)),
    }
    assert body == BODY


@pytest.mark.parametrize(
    ("version", "asked", "told"),
    [("1.1", b"", b""), ("1.0", b"Connection: keep-alive\r\n", b"\r\nConnection: keep-alive")],
)
async def test_a_connection_that_stays(http, version, asked, told):
    first = b"GET / HTTP/%s\r\nHost: x\r\n%s\r\n" % (version.encode(), asked)
    reply = await replies(http, first + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, between, last = reply.partition(b"\r\n\r\n" + BODY)
    assert between and last.startswith(b"HTTP/1.1 200 OK\r\n") and last.endswith(BODY)
    assert head.endswith(b"\r\nContent-Length: %d%s" % (len(BODY), told))


async def test_an_empty_body_has_a_length(http):
    reply = await replies(http, b"GET /?times=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    _status, headers, body = parted(reply)
    assert (headers["Content-Length"], body) == ("0", b"")


async def test_the_date_is_the_presents(http, monkeypatch):
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for second in (784111777.9, 784111778.0):  # RFC 9110's example, 5.6.7
        monkeypatch.setattr(http_reply.time, "time", lambda second=second: second)
        _status, headers, _body = parted(await replies(http, request))
        assert headers["Date"] == f"Sun, 06 Nov 1994 08:49:{int(second) % 60} GMT"


async def test_who_does_not_read_is_not_served_on(http):
    """Replies that nobody takes do not heap up: the next request waits for them."""
    large = b"GET /?times=1000000 HTTP/1.1\r\nHost: x\r\n\r\n"  # 11 MB each
    with socket.create_connection(("127.0.0.1", http.port)) as client:
        client.sendall(large * 20)
        for _ in range(200):
            await asyncio.sleep(0)
        assert http._runner.server.requests_count == 1
