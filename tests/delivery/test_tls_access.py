"""The access matrix: who gets a key over mutual TLS, who a status or an alert, and what the log says."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
import uuid

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from dsked.delivery.etsi import create_app
from dsked.delivery.http_server import HttpServer
from dsked.delivery.identity import caller_of_certificate
from dsked.delivery.tls import Tls
from dsked.limits import MAX_SHOWN_SUBJECT

from . import tls_client
from .fakes import FakeKeys
from .pki import DAY, SERVER, Authority, Pki, name

KEYS = "/api/v1/keys"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def holders(pki, tmp_path_factory):
    """Who calls."""
    elsewhere = Authority(tmp_path_factory.mktemp("other"), "other CA")
    namesake = Authority(tmp_path_factory.mktemp("namesake"), "ca")
    found = {one: pki.encryptor(one) for one in ("sam", "sunny", "mallory", "revoked")}
    pki.revoke(found["revoked"])
    return found | {
        "nobody": None,
        "wrong CA": elsewhere.issue(name("sam"), "sam"),
        "CA of the same name": namesake.issue(name("sam"), "sam"),
        "expired": pki.expired("sam"),
        "not yet valid": pki.ca.issue(name("sam"), "early", begin=DAY),
        "a server's": pki.ca.issue(name("sam"), "server", usage=SERVER),
        "two names": pki.ca.issue(name("sam", "sunny"), "two"),
    }


@pytest.fixture
def sunny_too(keys):
    """Client carol serves sam and sunny; mallory is somebody else's."""
    keys.encryptors = ("sam", "sunny", "sven")
    keys.directory |= dict.fromkeys(keys.encryptors, "carol")


@pytest.fixture
async def https(keys, pki, holders, sunny_too):
    server = HttpServer(create_app(keys, caller_of_certificate(keys)), tls=Tls(pki.settings()))
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


@pytest.fixture(params=VERSIONS, ids=["1.2", "1.3"])
def ask(request, pki, holders, https):
    """Send a request with the certificate of `who`, over a connection of its own."""

    async def ask(who, path, body=None):
        context = pki.client_context(holders[who])
        context.minimum_version = context.maximum_version = request.param
        return await asyncio.to_thread(tls_client.ask, https.port, context, path, body)

    return ask


ALERTS = {
    "wrong CA": ("TLSV1_ALERT_UNKNOWN_CA", "its certificate comes from an unknown CA"),
    "CA of the same name": (
        "TLSV1_ALERT_DECRYPT_ERROR",
        "its certificate names a known CA, which has not signed it",
    ),
    "expired": ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "its certificate has expired"),
    "not yet valid": ("SSLV3_ALERT_BAD_CERTIFICATE", "its certificate is not valid yet"),
    "revoked": ("SSLV3_ALERT_CERTIFICATE_REVOKED", "its certificate is revoked"),
    "a server's": ("SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "its certificate is not meant for TLS clients"),
}


def lines(caplog):
    """What the log says, without the ports of clients."""
    return [re.sub(r"port \d+", "port N", line) for line in caplog.messages]


def holds_no_key(answer, keys):
    """Neither a key container, nor the bytes of any key that there is."""
    values = [key for _initiator, _responders, key in keys._keys.values()]
    return b'"key"' not in answer.raw and not any(
        form in answer.raw for key in values for form in (key, base64.b64encode(key), key.hex().encode())
    )


@pytest.mark.parametrize("who", ALERTS)
async def test_a_certificate_that_does_not_verify_gets_an_alert(ask, keys, caplog, who):
    key = keys.deal("sunny", "sam")
    alert, reason = ALERTS[who]
    subject = "CN=revoked" if who == "revoked" else "CN=sam"
    answer = await ask(who, f"{KEYS}/sunny/dec_keys?key_ID={uuid.UUID(bytes=key.key_id)}")
    assert (answer.alert, answer.status, answer.raw) == (alert, None, b"")
    failed = "TLS handshake with 127.0.0.1 port N failed"
    assert lines(caplog) == [f"{failed} (certificate {subject}): {reason}"]
    assert not keys._delivered


REFUSED = {
    "nobody": ("no client certificate: expected one of the calling SAE's", ""),
    "mallory": (
        "the certificate gives SAE ID mallory, which KME carol does not serve",
        " (certificate CN=mallory)",
    ),
    "two names": (
        "expected one common name (CN) of the subject in the certificate, found 2: sam, sunny",
        " (certificate CN=sunny,CN=sam)",
    ),
}


@pytest.mark.parametrize("who", REFUSED)
@pytest.mark.parametrize("path", ["sunny/status", "sunny/enc_keys", "sam/dec_keys?key_ID={key_id}"])
async def test_who_is_no_encryptor_of_this_client_gets_a_401(ask, keys, caplog, who, path):
    key = keys.deal("sam", "mallory", "sunny")
    message, subject = REFUSED[who]
    path = path.format(key_id=uuid.UUID(bytes=key.key_id))
    answer = await ask(who, f"{KEYS}/{path}")
    assert (answer.status, answer.document) == (401, {"message": message})
    assert answer.headers["Connection"] == "close"
    assert lines(caplog) == [f"request from 127.0.0.1 port N refused{subject}: {message}"]
    assert holds_no_key(answer, keys) and not keys._delivered


async def test_a_named_slave_gets_its_key_once(ask, keys, caplog):
    got = await ask("sam", f"{KEYS}/sunny/enc_keys")
    assert got.status == 200
    [key] = got.document["keys"]
    path = f"{KEYS}/sam/dec_keys?key_ID={key['key_ID']}"
    assert (await ask("sunny", path)).document == got.document
    again = await ask("sunny", path)
    assert (again.status, holds_no_key(again, keys)) == (400, True)
    assert caplog.messages == []


async def test_a_slave_that_was_not_named_gets_a_401(ask, keys, caplog):
    key = keys.deal("sam", "sven")
    answer = await ask("sunny", f"{KEYS}/sam/dec_keys?key_ID={uuid.UUID(bytes=key.key_id)}")
    assert (answer.status, holds_no_key(answer, keys)) == (401, True)
    assert caplog.messages == []


async def test_a_master_that_asks_for_its_own_key_gets_a_401(ask, keys, caplog):
    key = keys.deal("sam", "sunny")
    answer = await ask("sam", f"{KEYS}/sam/dec_keys?key_ID={uuid.UUID(bytes=key.key_id)}")
    assert (answer.status, holds_no_key(answer, keys)) == (401, True)
    assert caplog.messages == []


async def test_an_unknown_key_id_gets_a_400(ask, keys, caplog):
    answer = await ask("sunny", f"{KEYS}/sam/dec_keys?key_ID={uuid.uuid4()}")
    assert (answer.status, holds_no_key(answer, keys)) == (400, True)
    assert caplog.messages == []


async def test_a_header_changes_nothing_about_who_is_calling(pki, holders, https, keys, caplog):
    """`Authorization` is for plain HTTP."""

    def pretend():
        connection = tls_client.Connection(https.port, pki.client_context(holders["mallory"]))
        connection.socket.sendall(
            f"GET {KEYS}/sunny/enc_keys HTTP/1.1\r\nHost: x\r\nAuthorization: sam\r\n\r\n".encode()
        )
        reply = connection.socket.recv(65536)
        connection.close()
        return reply

    assert (await asyncio.to_thread(pretend)).startswith(b"HTTP/1.1 401 ")
    assert keys._keys == {}


async def test_the_log_tells_each_reason_once_and_how_many_were_left_out(ask, https, caplog, monkeypatch):
    for _ in range(3):
        await ask("expired", "/")
        await ask("revoked", "/")
    assert len(caplog.messages) == 2
    now = asyncio.get_running_loop().time() + 1000
    monkeypatch.setattr("dsked.delivery.tls.time.monotonic", lambda: now)
    await ask("expired", "/")
    assert caplog.messages[2].endswith("has expired (2 more like this)")


def of_version_6(pki):
    """A certificate that OpenSSL takes, and that `cryptography` does not."""
    holder = pki.ca.issue(name("sam"), "version-6")
    tbs = holder.x509.tbs_certificate_bytes
    changed = tbs.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)
    assert changed != tbs
    signature = b"\0" + pki.ca.key.sign(changed, ec.ECDSA(hashes.SHA256()))
    ecdsa_with_sha256 = bytes.fromhex("300a06082a8648ce3d040302")
    body = changed + ecdsa_with_sha256 + bytes([3, len(signature)]) + signature
    der = b"\x30\x82" + len(body).to_bytes(2) + body
    holder.certificate.write_text(ssl.DER_cert_to_PEM_cert(der))
    return holder


async def test_a_certificate_that_verifies_and_cannot_be_read_gets_a_401(pki, https, keys, caplog):
    context = pki.client_context(of_version_6(pki))
    answer = await asyncio.to_thread(tls_client.ask, https.port, context, f"{KEYS}/sunny/enc_keys")
    assert answer.status == 401
    assert answer.document["message"].startswith("the certificate cannot be read: ")
    assert lines(caplog) == [f"request from 127.0.0.1 port N refused: {answer.document['message']}"]
    assert caplog.records[0].exc_info is None
    assert keys._keys == {}


@pytest.mark.parametrize(
    ("common_name", "shown"),
    [("x\n2026-11-22 ERROR forged\x1b[2J", "x?2026-11-22 ERROR forged?[2J"), ("y" * 64, "y" * 64)],
)
async def test_names_of_a_certificate_take_one_line_of_the_log(pki, https, caplog, common_name, shown):
    context = pki.client_context(pki.ca.issue(name(common_name), "forger"))
    answer = await asyncio.to_thread(tls_client.ask, https.port, context, f"{KEYS}/sunny/status")
    message = "the certificate gives SAE ID {}, which KME carol does not serve"
    assert (answer.status, answer.document) == (401, {"message": message.format(common_name)})
    assert lines(caplog)[0].endswith(": " + message.format(shown))


async def test_many_names_of_a_certificate_are_cut_in_the_log(pki, https, caplog):
    names = name(*(f"{one}" * 60 for one in range(9)))
    context = pki.client_context(pki.ca.issue(names, "many"))
    answer = await asyncio.to_thread(tls_client.ask, https.port, context, f"{KEYS}/sunny/status")
    assert answer.status == 401
    assert len(answer.document["message"]) > 500
    assert len(lines(caplog)[0]) < 2 * MAX_SHOWN_SUBJECT + 100
    assert lines(caplog)[0].endswith("...")


async def test_a_connection_asks_for_its_certificate_once(pki, holders, https, monkeypatch, caplog):
    asked = []
    real = ssl.SSLObject.getpeercert

    def getpeercert(self, binary_form=False):
        if binary_form:
            asked.append(self)
        return real(self, binary_form)

    monkeypatch.setattr(ssl.SSLObject, "getpeercert", getpeercert)

    def several():
        connection = tls_client.Connection(https.port, pki.client_context(holders["sam"]))
        statuses = [connection.ask(f"{KEYS}/sunny/enc_keys").status for _ in range(5)]
        connection.close()
        return statuses

    assert await asyncio.to_thread(several) == [200] * 5
    assert len(asked) == 1


def test_fakes_keep_the_rules():
    """Guards `holds_no_key` against finding nothing in anything."""
    keys = FakeKeys()
    key = keys.deal("sam", "sunny")
    for raw in (b'{"key":1}', base64.b64encode(key.key), key.key):
        assert not holds_no_key(tls_client.Answer(raw=raw), keys)
