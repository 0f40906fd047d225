"""A laboratory's certificates as OpenSSL sees them, and its directory."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dsked.certs.lab import Lab
from dsked.errors import ConfigurationError, StorageError
from tests.delivery.pki import Authority, name


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """One client and one encryptor."""
    made = Lab(tmp_path / "certs")
    made.create({"carol": "192.0.2.1"}, ["sam"], days=1)
    return made


def certificate(lab: Lab, file: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((lab.directory / file).read_bytes())


@pytest.mark.parametrize(("file", "is_ca"), [("ca.pem", True), ("carol.pem", False), ("sam.pem", False)])
def test_only_the_authority_may_issue_certificates(lab: Lab, file: str, is_ca: bool) -> None:
    extensions = certificate(lab, file).extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (constraints.value.ca, constraints.critical, usage.critical) == (is_ca, True, True)
    assert (usage.value.key_cert_sign, usage.value.crl_sign) == (is_ca, is_ca)
    assert usage.value.digital_signature is not is_ca


def test_a_private_key_never_goes_into_a_file_that_was_there(lab: Lab) -> None:
    """Who has it open, or linked, would read the key."""
    planted = lab.directory / "sam.key.new"
    planted.write_text("planted")
    planted.chmod(0o666)
    with planted.open() as opened:
        lab.create({"carol": "192.0.2.1"}, ["sam"], days=1)
        assert opened.read() == "planted"
    assert stat.S_IMODE((lab.directory / "sam.key").stat().st_mode) == 0o600
    assert not planted.exists()


def test_a_certificate_of_another_authority_is_none_of_the_laboratorys(lab: Lab, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other").issue(name("sam"), "other-sam")
    before = (lab.directory / "crl.pem").read_bytes()
    (lab.directory / "sam.pem").write_bytes(other.x509.public_bytes(Encoding.PEM))
    for change in (lab.revoke, lab.restore):
        with pytest.raises(ConfigurationError, match=r"sam\.pem: is none that this laboratory has issued"):
            change("sam")
    assert (lab.directory / "crl.pem").read_bytes() == before


def test_without_its_private_key_the_authority_revokes_nobody(lab: Lab) -> None:
    (lab.directory / "ca.key").write_text("junk")
    with pytest.raises(ConfigurationError, match=r"ca\.key: is not as 'dskectl certs create-lab' makes it"):
        lab.revoke("sam")
    (lab.directory / "ca.key").unlink()
    with pytest.raises(ConfigurationError, match=r"ca\.key: there is no such file"):
        lab.revoke("sam")


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "certs").write_text("a file")
    with pytest.raises(StorageError, match="cannot be made: File exists"):
        Lab(tmp_path / "certs").create({}, ["sam"], days=1)
