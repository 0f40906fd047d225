"""Certificates that strangers show before anything is verified: none of them ends in anything but words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dsked.certs import inspection
from dsked.delivery.identity import RULES, SaeIdRule, subject
from dsked.delivery.tls import shown_certificate
from dsked.errors import ConfigurationError, NotAllowedError

from .pki import Authority, name

#: (where, what to put there): bytes that are found with what stands around them
BITS_AS_NAME = (b"\x55\x04\x03\x0c", b"\x55\x04\x03\x03")  # a common name that is a BIT STRING
VERSION_6 = (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05")


@pytest.fixture(scope="module")
def der(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    names = [x509.DNSName("sam"), x509.UniformResourceIdentifier("urn:sae:sam")]
    holder = Authority(tmp_path_factory.mktemp("ca")).issue(name("sam"), "sam", names=names)
    return holder.x509.public_bytes(Encoding.DER)


def message(der: bytes) -> bytes:
    """A Certificate message of TLS 1.2 (RFC 5246, 7.4.2)."""
    entry = len(der).to_bytes(3) + der
    body = len(entry).to_bytes(3) + entry
    return bytes([11]) + len(body).to_bytes(3) + body


def look_at(der: bytes) -> x509.Certificate | None:
    """All that is done with a certificate that a stranger shows, and with one that is verified."""
    shown = shown_certificate(message(der))
    if shown is not None:
        assert subject(shown).isprintable()
        for rule in RULES:
            try:
                assert SaeIdRule(rule, {"CN=x": "sam"} if rule == "map" else {}).sae_id(shown)
            except NotAllowedError:
                continue
    return shown


def test_a_name_that_is_no_text(der: bytes) -> None:
    at = der.rindex(BITS_AS_NAME[0])  # the subject's: the issuer's stands before it
    shown = look_at(der[:at] + BITS_AS_NAME[1] + der[at + len(BITS_AS_NAME[0]) :])
    assert shown is not None
    assert subject(shown) == "a subject that cannot be read"


def test_a_version_that_does_not_exist(der: bytes, tmp_path: Path) -> None:
    changed = der.replace(*VERSION_6)
    assert changed != der
    assert look_at(changed) is None
    file = tmp_path / "version.der"
    file.write_bytes(changed)
    with pytest.raises(ConfigurationError, match="expected certificates"):
        inspection.read(file)


@pytest.mark.filterwarnings("ignore")  # cryptography tells of oddities that it still takes
def test_certificates_with_bytes_changed_by_chance(der: bytes) -> None:
    chance, read = random.Random(6), 0
    for _ in range(2000):
        changed = bytearray(der)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        shown = look_at(bytes(changed))
        if shown is not None:
            read += 1
            try:
                inspection.facts(shown)
            except ConfigurationError:
                continue
    assert 100 < read < 1900
