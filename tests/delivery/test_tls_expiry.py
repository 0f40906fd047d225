"""Time alone ends what a connection may do: its revocation list, its CA or one between may expire."""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from dsked.delivery.etsi import create_app
from dsked.delivery.http_server import HttpServer
from dsked.delivery.identity import caller_of_certificate
from dsked.delivery.tls import Tls

from . import tls_client
from .pki import DAY, Authority, Pki, name

PATH = "/api/v1/keys/sunny/enc_keys"
LIMIT_S = 20.0
SOON = timedelta(seconds=4)
LIST, CA = "the revocation list of the certificate's CA has expired", "a CA of the certificate has expired"


@pytest.fixture
def pki(tmp_path):
    return Pki(tmp_path)


@pytest.fixture
async def serve(keys):
    servers = []

    async def serve(tls):
        server = HttpServer(create_app(keys, caller_of_certificate(keys)), tls=tls)
        servers.append(server)
        await server.start("127.0.0.1", 0)
        return server

    yield serve
    for server in servers:
        await server.close()


def of_list(pki):
    """The list of revocations ends soon."""
    pki.crl.write_bytes(pki.ca.crl(end=SOON))
    return pki.settings(), pki.encryptor("sam")


def of_ca(pki):
    """The CA ends soon."""
    ending = Authority(pki.directory, "ending", end=SOON)
    pki.crl.write_bytes(ending.crl())
    return pki.settings(client_ca=ending.path), ending.issue(name("sam"), "sam")


def of_ca_between(pki):
    """A CA below that in the file, which comes with the certificate, ends soon."""
    between = Authority(pki.directory, "between", pki.ca, end=SOON)
    pki.crl.write_bytes(pki.ca.crl() + between.crl())
    return pki.settings(), between.issue(name("sam"), "sam", chain=between.path.read_bytes())


def _until_refused(connection):
    """Ask until the clock has done its work: how many were served, and the last answer."""
    served, end = 0, time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        answer = connection.ask(PATH)
        if answer.status != 200:
            break
        served += 1
        time.sleep(0.05)
    connection.close()
    return served, answer


@pytest.mark.parametrize(("made", "message"), [(of_list, LIST), (of_ca, CA), (of_ca_between, CA)])
async def test_a_connection_does_not_outlive(pki, serve, keys, caplog, made, message):
    settings, sam = made(pki)
    https = await serve(Tls(settings))
    connection = await asyncio.to_thread(tls_client.Connection, https.port, pki.client_context(sam))
    served, answer = await asyncio.to_thread(_until_refused, connection)
    assert (served > 0, answer.status, answer.document) == (True, 401, {"message": message})
    assert answer.headers["Connection"] == "close"
    refused, *warnings = caplog.messages
    assert refused.endswith(f"refused (certificate CN=sam): {message}")
    expected = {of_list: "the list of CN=ca has expired", of_ca: "CN=ending has expired"}
    assert [expected[made] in line for line in warnings] == ([True] if made in expected else [])
    assert len(keys._keys) == served
    caplog.clear()
    answer = await asyncio.to_thread(tls_client.ask, https.port, pki.client_context(sam), PATH)
    assert answer.alert == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
    [line] = caplog.messages  # what has expired is told once
    assert line.endswith(message.replace("the certificate", "its certificate"))


async def test_a_resumed_session_does_not_outlive_the_revocation_list(pki, serve):
    """OpenSSL does not verify it again."""
    settings, sam = of_list(pki)
    https = await serve(Tls(settings))
    context = pki.client_context(sam)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session = await asyncio.to_thread(_in_order, https.port, context)
    other = await asyncio.to_thread(tls_client.Connection, https.port, context)
    assert await asyncio.to_thread(_in_order, https.port, context, session)
    assert (await asyncio.to_thread(_until_refused, other))[1].status == 401
    answer = await asyncio.to_thread(tls_client.ask, https.port, context, PATH, session=session)
    assert (answer.status, answer.document) == (401, {"message": LIST})


def _in_order(port, context, session=None):
    """One request, then leave is taken: else OpenSSL keeps no session. Gives the session."""
    connection = tls_client.Connection(port, context, session)
    assert connection.socket.session_reused == (session is not None)
    assert connection.ask(PATH).status == 200
    session = connection.socket.session
    connection.socket.unwrap()
    connection.close()
    return session


async def test_a_list_that_was_renewed_in_time_is_the_one_that_counts(pki, serve):
    settings, sam = of_list(pki)
    tls = Tls(settings)
    await serve(tls)
    ends_soon = tls.loaded.holds_until([])
    pki.crl.write_bytes(pki.ca.crl(end=DAY))
    assert tls.reload() == []
    assert ends_soon < time.time() + 60 < tls.loaded.holds_until([])
    tls.loaded.verify([sam.x509.public_bytes(Encoding.DER)])


async def _after_reload(pki, serve, change):
    """What a connection gets that was there before the files were changed."""
    sam = pki.encryptor("sam")
    tls = Tls(pki.settings())
    https = await serve(tls)
    connection = await asyncio.to_thread(tls_client.Connection, https.port, pki.client_context(sam))
    assert (await asyncio.to_thread(connection.ask, PATH)).status == 200
    change(sam)
    assert tls.reload() == []
    answer = await asyncio.to_thread(connection.ask, PATH)
    connection.close()
    return answer


async def test_a_ca_of_the_same_name_with_another_key_did_not_issue_it(pki, serve, tmp_path_factory):
    namesake = Authority(tmp_path_factory.mktemp("namesake"), "ca")

    def change(_sam):
        pki.ca.path.write_bytes(namesake.path.read_bytes())
        pki.crl.write_bytes(namesake.crl())

    assert (await _after_reload(pki, serve, change)).status == 401


async def test_a_list_that_went_missing_refuses_as_a_handshake_would(pki, serve):
    other = Authority(pki.directory, "other")
    answer = await _after_reload(pki, serve, lambda _sam: pki.crl.write_bytes(other.crl()))
    message = "the file of revocation lists has none of the certificate's CA"
    assert (answer.status, answer.document) == (401, {"message": message})


async def test_a_name_that_is_written_otherwise_is_the_same_ca(pki, serve):
    """OpenSSL compares names without regard to case: a list of `CN=CA` revokes what `CN=ca` has issued."""

    def change(sam):
        pki.ca.revoke(sam)
        pki.crl.write_bytes(pki.ca.crl(issuer=name("CA")))

    answer = await _after_reload(pki, serve, change)
    assert (answer.status, answer.document) == (401, {"message": "the certificate is revoked"})


async def test_no_file_is_read_after_it_was_loaded(pki, serve):
    """Neither for a context without sessions nor for a verification: files may be half written by then."""
    sam = pki.encryptor("sam")
    tls = Tls(pki.settings())
    https = await serve(tls)
    context = pki.client_context(sam)
    for path in (pki.server.certificate, pki.server.private_key, pki.ca.path, pki.crl):
        path.unlink()
    tls.loaded.renew()
    tls._equip()
    tls.loaded.verify([ssl.PEM_cert_to_DER_cert(sam.certificate.read_text())])
    assert (await asyncio.to_thread(tls_client.ask, https.port, context, PATH)).status == 200
