"""TLS with pre-shared keys for SKIP: whose key a connection proves, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess

import pytest

from dsked.config.node import TlsSettings
from dsked.delivery import skip
from dsked.delivery.http_server import HttpServer
from dsked.delivery.identity import caller_of_certificate
from dsked.delivery.skip_psk import Psks, SkipTls
from dsked.errors import ConfigurationError
from dsked.limits import MAX_PSK_BYTES

from . import tls_client
from .pki import Pki

SYSTEM_IDS = {"SAM-1": "sam", "SÜD": "sue", "SUNNY-1": "sunny"}
OWN_IDS = {"SAM-1": "sam", "SÜD": "sue"}
SAM, SUE, OTHER = (bytes(range(start, start + 32)) for start in (0, 32, 64))
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
BESIDE_CERTIFICATES = pytest.mark.parametrize("mode", ["beside certificates"])
ON_TLS_1_2 = pytest.mark.parametrize("mode", ["1.2", "1.2 beside certificates"])
needs_psk = pytest.mark.skipif(not getattr(ssl, "HAS_PSK", False), reason="TLS-PSK needs Python 3.13")


@pytest.fixture
def psk_file(tmp_path):
    path = tmp_path / "psk"
    path.touch(0o600)
    path.write_text(f"# pre-shared keys\n\nSAM-1:{SAM.hex()}\n SÜD : {SUE.hex().upper()} \n", "utf-8")
    return path


# --- the file ---


def test_a_file_of_keys(psk_file):
    psks = Psks(psk_file, OWN_IDS)
    assert (psks.key("SAM-1"), psks.key("SÜD"), psks.key("SUNNY-1"), psks.key(None)) == (SAM, SUE, b"", b"")
    assert (psks.encryptor("SAM-1"), psks.encryptor("SÜD")) == ("sam", "sue")


def test_a_key_of_the_longest_length_and_an_identity_with_colons(psk_file):
    psk_file.write_text(f"a:b:{'0f' * MAX_PSK_BYTES}")
    assert Psks(psk_file, {"a:b": "sam"}).key("a:b") == b"\x0f" * MAX_PSK_BYTES


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no pre-shared key in it: expected IDENTITY:HEXKEY"),
        ("# nothing\n", "no pre-shared key in it"),
        (f"\nSAM-1 {SAM.hex()}\n", "line 2: expected IDENTITY:HEXKEY"),
        (f":{SAM.hex()}", "line 1: expected IDENTITY:HEXKEY"),
        (
            f"SUNNY-1:{SAM.hex()}",
            "line 1: what stands before the last ':' is no system ID of this client: expected one of SAM-1, ",
        ),
        (f"{SAM.hex()}:SAM-1", "line 1: what stands before the last ':' is no system ID"),
        (f"SAM-1:{SAM.hex(':')}", "line 1: what stands before the last ':' is no system ID"),
        (f"SAM-1:{SAM.hex()}x", "line 1: the key of SAM-1: expected 16 to 256 bytes as hexadecimal digits"),
        (f"SAM-1:{SAM.hex()[1:]}", "line 1: the key of SAM-1"),
        (f"SAM-1:{SAM.hex()[:30]}", "line 1: the key of SAM-1"),
        (f"SAM-1:{'0f' * (MAX_PSK_BYTES + 1)}", "line 1: the key of SAM-1"),
        (f"SAM-1:{SAM.hex()}\nSAM-1:{SUE.hex()}", "line 2: SAM-1 stands in the file twice"),
    ],
)
def test_a_file_that_cannot_be_used(psk_file, text, says):
    psk_file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        Psks(psk_file, OWN_IDS)
    assert str(caught.value).startswith(str(psk_file))
    assert says in str(caught.value)
    assert not any(part in str(caught.value) for part in (SAM.hex()[:8], "0f0f"))  # nothing of a key


def test_a_file_that_is_not_there_or_no_text_or_open_to_others(psk_file, tmp_path):
    with pytest.raises(ConfigurationError, match="No such file"):
        Psks(tmp_path / "none", OWN_IDS)
    psk_file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="expected text in UTF-8"):
        Psks(psk_file, OWN_IDS)
    psk_file.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"others may read the pre-shared keys \(mode 0644\)"):
        Psks(psk_file, OWN_IDS)


@pytest.mark.skipif(getattr(ssl, "HAS_PSK", False), reason="this Python has TLS-PSK")
def test_a_python_without_psk_says_so(psk_file):
    with pytest.raises(ConfigurationError, match=r"needs Python 3\.13 or later, and this is 3\.1"):
        SkipTls(None, psk_file, OWN_IDS)


# --- connections ---


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(params=["1.2", "1.3", "1.2 beside certificates"])
def mode(request):
    return request.param


@pytest.fixture
def version(mode):
    return mode[:3]


@pytest.fixture
def certificates(pki):
    server = {"certificate": pki.server.certificate, "private_key": pki.server.private_key}
    return TlsSettings(**server, client_ca=pki.ca.path, crl=pki.crl)


@pytest.fixture
def tls(mode, certificates, psk_file):
    return SkipTls(certificates if "certificates" in mode else None, psk_file, OWN_IDS)


@pytest.fixture
async def https(keys, tls):
    keys.encryptors = ("sam", "sue")
    server = HttpServer(skip.create_app(keys, caller_of_certificate(keys), SYSTEM_IDS), tls=tls)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


def context_of(version, identity="SAM-1", key=SAM, ciphers="PSK"):
    """A client's, which knows one pre-shared key and looks at no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = VERSIONS[version]
    context.set_ciphers(ciphers)
    context.set_psk_client_callback(lambda hint: (identity, key))
    return context


async def ask(https, path, *context, session=None, **options):
    return await asyncio.to_thread(
        tls_client.ask, https.port, context_of(*context, **options), path, session=session
    )


@needs_psk
@pytest.mark.parametrize(("identity", "key", "encryptor"), [("SAM-1", SAM, "sam"), ("SÜD", SUE, "sue")])
async def test_the_key_tells_which_system_is_calling(https, keys, quiet, version, identity, key, encryptor):
    answer = await ask(https, "/capabilities", version, identity, key)
    assert (answer.status, answer.document["localSystemID"]) == (200, identity)
    answer = await ask(https, "/key?remoteSystemID=SUNNY-1", version, identity, key)
    assert (answer.status, len(answer.document["key"])) == (200, 64)
    assert [initiator for initiator, _, _ in keys._keys.values()] == [encryptor]


@needs_psk
async def test_handshakes_at_once_do_not_get_mixed_up(https, version):
    """Between two steps of one handshake others go on, with other identities and with wrong keys."""
    callers = [("SAM-1", SAM), ("SÜD", SUE), ("SAM-1", SUE), ("nobody", SAM)] * 8
    answers = await asyncio.gather(*(ask(https, "/capabilities", version, *caller) for caller in callers))
    found = [answer.document and answer.document["localSystemID"] for answer in answers]
    assert found == ["SAM-1", "SÜD", None, None] * 8


@needs_psk
@ON_TLS_1_2
@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-PSK-CHACHA20-POLY1305",
        "DHE-PSK-AES256-GCM-SHA384",
        "DHE-PSK-AES256-CBC-SHA384",
        "DHE-PSK-AES256-CBC-SHA",
    ],
)
async def test_the_suites_of_tls_1_2(https, suite):
    assert (await ask(https, "/capabilities", "1.2", ciphers=suite)).status == 200


@needs_psk
@ON_TLS_1_2
async def test_no_suite_without_forward_secrecy(https, caplog):
    answer = await ask(https, "/capabilities", "1.2", ciphers="kPSK:!aRSA:!aECDSA")
    assert answer.alert == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    assert "it offers no cipher suite of ours" in caplog.text


@needs_psk
@pytest.mark.parametrize(
    ("identity", "key"),
    [("SAM-1", OTHER), ("SAM-1", SUE), ("SUNNY-1", SAM), ("nobody\n", SAM), ("x" * 128, SAM)],
)
async def test_who_has_no_key_of_ours_gets_an_alert_and_the_log_a_line(
    https, keys, caplog, version, identity, key
):
    def shake_hands():
        connection = tls_client.Connection(https.port, context_of(version, identity, key))
        connection.ask("/key?remoteSystemID=SUNNY-1")

    with pytest.raises(ssl.SSLError) as caught:
        await asyncio.to_thread(shake_hands)
    assert not isinstance(caught.value, ssl.SSLEOFError)  # an alert, not a mere end
    assert keys._made == 0
    assert f"PSK identity {identity[:64]!r}" in caplog.text
    assert len(caplog.records) == 1
    assert "\n" not in caplog.messages[0]


@needs_psk
async def test_no_session_tickets(https, version):
    """A ticket would stand for a system without its key."""
    connection = await asyncio.to_thread(tls_client.Connection, https.port, context_of(version))
    assert (await asyncio.to_thread(connection.ask, "/capabilities")).status == 200
    assert not connection.socket.session.has_ticket
    connection.close()


@needs_psk
@ON_TLS_1_2
async def test_a_session_of_tls_1_2_that_is_resumed_keeps_its_system(https, keys):
    def twice(port):
        context = context_of("1.2", "SÜD", SUE)
        first = tls_client.Connection(port, context)
        first.ask("/capabilities")
        session = first.socket.session
        first.socket.unwrap()
        first.close()
        second = tls_client.Connection(port, context, session)
        reused, answer = second.socket.session_reused, second.ask("/capabilities")
        second.close()
        return reused, answer.document

    reused, document = await asyncio.to_thread(twice, https.port)
    assert (reused, document["localSystemID"]) == (True, "SÜD")


async def s_client(https, *options):
    """A request by OpenSSL's own client, for what Python's cannot be made to do."""
    return await asyncio.to_thread(
        subprocess.run,
        ["openssl", "s_client", "-connect", f"127.0.0.1:{https.port}", "-quiet", *options],
        input=b"GET /key?remoteSystemID=SUNNY-1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        capture_output=True,
        timeout=30,
    )


@needs_psk
async def test_an_identity_that_is_no_utf_8(https, keys, caplog, version):
    await s_client(https, f"-tls{version.replace('.', '_')}", "-psk", SAM.hex(), "-psk_identity", b"\xff\xfe")
    assert keys._made == 0
    assert "Traceback" not in caplog.text


@needs_psk
@BESIDE_CERTIFICATES
@pytest.mark.parametrize(("identity", "key"), [("SAM-1", SAM), ("SAM-1", OTHER), ("nobody", SAM)])
async def test_beside_certificates_tls_1_3_does_without_the_key_and_then_nothing_is_proven(
    https, keys, caplog, identity, key
):
    answer = await ask(https, "/key?remoteSystemID=SUNNY-1", "1.3", identity, key)
    assert (answer.status, keys._made) == (401, 0)
    assert f"the pre-shared key of {identity!r} is unknown, or was not used" in answer.document["message"]
    assert answer.document["message"] in caplog.text


@needs_psk
@BESIDE_CERTIFICATES
@pytest.mark.parametrize(("key", "made"), [(SAM, 1), (OTHER, 0)])
async def test_beside_certificates_tls_1_3_takes_the_key_with_sha_256(https, keys, key, made):
    suites = ("-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256")
    done = await s_client(https, *suites, "-psk", key.hex(), "-psk_identity", "SAM-1")
    assert (keys._made, b'{"keyId":"' in done.stdout) == (made, bool(made))


@needs_psk
@BESIDE_CERTIFICATES
@pytest.mark.parametrize("of_certificate", VERSIONS)
async def test_certificates_beside_keys(https, pki, of_certificate):
    context = pki.client_context(pki.encryptor("sue"))
    context.minimum_version = context.maximum_version = VERSIONS[of_certificate]
    answer = await asyncio.to_thread(tls_client.ask, https.port, context, "/capabilities")
    assert (answer.status, answer.document["localSystemID"]) == (200, "SÜD")


@needs_psk
@pytest.mark.parametrize("changed", [f"SAM-1:{OTHER.hex()}", f"SÜD:{SUE.hex()}"])
async def test_keys_that_are_read_again(https, tls, psk_file, version, changed):
    connection = await asyncio.to_thread(tls_client.Connection, https.port, context_of(version))
    assert (await asyncio.to_thread(connection.ask, "/capabilities")).status == 200
    psk_file.write_text(changed, "utf-8")
    tls.reload()
    answer = await asyncio.to_thread(connection.ask, "/capabilities")
    assert (answer.status, answer.headers["Connection"]) == (401, "close")
    assert "changed since the connection began" in answer.document["message"]
    connection.close()
    assert (await ask(https, "/capabilities", version)).status is None


@needs_psk
async def test_a_key_that_stays_is_served_on_and_shakes_hands_again(https, tls, version):
    connection = await asyncio.to_thread(tls_client.Connection, https.port, context_of(version))
    tls.reload()
    answer = await asyncio.to_thread(connection.ask, "/capabilities")
    assert (answer.status, answer.headers["Connection"]) == (200, "close")
    connection.close()


@needs_psk
async def test_a_file_that_has_gone_bad_changes_nothing(https, tls, psk_file, version):
    psk_file.write_text("SAM-1:")
    [fault] = tls.reload()
    assert fault.startswith(f"goes on with the pre-shared keys it has: {psk_file}, line 1: ")
    assert (await ask(https, "/capabilities", version)).status == 200


@needs_psk
@BESIDE_CERTIFICATES
async def test_a_file_of_keys_that_has_gone_bad_holds_up_no_revocation(https, pki, tls, psk_file):
    sue = pki.encryptor("sue")
    context = pki.client_context(sue)
    connection = await asyncio.to_thread(tls_client.Connection, https.port, context)
    assert (await asyncio.to_thread(connection.ask, "/capabilities")).status == 200
    pki.revoke(sue)
    psk_file.write_text("SAM-1:")
    assert len(tls.reload()) == 1
    answer = await asyncio.to_thread(connection.ask, "/capabilities")
    connection.close()
    assert (answer.status, answer.document) == (401, {"message": "the certificate is revoked"})
    answer = await asyncio.to_thread(tls_client.ask, https.port, context, "/capabilities")
    assert answer.alert == "SSLV3_ALERT_CERTIFICATE_REVOKED"
    assert (await ask(https, "/capabilities", "1.2")).status == 200


@needs_psk
async def test_who_knows_a_key_is_no_stranger(https, version):
    connection = await asyncio.to_thread(tls_client.Connection, https.port, context_of(version))
    assert (await asyncio.to_thread(connection.ask, "/capabilities")).status == 200
    assert (len(https._known), len(https._strangers)) == (1, 0)
    connection.close()


@needs_psk
@ON_TLS_1_2
async def test_sessions_that_are_too_many_are_forgotten_by_both(https, tls, monkeypatch):
    def in_order(port):
        connection = tls_client.Connection(port, context_of("1.2"))
        answer = connection.ask("/capabilities")
        with contextlib.suppress(OSError):
            connection.socket.unwrap()  # what ends without this OpenSSL does not remember
        connection.close()
        return answer.status

    monkeypatch.setattr("dsked.delivery.tls.MAX_TLS_SESSIONS", 2)
    first = tls.loaded.context
    for _ in range(6):
        assert await asyncio.to_thread(in_order, https.port) == 200
    assert tls.loaded.context is not first
    assert tls.loaded.context.session_stats()["number"] <= 3
    assert len(tls.loaded._sessions) <= 3


@needs_psk
@ON_TLS_1_2
async def test_no_more_sessions_are_remembered_than_the_limit(https, tls, monkeypatch):
    monkeypatch.setattr("dsked.delivery.skip_psk.MAX_PSK_SESSIONS", 2)
    for _ in range(4):
        assert (await ask(https, "/capabilities", "1.2")).status == 200
    assert len(tls.loaded._sessions) == 2


def test_keys_are_in_no_representation(psk_file):
    psks = Psks(psk_file, OWN_IDS)
    assert SAM.hex() not in f"{psks!r} {psks}"
