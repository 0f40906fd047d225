"""Handshakes that fail, take too long, or are too many: what the peer sees, and what the log says."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import select
import ssl

import pytest

from dsked.chosen_limits import DEFAULT_LIMITS
from dsked.delivery import handshakes
from dsked.delivery import tls as tls_module
from dsked.delivery.etsi import create_app
from dsked.delivery.http_server import HttpServer
from dsked.delivery.identity import caller_of_certificate
from dsked.delivery.tls import Tls, TlsConnection
from dsked.errors import ConfigurationError

from . import tls_client
from .pki import Pki

PATH = "/api/v1/keys/sunny/enc_keys"
LIMIT_S = 10.0
FEW = dataclasses.replace(DEFAULT_LIMITS, max_http_connections=8)  # two for strangers
FAILED = "TLS handshake with 127.0.0.1 port N failed"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def sam(pki):
    return pki.client_context(pki.encryptor("sam"))


@pytest.fixture
def tls(pki):
    return Tls(pki.settings())


@pytest.fixture
async def https(keys, tls):
    server = HttpServer(create_app(keys, caller_of_certificate(keys)), FEW, tls=tls)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


async def connect(https):
    """A TCP connection that says nothing yet."""
    return await asyncio.open_connection("127.0.0.1", https.port)


async def until(condition):
    """Waits for other parties of this process only."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def exchange(https, sent):
    """All that comes back for these bytes, until the end."""
    reader, writer = await connect(https)
    writer.write(sent)
    async with asyncio.timeout(LIMIT_S):
        reply = await reader.read()
    writer.close()
    return reply


def lines(caplog):
    return [re.sub(r"port \d+", "port N", line) for line in caplog.messages]


async def served(https, context):
    answer = await asyncio.to_thread(tls_client.ask, https.port, context, PATH)
    return answer.status == 200


# --- what fails ---


async def test_plain_http_is_told_to_use_https(https, caplog, monkeypatch):
    monkeypatch.setattr(tls_module, "HTTP_LINGER_S", 0.0)
    reply = await exchange(https, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, body = reply.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") and f"Content-Length: {len(body)}".encode() in head
    assert b"this port speaks HTTPS" in body
    await until(lambda: caplog.messages)
    assert lines(caplog) == [f"{FAILED}: it speaks plain HTTP: expected HTTPS"]


async def test_what_is_no_tls(https, caplog, monkeypatch):
    monkeypatch.setattr(tls_module, "HTTP_LINGER_S", 0.0)
    reply = await exchange(https, b"\x00" * 64)
    assert reply[:1] in (b"", b"\x15"), "nothing, or an alert"
    await until(lambda: caplog.messages)
    [line] = lines(caplog)
    assert line.startswith(f"{FAILED}: ")


async def test_a_client_that_goes_at_once_is_no_line_in_the_log(https, sam, quiet):
    """As the checks of load balancers do."""
    _reader, writer = await connect(https)
    writer.close()
    await writer.wait_closed()
    assert await served(https, sam)


async def test_a_client_that_does_not_trust_us_is_told_of(https, caplog):
    """Its alert says so: the operator learns which side is to be mended."""
    stranger = ssl.create_default_context()
    answer = await asyncio.to_thread(tls_client.ask, https.port, stranger, PATH)
    assert answer.alert == "CERTIFICATE_VERIFY_FAILED"
    await until(lambda: caplog.messages)
    [line] = lines(caplog)
    assert line.startswith(f"{FAILED}: it ended the handshake with the alert unknown_ca")


@pytest.mark.parametrize(
    ("change", "alert", "reason"),
    [
        ({"maximum_version": ssl.TLSVersion.TLSv1_1}, "TLSV1_ALERT_PROTOCOL_VERSION", "too old for minimum"),
        ({"ciphers": "AES128-GCM-SHA256"}, "SSLV3_ALERT_HANDSHAKE_FAILURE", "offers no cipher suite of ours"),
        ({"ciphers": "ECDHE-ECDSA-AES128-SHA256"}, "SSLV3_ALERT_HANDSHAKE_FAILURE", "no cipher suite"),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_what_is_too_old_or_too_weak(https, pki, caplog, change, alert, reason):
    context = pki.client_context()
    context.maximum_version = change.get("maximum_version", ssl.TLSVersion.TLSv1_2)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers(change.get("ciphers", "ALL") + ":@SECLEVEL=0")
    assert (await asyncio.to_thread(tls_client.ask, https.port, context, PATH)).alert == alert
    await until(lambda: caplog.messages)
    [line] = lines(caplog)
    assert line.startswith(FAILED) and reason in line


async def test_who_goes_on_talking_after_the_alert_is_not_listened_to(https, pki, caplog, monkeypatch):
    """What it says is thrown away, not kept, and the connection ends without it."""
    kept, real = [], TlsConnection.do_handshake

    def do_handshake(self):
        try:
            real(self)
        finally:
            kept.append(self._incoming.pending)

    monkeypatch.setattr(TlsConnection, "do_handshake", do_handshake)
    monkeypatch.setattr(tls_module, "HTTP_LINGER_S", 0.5)  # it comes to say something, on a busy machine too
    context = pki.client_context(pki.expired("sam"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3

    def talk():
        """Until the server has ended the connection; the window may be full by then, and stays so."""
        connection = tls_client.Connection(https.port, context)
        connection.socket.setblocking(False)
        ended = select.POLLRDHUP | select.POLLHUP | select.POLLERR
        poll = select.poll()
        poll.register(connection.socket, select.POLLOUT | ended)
        try:
            while True:
                [(_, events)] = poll.poll(LIMIT_S * 1000)
                if events & ended:
                    break
                with contextlib.suppress(ssl.SSLWantWriteError):
                    connection.socket.send(bytes(65536))
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
            pass
        finally:
            connection.close()

    await asyncio.to_thread(talk)
    assert len(caplog.messages) == 1
    assert len(kept) > 3 and not any(kept)


async def test_a_handshake_that_takes_too_long(keys, pki, caplog, monkeypatch):
    monkeypatch.setattr(handshakes, "TLS_HANDSHAKE_TIMEOUT_S", 0.05)
    server = HttpServer(create_app(keys, caller_of_certificate(keys)), tls=Tls(pki.settings()))
    await server.start("127.0.0.1", 0)
    reader, writer = await connect(server)
    async with asyncio.timeout(LIMIT_S):
        assert await reader.read() == b""
    writer.close()
    await until(lambda: caplog.messages)
    assert lines(caplog) == [f"{FAILED}: it took too long"]
    await server.close()


# --- too many ---


async def test_the_oldest_handshake_goes_for_a_new_one(https, sam, quiet):
    """Who connects and says nothing, again and again, keeps nobody out."""
    silent = [await connect(https) for _ in range(20)]
    await until(lambda: len(https._handshakes._under_way) == 2)
    ends = [asyncio.create_task(reader.read()) for reader, _writer in silent]
    await asyncio.wait(ends[:18], timeout=LIMIT_S)
    assert [end.done() for end in ends] == [True] * 18 + [False] * 2
    assert await served(https, sam)
    for _reader, writer in silent:
        writer.close()
    await asyncio.wait(ends)


async def test_handshakes_and_connections_together_keep_to_the_limit(https, sam):
    """Idle connections go for new ones, and none for handshakes, which have a quarter of all."""
    kept = [await asyncio.to_thread(tls_client.Connection, https.port, sam) for _ in range(12)]
    await until(lambda: len(https._known) == 6 and not https._handshakes._under_way)
    silent = [await connect(https) for _ in range(6)]
    ends = [asyncio.create_task(reader.read()) for reader, _writer in silent]
    await asyncio.wait(ends[:4], timeout=LIMIT_S)
    assert [end.done() for end in ends] == [True] * 4 + [False] * 2
    answers = [await asyncio.to_thread(connection.ask, PATH) for connection in kept[6:]]
    assert [answer.status for answer in answers] == [200] * 6
    for connection in kept:
        connection.close()
    for _reader, writer in silent:
        writer.close()
    await asyncio.wait(ends)


async def test_where_all_are_being_served_a_newcomer_is_told_to_come_back(https, sam, keys, quiet):
    keys.hold = True
    ends = [await asyncio.open_connection("127.0.0.1", https.port, ssl=sam) for _ in range(6)]
    for _reader, writer in ends:
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    await until(lambda: len(https._known.busy) == 6)
    answer = await asyncio.to_thread(tls_client.ask, https.port, sam, PATH)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    keys.release()
    for reader, writer in ends:
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_closing_does_not_wait_for_handshakes(keys, pki, monkeypatch):
    monkeypatch.setattr(handshakes, "TLS_HANDSHAKE_TIMEOUT_S", 1e6)
    server = HttpServer(create_app(keys, caller_of_certificate(keys)), tls=Tls(pki.settings()))
    await server.start("127.0.0.1", 0)
    silent = [await connect(server) for _ in range(3)]
    await until(lambda: len(server._handshakes._under_way) == 3)
    async with asyncio.timeout(LIMIT_S):
        await server.close()
        assert [await reader.read() for reader, _writer in silent] == [b""] * 3
    for _reader, writer in silent:
        writer.close()
    assert not server._handshakes._under_way


# --- where it listens ---


async def test_without_tls_any_address_but_loopback_needs_a_word(keys, pki):
    handle = create_app(keys, caller_of_certificate(keys))
    with pytest.raises(ConfigurationError, match="plain HTTP is for loopback only"):
        await HttpServer(handle).start("0.0.0.0", 0)
    for server in (HttpServer(handle, insecure=True), HttpServer(handle, tls=Tls(pki.settings()))):
        await server.start("0.0.0.0", 0)
        assert server.port
        await server.close()


# --- after the handshake ---


async def test_what_is_no_record_ends_a_connection_without_a_traceback(https, sam, quiet):
    """Somebody on the wire changes bytes, or the client goes without a word."""
    for last in (b"\x17\x03\x03\x00\x10" + bytes(16), b"nonsense", b""):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = sam.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        reader, writer = await connect(https)
        await _shake_hands(client, incoming, outgoing, reader, writer)
        writer.write(last)
        if last:
            async with asyncio.timeout(LIMIT_S):
                await reader.read()
        writer.close()
        await until(lambda: not https._known)
    assert await served(https, sam)


async def _shake_hands(client, incoming, outgoing, reader, writer):
    while True:
        try:
            client.do_handshake()
            writer.write(outgoing.read())
            client.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            writer.write(outgoing.read())
            while not client.pending() and not _got(client):
                incoming.write(await reader.read(65536))
            return
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
            incoming.write(await reader.read(65536))


def _got(client):
    try:
        return client.read(65536)
    except ssl.SSLWantReadError:
        return b""
