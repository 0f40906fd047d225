"""`dskectl config check` and `dsked --check-config` say of the interfaces' files what a start would."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from click.testing import CliRunner

from dsked.cli.config_command import config
from dsked.cli.dsked import dsked
from dsked.cli.target import Target
from dsked.errors import ConfigurationError

from ..delivery.pki import DAY, SERVER, Pki, name

CLIENT = """\
client: carol
psrd: media
min_nr_shares: 2
hubs:
  - {name: hank, address: "127.0.0.1:7100", x_coordinate: 1}
  - {name: helen, address: "127.0.0.1:7101", x_coordinate: 2}
  - {name: hilary, address: "127.0.0.1:7102", x_coordinate: 3}
encryptors: [{name: sam}]
"""


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def tls(pki: Pki) -> str:
    return (
        f"etsi: {{listen: '127.0.0.1:8443', certificate: {pki.server.certificate}, "
        f"private_key: {pki.server.private_key}, client_ca: {pki.ca.path}, crl: {pki.crl}}}\n"
    )


def both_checks(directory: Path, text: str) -> str:
    """What they say, which is the same; nothing is made. Raises ConfigurationError as both do."""
    path = directory / "carol.yaml"
    path.write_text(text)
    before = sorted((one, one.stat().st_mtime_ns) for one in directory.rglob("*"))
    said, errors = [], []
    for command, arguments in (
        (config, ["check", str(path)]),
        (dsked, ["--config", str(path), "--check-config", "--state-dir", str(directory / "state"),
                 "--runtime-dir", "/nowhere"]),
    ):  # fmt: skip
        try:
            done = CliRunner().invoke(
                command, arguments, obj=Target(None, (), (), None, None),
                catch_exceptions=False, standalone_mode=False,
            )  # fmt: skip
            said.append(done.output)
        except ConfigurationError as error:
            errors.append(str(error))
    assert sorted((one, one.stat().st_mtime_ns) for one in directory.rglob("*")) == before
    assert len(errors) in (0, 2)
    if errors:
        assert errors[0].replace("client carol: ", "") == errors[1]
        raise ConfigurationError(errors[0])
    return "".join(said)


def test_files_that_are_as_they_should_be(tmp_path: Path, pki: Pki) -> None:
    assert both_checks(tmp_path, CLIENT + tls(pki)).count("\n") == 1


def test_a_key_that_others_may_read(tmp_path: Path, pki: Pki) -> None:
    pki.server.private_key.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others may read the private key"):
        both_checks(tmp_path, CLIENT + tls(pki))


def test_a_key_of_another_certificate(tmp_path: Path, pki: Pki) -> None:
    text = CLIENT + tls(pki).replace(str(pki.server.private_key), str(pki.encryptor("sam").private_key))
    with pytest.raises(ConfigurationError, match="does not belong to the certificate"):
        both_checks(tmp_path, text)


def test_a_certificate_that_is_for_clients_only(tmp_path: Path, pki: Pki) -> None:
    sam = pki.encryptor("sam")
    text = tls(pki).replace(str(pki.server.certificate), str(sam.certificate))
    says = (
        rf"carol\.yaml:9: client carol: etsi\.certificate: {sam.certificate}: CN=sam is not meant for "
        "servers, .*; expected a certificate whose extended key usage, if it has any, is serverAuth"
    )
    with pytest.raises(ConfigurationError, match=says):
        both_checks(tmp_path, CLIENT + text.replace(str(pki.server.private_key), str(sam.private_key)))


def test_certificates_that_are_no_cas(tmp_path: Path, pki: Pki) -> None:
    sam = pki.encryptor("sam")
    for more in ("", pki.ca.path.read_text()):
        file = tmp_path / "cas.pem"
        file.write_text(more + sam.certificate.read_text())
        says = rf"carol\.yaml:9: client carol: etsi\.client_ca: {file}: CN=sam is no CA: expected the cert"
        with pytest.raises(ConfigurationError, match=says):
            both_checks(tmp_path, CLIENT + tls(pki).replace(str(pki.ca.path), str(file)))


def test_a_list_that_is_none(tmp_path: Path, pki: Pki) -> None:
    pki.crl.write_text("nonsense")
    with pytest.raises(ConfigurationError, match="expected revocation lists"):
        both_checks(tmp_path, CLIENT + tls(pki))


def test_a_certificate_that_has_expired_is_warned_of(tmp_path: Path, pki: Pki) -> None:
    expired = pki.ca.issue(name("carol"), "expired", usage=SERVER, begin=-3 * DAY, end=-DAY)
    text = tls(pki).replace(str(pki.server.certificate), str(expired.certificate))
    text = text.replace(str(pki.server.private_key), str(expired.private_key))
    assert both_checks(tmp_path, CLIENT + text).count("has expired: encryptors will refuse it") == 2


def test_credentials_are_the_units_and_the_rest_is_read(
    tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = CLIENT + tls(pki).replace(str(pki.server.private_key), "$CREDENTIALS_DIRECTORY/tls-key")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert both_checks(tmp_path, text).count("tls-key: a credential of the unit is not there outside") == 2
    pki.ca.path.write_text("nonsense")
    with pytest.raises(ConfigurationError, match="expected certificates"):
        both_checks(tmp_path, text)


@pytest.mark.skipif(not getattr(ssl, "HAS_PSK", False), reason="Python has TLS-PSK from 3.13 on")
def test_a_file_of_pre_shared_keys(tmp_path: Path) -> None:
    psk = tmp_path / "psk"
    psk.touch(0o600)
    text = CLIENT + f"skip: {{listen: '127.0.0.1:8444', psk_file: {psk}}}\n"
    with pytest.raises(ConfigurationError, match="no pre-shared key in it"):
        both_checks(tmp_path, text)
    psk.write_text(f"sam:{'ab' * 32}\n")
    assert both_checks(tmp_path, text).count("\n") == 1


@pytest.mark.skipif(getattr(ssl, "HAS_PSK", False), reason="Python has no TLS-PSK before 3.13")
def test_pre_shared_keys_where_python_has_none(tmp_path: Path) -> None:
    psk = tmp_path / "psk"
    psk.touch(0o600)
    with pytest.raises(ConfigurationError, match=r"TLS-PSK needs Python 3\.13"):
        both_checks(tmp_path, CLIENT + f"skip: {{listen: '127.0.0.1:8444', psk_file: {psk}}}\n")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("control_group: nobody-here\n", "there is no local group 'nobody-here'"),
        ("audit_log: nowhere/carol.audit\n", "there is no directory .*nowhere"),
    ],
)
def test_what_the_daemon_alone_looks_for(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "carol.yaml"
    path.write_text(CLIENT + text)
    with pytest.raises(ConfigurationError, match=fault):
        CliRunner().invoke(dsked, ["--config", str(path), "--check-config"],
                           catch_exceptions=False, standalone_mode=False)  # fmt: skip
