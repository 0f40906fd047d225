"""What inspection says of a certificate is what a client's interface does with it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dsked.certs import inspection, verdict
from dsked.config.interfaces import Etsi
from dsked.config.node import TlsSettings
from dsked.config.topology import Client, Encryptor
from dsked.delivery.etsi import create_app
from dsked.delivery.http_server import HttpServer
from dsked.delivery.identity import UNREADABLE, caller_of_certificate
from dsked.delivery.tls import Tls
from dsked.errors import ConfigurationError
from tests.delivery import tls_client
from tests.delivery.fakes import FakeKeys
from tests.delivery.pki import DAY, Authority, Pki

from .kinds import KINDS, Shown, ca_certificate

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def inspected(shown: Shown, settings: TlsSettings) -> list[str]:
    """What client carol, who serves sam alone, has against a certificate."""
    carol = Client("carol", "127.0.0.1", 8100, (Encryptor("sam"),), (), Etsi(tls=settings), None)
    [found] = inspection.at_clients(inspection.read(shown.certificate), [carol])
    assert found["unchecked"] is None
    return list(found["faults"])


async def statuses(pki: Pki, shown: Shown, settings: TlsSettings) -> set[int | None]:
    """What carol's interface answers over each version of TLS; None: TLS fails, or carol cannot start."""
    keys = FakeKeys("carol", ("sam",))
    try:
        server = HttpServer(create_app(keys, caller_of_certificate(keys)), tls=Tls(settings))
    except ConfigurationError:
        return {None}
    await server.start("127.0.0.1", 0)
    try:
        return {await status(pki, shown, version, server.port) for version in VERSIONS}
    finally:
        await server.close()


async def status(pki: Pki, shown: Shown, version: ssl.TLSVersion, port: int) -> int | None:
    context = pki.client_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # it shows what the other side is to refuse
    context.load_cert_chain(shown.certificate, shown.private_key)
    context.minimum_version = context.maximum_version = version
    try:
        answer = await asyncio.to_thread(tls_client.ask, port, context, "/api/v1/keys/sunny/status")
    except ConnectionError:
        return None
    return answer.status


@pytest.mark.parametrize("kind", KINDS)
async def test_the_verdict_is_that_of_a_clients_interface(pki: Pki, kind: str) -> None:
    make, says = KINDS[kind]
    shown = make(pki)
    settings = pki.settings(**shown.settings)
    faults = inspected(shown, settings)
    answered = await statuses(pki, shown, settings)
    assert answered <= ({200} if says is None else {401, None})
    assert bool(faults) == (says is not None)
    if says is not None:
        says = says.format(ca=settings.client_ca, crl=settings.crl, written=pki.directory / "written.pem")
        assert faults[0].startswith(says) if says.endswith(" 20") else faults[0] == says


def test_a_client_that_takes_tls_1_3_alone_has_the_same_verdict(pki: Pki) -> None:
    settings = pki.settings(minimum_tls="1.3")
    good, expired = pki.encryptor("sam"), pki.expired("sam")
    assert inspected(Shown(good.certificate, good.private_key), settings) == []
    [fault] = inspected(Shown(expired.certificate, expired.private_key), settings)
    assert fault.startswith("the certificate expired at 20")


def test_of_several_expired_cas_the_one_concerned_is_named(pki: Pki) -> None:
    make, says = KINDS["CA expired"]
    shown = make(pki)
    before, behind = (  # OpenSSL has them by the length of their names
        ca_certificate(Authority(pki.directory, common_name), -3 * DAY, -DAY)
        for common_name in ("b", "another")
    )
    all_three = pki.directory / "all.pem"
    all_three.write_bytes(before + shown.settings["client_ca"].read_bytes() + behind)
    [fault] = inspected(shown, pki.settings(client_ca=all_three))
    assert says is not None and fault.startswith(says)


@pytest.mark.filterwarnings("ignore")  # cryptography tells of oddities that it still takes
def test_a_certificate_is_refused_whichever_of_its_bytes_is_changed(pki: Pki) -> None:
    der = pki.encryptor("sam").x509.public_bytes(Encoding.DER)
    verifier, tried = verdict.Verifier(pki.settings()), 0
    assert verifier.fault([x509.load_der_x509_certificate(der)]) is None
    for at in range(len(der)):
        try:
            changed = x509.load_der_x509_certificate(der[:at] + bytes([der[at] ^ 0x41]) + der[at + 1 :])
            inspection.facts(changed)
        except (*UNREADABLE, ConfigurationError):
            continue
        tried += 1
        assert verifier.fault([changed])
    assert tried > len(der) / 2


def test_a_verdict_needs_no_private_key_and_leaves_no_file(
    pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    holder = pki.encryptor("sam")
    holder.private_key.unlink()
    settings = pki.settings()
    settings.private_key.unlink()
    assert inspected(Shown(holder.certificate, holder.private_key), settings) == []
    assert list(scratch.iterdir()) == []
