"""The HTTP server around the ETSI application: bodies, what is no HTTP, limits, start and close."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import zlib

import pytest

from dsked import limits
from dsked.chosen_limits import with_values
from dsked.delivery import etsi, http_server
from dsked.delivery.etsi import caller_of_authorization, create_app
from dsked.delivery.http_server import HttpServer
from dsked.errors import ConfigurationError

from .raw_http import KEYS, raw_reply

LIMIT_S = 10.0


async def test_a_body_over_the_limit(call, quiet):
    body = b'{"more": "' + b"x" * limits.MAX_HTTP_BODY_BYTES + b'"}'
    status, document, _headers = await call("POST", f"{KEYS}/sunny/enc_keys", data=body)
    assert (status, document) == (400, {"message": "the body has more than 131072 bytes"})


async def test_a_body_that_unpacks_to_more_than_the_limit(call, quiet):
    bomb = zlib.compress(b"[" + b" " * 5_000_000 + b"]")
    status, document, _headers = await call(
        "POST", f"{KEYS}/sunny/enc_keys", data=bomb, headers={"Content-Encoding": "deflate"}
    )
    assert (status, "message" in document) == (400, True)


HEAD = b"POST /api/v1/keys/sunny/enc_keys HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # a TLS client
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000 + b"\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 2\r\n\r\n{}GARBAGE\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot hexadecimal\r\n",
        HEAD + b"Content-Encoding: deflate\r\nContent-Length: 4\r\nConnection: close\r\n\r\nxxxx",
        b"\xff" * 9000,
    ],
)
async def test_what_is_no_http_gets_a_400_and_no_line_in_the_log(http, quiet, sent):
    head, body = (await raw_reply(http, sent)).split(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 400 Bad Request"
    assert {"Content-Type: application/json", "Server: dsked", "Connection: close"} <= set(lines)
    assert "aiohttp" not in head.decode()
    assert list(json.loads(body)) == ["message"] and b"xff" not in body
    assert body.startswith(b'{"message":"')


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (
            b"X: a\x01b\r\n\r\n",
            "the request cannot be read: expected HTTP/1.1, without control characters in its head",
        ),
        (b"X: " + b"a" * 9000 + b"\r\n\r\n", "a line of the request's head is too long: 8190 bytes are"),
    ],
)
async def test_what_is_wrong_with_a_head_is_told_and_not_repeated(http, quiet, sent, reason):
    body = (await raw_reply(http, HEAD + sent)).split(b"\r\n\r\n")[1]
    assert json.loads(body)["message"].startswith(reason)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_body_that_waits_to_be_asked_for(http, quiet, version):
    """`Expect: 100-continue` (RFC 9110, 10.1.1), as curl sends it; HTTP/1.0 does not know it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(
        HEAD.replace(b"1.1", version.encode()) + b"Expect: 100-continue\r\nContent-Length: 12\r\n\r\n"
    )
    if version == "1.1":
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b'{"number":2}')
    reply = await reader.readuntil(b"]}")
    assert reply.startswith(f"HTTP/{version} 200 ".encode())
    assert len(json.loads(reply.split(b"\r\n\r\n")[1])["keys"]) == 2
    writer.close()


async def test_a_body_that_breaks_off(http, call, quiet):
    _reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    writer.close()
    await writer.wait_closed()
    assert (await call("GET", f"{KEYS}/sunny/status"))[0] == 200


# --- limits of the server ---


async def test_a_connection_too_many(http, call, keys, quiet):
    """What has no request under way makes room; who is being served does not."""
    http._known.most = 1
    idle_reader, idle = await asyncio.open_connection("127.0.0.1", http.port)
    assert (await call("GET", f"{KEYS}/sunny/status"))[0] == 200
    assert await idle_reader.read() == b""
    idle.close()
    keys.hold, held = True, asyncio.Event()
    keys.on_held = held.set
    asking = asyncio.create_task(call("GET", f"{KEYS}/sunny/status"))
    await held.wait()
    reply = await raw_reply(http, b"")
    assert reply.startswith(b"HTTP/1.1 503 ")
    assert json.loads(reply.split(b"\r\n\r\n")[1]) == {"message": "too many connections"}
    keys.release()
    assert (await asking)[0] == 200


async def test_connections_that_are_gone_make_no_room(http, keys):
    """Else whoever comes and goes a thousand times could hold a thousand connections after that."""
    http._known.most = 2
    for _ in range(20):
        _reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        writer.close()
        await writer.wait_closed()
    held = [await asyncio.open_connection("127.0.0.1", http.port) for _ in range(6)]
    ends = [asyncio.create_task(reader.read()) for reader, _writer in held]
    done, open_ones = await asyncio.wait(ends[:4], timeout=30)
    assert (len(done), len(open_ones)) == (4, 0), "the oldest made room"
    assert not any(end.done() for end in ends[4:])
    assert (len(http._known.idle), len(http._silent), len(http._runner.server.connections)) == (2, 2, 2)
    for _reader, writer in held:
        writer.close()
    await asyncio.wait(ends)


async def _never(begun):
    begun.set()
    await asyncio.Event().wait()


async def test_a_request_that_takes_too_long_makes_room(http, call, keys, monkeypatch, quiet):
    """A body that comes slowly, say; no key request takes so long."""
    http._known.most = 1
    http._known._patience_s = 0.0
    begun = asyncio.Event()
    monkeypatch.setattr(etsi, "_body", lambda request: _never(begun))
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    await begun.wait()
    assert (await call("GET", f"{KEYS}/sunny/status"))[0] == 200
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET /api/v1/keys/sunny/enc_keys HTTP/1.1\r\nHos"])
async def test_who_says_nothing_whole_is_cut_off(monkeypatch, keys, quiet, sent):
    monkeypatch.setattr(http_server, "HTTP_REQUEST_TIMEOUT_S", 0.01)
    server = HttpServer(create_app(keys, caller_of_authorization(keys)))
    await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    with contextlib.suppress(ConnectionResetError):  # what was sent was never read
        assert await reader.read() == b""
    writer.close()
    await server.close()


async def test_a_body_that_does_not_come(monkeypatch, keys, quiet):
    monkeypatch.setattr(etsi, "HTTP_REQUEST_TIMEOUT_S", 0.01)
    monkeypatch.setattr(http_server, "HTTP_LINGER_S", 0.01)
    server = HttpServer(create_app(keys, caller_of_authorization(keys)))
    await server.start("127.0.0.1", 0)
    reply = await raw_reply(server, HEAD + b"Content-Length: 100\r\nConnection: close\r\n\r\n{")
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b'{"message":"the body is not whole after 0.01 s"}' in reply
    await server.close()


async def test_a_connection_that_spoke_is_not_cut_off(http, call):
    assert (await call("GET", f"{KEYS}/sunny/status"))[0] == 200
    assert http._silent == {}


# --- start and close ---


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])
async def test_plain_http_is_for_loopback_only(keys, host):
    server = HttpServer(create_app(keys, caller_of_authorization(keys)))
    with pytest.raises(ConfigurationError, match="loopback only"):
        await server.start(host, 0)
    await server.close()


async def test_a_port_that_is_taken(http, keys):
    second = HttpServer(create_app(keys, caller_of_authorization(keys)))
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1 port {http.port}: .*in use"):
        await second.start("127.0.0.1", http.port)
    await second.close()


async def test_close_lets_the_port_go_at_once_with_connections_open(keys, quiet):
    server = HttpServer(create_app(keys, caller_of_authorization(keys)))
    await server.start("127.0.0.1", 0)
    port = server.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/keys/sunny/status HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"}")
    await server.close()
    await server.close()
    again = HttpServer(create_app(keys, caller_of_authorization(keys)))
    await again.start("127.0.0.1", port)
    await again.close()
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("grace_s", [0.0, 0.01])
@pytest.mark.parametrize("reloaded", [False, True])
async def test_close_does_not_wait_long_for_a_request(keys, quiet, grace_s, reloaded):
    """Nor for ever where it is to wait for 0 s; what is read again on SIGHUP counts."""
    little, long = with_values({"shutdown_grace_s": grace_s}), with_values({"shutdown_grace_s": 60})
    server = HttpServer(create_app(keys, caller_of_authorization(keys)), long if reloaded else little)
    if reloaded:
        server.use_limits(little)
    await server.start("127.0.0.1", 0)
    keys.hold = True
    held = asyncio.Event()
    keys.on_held = held.set
    _reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /api/v1/keys/sunny/enc_keys HTTP/1.1\r\nHost: x\r\n\r\n")
    await held.wait()
    async with asyncio.timeout(LIMIT_S):
        await server.close()
    keys.release()
    writer.close()


async def test_close_lets_a_request_finish(keys, quiet):
    long = with_values({"shutdown_grace_s": 60})
    server = HttpServer(create_app(keys, caller_of_authorization(keys)), long)
    await server.start("127.0.0.1", 0)
    keys.hold = True
    held = asyncio.Event()
    keys.on_held = held.set
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /api/v1/keys/sunny/enc_keys HTTP/1.1\r\nHost: x\r\n\r\n")
    await held.wait()
    closing = asyncio.create_task(server.close())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not closing.done()
    keys.release()
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    await closing
    writer.close()


def test_only_etsi_loads_aiohttp():
    program = (
        "import sys, dsked.delivery.control, dsked.delivery.etsi_messages; print('aiohttp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
