"""Files loaded anew: nobody notices who may still come, and who may not any more is out at once."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import time

import pytest

from dsked.delivery.etsi import create_app
from dsked.delivery.http_server import HttpServer
from dsked.delivery.identity import caller_of_certificate
from dsked.delivery.tls import Tls

from . import tls_client
from .pki import DAY, Authority, Pki, name

PATH = "/api/v1/keys/sunny/enc_keys"
ROUNDS = 10
REQUESTS_PER_ROUND = 12


@pytest.fixture
def pki(tmp_path):
    return Pki(tmp_path)


@pytest.fixture
def sam(pki):
    return pki.encryptor("sam")


@pytest.fixture
def tls(pki):
    return Tls(pki.settings())


@pytest.fixture
async def https(keys, tls):
    server = HttpServer(create_app(keys, caller_of_certificate(keys)), tls=tls)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


class Load:
    """Clients in threads, whose requests all must be served."""

    def __init__(self, port, context):
        self._port, self._context = port, context
        self._loop, self._came = asyncio.get_running_loop(), asyncio.Event()
        self._over = False
        self.answers, self.serials = 0, []

    async def each_request_anew(self):
        await self._run(self._one)

    async def connections_kept(self):
        """As long as the replies allow."""
        await self._run(self._until_closed)

    async def more(self):
        """So many more requests were served."""
        until = self.answers + REQUESTS_PER_ROUND
        while self.answers < until and not self._over:
            self._came.clear()
            await self._came.wait()

    def end(self):
        self._over = True

    async def _run(self, step):
        try:
            while not self._over:
                await asyncio.to_thread(step)
        finally:
            self._over = True
            self._came.set()

    def _one(self):
        assert tls_client.ask(self._port, self._context, PATH).status == 200
        self._loop.call_soon_threadsafe(self._count)

    def _until_closed(self):
        connection = tls_client.Connection(self._port, self._context)
        self.serials.append(connection.socket.getpeercert()["serialNumber"])
        stays = True
        while stays and not self._over:
            answer = connection.ask(PATH)
            assert answer.status == 200
            self._loop.call_soon_threadsafe(self._count)
            stays = answer.headers.get("Connection") != "close"
        connection.close()

    def _count(self):
        self.answers += 1
        self._came.set()


async def test_under_load_no_request_fails_while_all_files_change(pki, sam, tls, https, caplog):
    load = Load(https.port, pki.client_context(sam))
    clients = asyncio.gather(load.each_request_anew(), load.connections_kept())
    lists = b""
    for round_ in range(ROUNDS):
        pki.server_of("carol")
        pki.revoke(pki.encryptor(f"revoked-{round_}"))
        other = Authority(pki.directory, f"CA {round_}")
        lists += other.crl()
        with pki.ca.path.open("ab") as cas, pki.crl.open("ab") as crls:
            cas.write(other.path.read_bytes())
            crls.write(lists)
        tls.reload()
        await load.more()
    load.end()
    await clients
    assert load.answers >= ROUNDS * REQUESTS_PER_ROUND
    assert len(set(load.serials)) == len(load.serials) > 2, "one connection for each server certificate"
    assert caplog.messages == []


async def _connected(https, context):
    connection = await asyncio.to_thread(tls_client.Connection, https.port, context)
    assert (await asyncio.to_thread(connection.ask, PATH)).status == 200
    return connection


async def _refused(connection, keys, caplog, message):
    """The next request gets a 401 and no key, and the connection ends."""
    made = len(keys._keys)
    with contextlib.closing(connection):
        answer = await asyncio.to_thread(connection.ask, PATH)
        assert (answer.status, answer.document) == (401, {"message": message})
        assert await asyncio.to_thread(connection.socket.recv, 100) == b""
    assert len(keys._keys) == made
    [line] = caplog.messages
    assert line.endswith(f"refused (certificate CN=sam): {message}")
    caplog.clear()


async def test_a_connection_does_not_outlive_the_revocation_of_its_certificate(
    pki, sam, tls, https, keys, caplog
):
    context = pki.client_context(sam)
    connection = await _connected(https, context)
    pki.revoke(sam)
    tls.reload()
    await _refused(connection, keys, caplog, "the certificate is revoked")
    answer = await asyncio.to_thread(tls_client.ask, https.port, context, PATH)
    assert answer.alert == "SSLV3_ALERT_CERTIFICATE_REVOKED"


async def test_a_revocation_counts_while_the_body_of_a_request_is_held_back(
    pki, sam, tls, https, keys, caplog
):
    context = pki.client_context(sam)
    connection = await asyncio.to_thread(tls_client.Connection, https.port, context)
    body = b'{"number":1}'
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    await asyncio.to_thread(connection.socket.sendall, head.encode())
    said = await asyncio.to_thread(connection.socket.recv, 1000)
    assert said.startswith(b"HTTP/1.1 100 ")  # by now it is known who calls
    pki.revoke(sam)
    tls.reload()
    await asyncio.to_thread(connection.socket.sendall, body)
    reply = await asyncio.to_thread(connection.socket.makefile("rb").read)
    connection.close()
    assert reply.startswith(b"HTTP/1.1 401 ")
    message = "the certificate is revoked"
    assert message.encode() in reply
    assert keys._keys == {}
    [line] = caplog.messages
    assert line.endswith(f"refused (certificate CN=sam): {message}")


async def test_a_connection_does_not_outlive_its_ca(pki, sam, tls, https, keys, caplog):
    context = pki.client_context(sam)
    connection = await _connected(https, context)
    other = Authority(pki.directory, "other CA")
    shutil.copy(other.path, pki.ca.path)
    pki.crl.write_bytes(other.crl())
    tls.reload()
    message = "the certificate comes from an unknown CA"
    await _refused(connection, keys, caplog, message)
    answer = await asyncio.to_thread(tls_client.ask, https.port, context, PATH)
    assert answer.alert == "TLSV1_ALERT_UNKNOWN_CA"


async def test_a_connection_does_not_outlive_its_certificate(pki, sam, https, keys, caplog, monkeypatch):
    connection = await _connected(https, pki.client_context(sam))
    later = time.time() + (3 * DAY).total_seconds()
    monkeypatch.setattr("dsked.delivery.tls.time.time", lambda: later)
    await _refused(connection, keys, caplog, "the certificate has expired since the connection began")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_resumed_session_does_not_outlive_a_revocation(pki, sam, tls, https, version):
    context = pki.client_context(sam)
    context.minimum_version = context.maximum_version = version
    connection = await _connected(https, context)
    session = connection.socket.session
    connection.close()
    assert not session.has_ticket
    answer = await asyncio.to_thread(tls_client.ask, https.port, context, PATH, session=session)
    assert answer.status == 200
    pki.revoke(sam)
    tls.reload()
    answer = await asyncio.to_thread(tls_client.ask, https.port, context, PATH, session=session)
    assert answer.alert == "SSLV3_ALERT_CERTIFICATE_REVOKED"


def _whole_connection(port, context):
    """Shake hands and take leave, else OpenSSL keeps no session. Gives the server's serial number."""
    connection = tls_client.Connection(port, context)
    serial = int(connection.socket.getpeercert()["serialNumber"], 16)
    connection.ask(PATH)
    connection.socket.unwrap()
    connection.close()
    return serial


async def test_sessions_of_tls_1_2_are_not_hoarded(pki, sam, tls, https, monkeypatch):
    """OpenSSL would keep 20,480 of 10 KiB. Nobody notices that they go; no changed file is taken by that."""
    monkeypatch.setattr("dsked.delivery.tls.MAX_TLS_SESSIONS", 4)
    context = pki.client_context(sam)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    kept = await _connected(https, context)
    first, most = tls.loaded.context, 0
    for _ in range(12):
        await asyncio.to_thread(_whole_connection, https.port, context)
        most = max(most, tls.loaded.context.session_stats()["number"])
    renewed = tls.loaded.context is not first
    assert (renewed, most) == (True, 4)
    again = await asyncio.to_thread(kept.ask, PATH)
    assert (again.status, "Connection" in again.headers) == (200, False)
    kept.close()
    serial = pki.server.x509.serial_number
    pki.server_of("carol")
    for _ in range(12):
        assert await asyncio.to_thread(_whole_connection, https.port, context) == serial


async def test_an_intermediate_ca_may_vouch(pki, keys):
    """Whether it comes with the certificate, below a CA of the file, or stands in the file itself."""
    between = Authority(pki.directory, "intermediate", pki.ca)
    chained = between.issue(name("sam"), "chained", chain=between.path.read_bytes())
    lists = pki.ca.crl() + between.crl()
    pki.crl.write_bytes(lists)
    for client_ca in (pki.ca.path, between.path):
        tls = Tls(pki.settings(client_ca=client_ca))
        server = HttpServer(create_app(keys, caller_of_certificate(keys)), tls=tls)
        await server.start("127.0.0.1", 0)
        context = pki.client_context(chained)
        answer = await asyncio.to_thread(tls_client.ask, server.port, context, PATH)
        assert answer.status == 200
        between.revoke(chained)
        pki.crl.write_bytes(pki.ca.crl() + between.crl())
        tls.reload()
        answer = await asyncio.to_thread(tls_client.ask, server.port, context, PATH)
        assert answer.alert == "SSLV3_ALERT_CERTIFICATE_REVOKED"
        await server.close()
        pki.crl.write_bytes(lists)


async def test_files_that_cannot_be_used_leave_what_was_loaded(pki, sam, tls, https):
    context = pki.client_context(sam)
    of_path = {
        pki.server.certificate: "certificate",
        pki.server.private_key: "certificate",
        pki.ca.path: "CAs",
        pki.crl: "revocation lists",
    }
    for path, what in of_path.items():
        good = path.read_bytes()
        path.write_bytes(b"half a fi")
        [fault] = tls.reload()
        assert fault.startswith(f"goes on with the {what} it has: {path}: expected ")
        path.write_bytes(good)
        assert (await asyncio.to_thread(tls_client.ask, https.port, context, PATH)).status == 200
    assert tls.reload() == []


async def test_a_file_that_cannot_be_used_holds_up_no_revocation(pki, sam, tls, https, keys, caplog):
    """Whatever else is wrong, what can be taken is taken."""
    connection = await _connected(https, pki.client_context(sam))
    pki.revoke(sam)
    for path in (pki.server.private_key, pki.ca.path):
        path.write_bytes(b"half a fi")
    assert len(tls.reload()) == 2
    await _refused(connection, keys, caplog, "the certificate is revoked")
