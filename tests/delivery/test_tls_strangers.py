"""What strangers do who reach the port: none of it costs an encryptor its connection."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from dsked.chosen_limits import DEFAULT_LIMITS
from dsked.delivery import http_server
from dsked.delivery.etsi import create_app
from dsked.delivery.http_server import HttpServer
from dsked.delivery.identity import caller_of_certificate
from dsked.delivery.tls import Tls

from . import tls_client
from .pki import Authority, Pki, name

PATH = "/api/v1/keys/sunny/enc_keys"
LIMIT_S = 10.0
FEW = dataclasses.replace(DEFAULT_LIMITS, max_http_connections=8)  # two of them for strangers
REQUEST = f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def sam(pki):
    return pki.client_context(pki.encryptor("sam"))


@pytest.fixture(scope="module")
def strangers(pki):
    """Without a certificate, and with one of the same CA for an encryptor of another client."""
    return {"nobody": pki.client_context(), "another's": pki.client_context(pki.encryptor("mallory"))}


@pytest.fixture
async def https(keys, pki):
    app = create_app(keys, caller_of_certificate(keys))
    server = HttpServer(app, FEW, tls=Tls(pki.settings()), serves=keys.encryptors.__contains__)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


async def _encryptors(https, sam):
    """As many connections as there are for those who are known, all of them idle."""
    kept = [await asyncio.to_thread(tls_client.Connection, https.port, sam) for _ in range(6)]
    for connection in kept:
        assert (await asyncio.to_thread(connection.ask, PATH)).status == 200
    return kept


async def _still_served(kept):
    for connection in kept:
        assert (await asyncio.to_thread(connection.ask, PATH)).status == 200
        connection.close()


async def _open(https, context):
    return await asyncio.open_connection("127.0.0.1", https.port, ssl=context)


async def _end(reader):
    with contextlib.suppress(OSError):
        async with asyncio.timeout(LIMIT_S):
            return await reader.read()


@pytest.mark.parametrize("who", ["nobody", "another's"])
async def test_who_is_no_encryptor_here_pushes_no_encryptor_out(https, sam, strangers, who):
    """Idle ones, handshakes and requests: strangers take each other's places."""
    kept = await _encryptors(https, sam)
    opened = [await _open(https, strangers[who]) for _ in range(20)]
    silent = [await asyncio.open_connection("127.0.0.1", https.port) for _ in range(20)]
    asking = [await asyncio.to_thread(tls_client.ask, https.port, strangers[who], PATH) for _ in range(3)]
    assert [answer.status for answer in asking] == [401] * 3
    await _still_served(kept)
    for _reader, writer in opened + silent:
        writer.close()


async def test_an_encryptor_that_is_new_gets_in_past_strangers(https, sam, strangers):
    """Where all places are taken, of both kinds, it gets that of the oldest idle encryptor."""
    kept = await _encryptors(https, sam)
    opened = [await _open(https, strangers["nobody"]) for _ in range(4)]
    answer = await asyncio.to_thread(tls_client.ask, https.port, sam, PATH)
    assert answer.status == 200
    await _still_served(kept[1:])
    kept[0].close()
    for _reader, writer in opened:
        writer.close()


async def test_where_no_descriptor_is_left_strangers_go_and_encryptors_stay(https, sam, strangers):
    kept = await _encryptors(https, sam)
    reader, writer = await _open(https, strangers["nobody"])
    for _ in range(8):
        https._give_up_one()
    await _end(reader)
    writer.close()
    await _still_served(kept)


async def test_one_byte_in_each_record_is_waited_for_no_longer_than_a_head_may_take(
    https, pki, sam, monkeypatch
):
    monkeypatch.setattr(http_server, "HTTP_REQUEST_TIMEOUT_S", 0.2)
    reader, writer = await _open(https, pki.client_context(pki.encryptor("sam")))
    ended = asyncio.create_task(_end(reader))
    for byte in REQUEST * 1000:
        if ended.done():
            break
        writer.write(bytes([byte]) if byte != 10 else b"x")  # its head never ends
        await asyncio.wait([ended], timeout=0.005)
    assert await ended in (b"", None)
    writer.close()
    monkeypatch.undo()
    assert (await asyncio.to_thread(tls_client.ask, https.port, sam, PATH)).status == 200


async def _s_client(https, said, *options):
    """OpenSSL's own client, which obeys commands: all that it prints."""
    process = await asyncio.create_subprocess_exec(
        "openssl", "s_client", "-connect", f"127.0.0.1:{https.port}", *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(LIMIT_S):
        while b"---\n" not in await process.stdout.readline():
            pass  # not connected yet
        printed, _ = await process.communicate(said)
    return printed


async def test_tls_1_2_is_not_negotiated_again(https, sam, quiet):
    printed = await _s_client(https, b"R\n", "-tls1_2")
    assert b"no renegotiation" in printed
    assert (await asyncio.to_thread(tls_client.ask, https.port, sam, PATH)).status == 200


async def test_a_chain_of_certificates_without_an_end(https, pki, sam, caplog):
    """Over OpenSSL's limit (100 KiB) it is not even read; below it, no CA of ours stands above it."""
    other = Authority(pki.directory, "stranger")
    one = other.path.read_bytes()
    for number in (60, 400):
        holder = other.issue(name("sam"), f"long-{number}", chain=one * number)
        answer = await asyncio.to_thread(tls_client.ask, https.port, pki.client_context(holder), PATH)
        assert answer.status is None
        assert answer.alert in ("TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_ILLEGAL_PARAMETER")
    assert len(caplog.messages) == 2
    assert all(len(line) < 300 for line in caplog.messages)
    assert (await asyncio.to_thread(tls_client.ask, https.port, sam, PATH)).status == 200


async def test_a_long_chain_above_a_certificate_that_verifies_is_verified_again_as_it_is(https, pki, keys):
    """As much as OpenSSL takes, after files were loaded anew."""
    unneeded = Authority(pki.directory, "unneeded").x509.public_bytes(Encoding.PEM)
    context = pki.client_context(pki.ca.issue(name("sam"), "laden", chain=unneeded * 120))
    connection = await asyncio.to_thread(tls_client.Connection, https.port, context)
    assert (await asyncio.to_thread(connection.ask, PATH)).status == 200
    https_tls = https._handshakes._context._tls
    https_tls.reload()
    answer = await asyncio.to_thread(connection.ask, PATH)
    assert (answer.status, answer.headers["Connection"]) == (200, "close")
    connection.close()


async def test_half_a_record_after_a_handshake_holds_no_place(https, sam, strangers, monkeypatch):
    monkeypatch.setattr(http_server, "HTTP_REQUEST_TIMEOUT_S", 0.05)
    connection = await asyncio.to_thread(tls_client.Connection, https.port, strangers["nobody"])
    with contextlib.suppress(ConnectionError):
        socket.socket.sendall(connection.socket, b"\x17\x03\x03\x40\x00" + bytes(100))  # past its TLS
        assert await asyncio.to_thread(connection.socket.recv, 100) == b""
    connection.close()
    monkeypatch.undo()
    assert (await asyncio.to_thread(tls_client.ask, https.port, sam, PATH)).status == 200
