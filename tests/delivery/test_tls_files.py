"""Certificates, keys, CAs and revocation lists that cannot be used: one line that says which and why."""

from __future__ import annotations

import os
import ssl

import pytest
from cryptography.hazmat.primitives import serialization

from dsked.delivery.tls import Tls
from dsked.errors import ConfigurationError

from .pki import DAY, SERVER, Authority, Pki, name


@pytest.fixture
def pki(tmp_path):
    return Pki(tmp_path)


def refused(pki, pattern, **changes):
    with pytest.raises(ConfigurationError, match=pattern) as caught:
        Tls(pki.settings(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["certificate", "private_key", "client_ca", "crl"])
def test_a_file_that_is_missing_or_no_pem_is_named(pki, what):
    missing = pki.directory / "missing.pem"
    refused(pki, r"missing\.pem cannot be read: No such file or directory", **{what: missing})
    nonsense = pki.directory / "nonsense.pem"
    nonsense.touch(0o600)
    nonsense.write_bytes(b"nonsense")
    refused(pki, r"nonsense\.pem: expected ", **{what: nonsense})
    refused(pki, "is a directory; expected a regular file", **{what: pki.directory})
    pipe = pki.directory / "pipe.pem"
    os.mkfifo(pipe, 0o600)
    refused(pki, r"pipe\.pem: is a pipe, a device or a socket; expected a regular file", **{what: pipe})
    endless = pki.directory / "endless.pem"
    endless.touch(0o600)
    os.truncate(endless, 1 << 40)  # it takes no place on the disk
    refused(pki, r"endless\.pem: larger than 16777216 bytes", **{what: endless})


def test_a_key_of_another_certificate(pki):
    other = pki.encryptor("sam")
    refused(
        pki, r"sam\.key: it does not belong to the certificate .*carol\.pem", private_key=other.private_key
    )


def test_an_encrypted_key_does_not_ask_at_the_terminal(pki):
    pem = pki.server.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    pki.server.private_key.write_bytes(pem)
    refused(pki, r"carol\.key is encrypted: expected a private key without a passphrase")


@pytest.mark.parametrize("mode", [0o604, 0o622, 0o666, 0o601])
def test_a_key_that_others_may_read(pki, mode):
    pki.server.private_key.chmod(mode)
    refused(pki, rf"carol\.key: others may read the private key \(mode {mode:04o}\): expected 0600")


def test_a_certificate_among_the_revocation_lists_would_be_a_ca(pki):
    other = Authority(pki.directory, "other")
    pki.crl.write_bytes(pki.ca.crl() + other.path.read_bytes())
    refused(pki, r"crl\.pem: expected revocation lists")


def test_what_will_fail_is_said_when_it_is_loaded(pki, caplog):
    expired = pki.ca.issue(name("carol"), "carol", usage=SERVER, begin=-3 * DAY, end=-DAY)
    pki.crl.write_bytes(pki.ca.crl(end=-DAY))
    Tls(pki.settings(certificate=expired.certificate, private_key=expired.private_key))
    assert caplog.messages == [
        f"{expired.certificate} has expired: encryptors will refuse it",
        f"{pki.crl}: the list of CN=ca has expired: no certificate of this CA will be taken",
    ]


def test_a_ca_without_a_revocation_list_is_said_when_it_is_loaded(pki, caplog):
    other = Authority(pki.directory, "other")
    both = pki.directory / "both.pem"
    both.write_bytes(pki.ca.path.read_bytes() + other.path.read_bytes())
    Tls(pki.settings(client_ca=both))
    assert caplog.messages == [
        f"{pki.crl} has no list of CN=other: no certificate of this CA will be taken; "
        f"expected a list of each CA in {both}"
    ]
    caplog.clear()
    Tls(pki.settings(client_ca=both, crl=None))
    pki.crl.write_bytes(pki.ca.crl() + other.crl())
    Tls(pki.settings(client_ca=both))
    assert caplog.messages == []


def test_only_suites_with_forward_secrecy_and_authenticated_encryption(pki):
    context = Tls(pki.settings()).loaded.context
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert all(one.startswith(("TLS_", "ECDHE-")) and ("GCM" in one or "CHACHA20" in one) for one in names)
    assert len(names) >= 8
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert Tls(pki.settings(minimum_tls="1.3")).loaded.context.minimum_version == ssl.TLSVersion.TLSv1_3
