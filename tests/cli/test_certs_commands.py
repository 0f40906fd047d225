"""`dskectl certs`: a laboratory's certificates work with OpenSSL, and say which encryptor their holder is."""

from __future__ import annotations

import contextlib
import json
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.delivery.pki import Authority, Pki, name

from .conftest import Dskectl, Ran

TLS = """\
etsi:
  certificate: certs/{name}.pem
  private_key: certs/{name}.key
  client_ca: certs/ca.pem
  crl: certs/crl.pem
"""

HANG_UP = (
    "Clients that run go by the old files until they get SIGHUP (kill -HUP PID; dskectl status has the "
    "PIDs), or are started anew: dskectl stop && dskectl start"
)


def inspected(call: Dskectl, name: str) -> Ran:
    """What is said of the laboratory's certificate of this name."""
    return call("certs", "inspect", f"certs/{name}.pem")


@pytest.fixture
def lab(directory: Path, call: Dskectl) -> Path:
    """The topology of the other tests, over TLS, and its certificates."""
    file = directory / "dske-config.yaml"
    file.write_text(file.read_text().replace("etsi: plain-http-on-loopback\n", TLS))
    assert call("certs", "create-lab").status == 0
    return directory / "certs"


def shake_hands(lab: Path, encryptor: str, host: str) -> str:
    """A mutual TLS handshake in memory with client carol's certificate; the subject that carol sees."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(lab / "carol.pem", lab / "carol.key")
    server.load_verify_locations(lab / "ca.pem")
    server.load_verify_locations(lab / "crl.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_X509_STRICT
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_verify_locations(lab / "ca.pem")
    client.load_cert_chain(lab / f"{encryptor}.pem", lab / f"{encryptor}.key")
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = (
        client.wrap_bio(down, up, server_hostname=host),
        server.wrap_bio(up, down, server_side=True),
    )
    for side in (ours, theirs, ours, theirs):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return str(dict(part[0] for part in theirs.getpeercert()["subject"])["commonName"])


def test_a_laboratorys_certificates_are_good_for_mutual_tls(lab: Path) -> None:
    assert {path.name for path in lab.iterdir()} == {
        "README.txt", "ca.key", "ca.pem", "crl.pem", "carol.key", "carol.pem", "curtis.key", "curtis.pem",
        "sam.key", "sam.pem", "sunny.key", "sunny.pem",
    }  # fmt: skip
    for host in ("127.0.0.1", "localhost", "::1"):
        assert shake_hands(lab, "sam", host) == "sam"
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(lab, "sam", "example.org")
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in lab.iterdir()}
    assert modes[".key"] == 0o600
    assert "NOT FOR KEYS THAT MATTER" in (lab / "README.txt").read_text()


def test_a_clients_certificate_is_for_no_encryptor_and_the_other_way_round(lab: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        shake_hands(lab, "curtis", "localhost")


def test_a_client_on_another_host_is_named_with_it(directory: Path, call: Dskectl) -> None:
    file = directory / "dske-config.yaml"
    text = file.read_text().replace("simulated", "simulated-insecure-over-the-network")
    text = text.replace("plain-http-on-loopback", "plain-http-insecure-over-the-network")
    text = text.replace("name: carol,", "name: carol, host: 192.0.2.1,")
    file.write_text(text.replace("name: curtis,", "name: curtis, host: kme.example.org,"))
    assert call("certs", "create-lab", "--directory", "lab").status == 0
    names = json.loads(call("certs", "inspect", "lab/carol.pem", "--json").out)["certificates"][0]
    assert "IP:192.0.2.1" in names["alternative_names"]
    names = json.loads(call("certs", "inspect", "lab/curtis.pem", "--json").out)["certificates"][0]
    assert names["alternative_names"][:2] == ["DNS:kme.example.org", "DNS:localhost"]


def test_a_revoked_certificate_is_refused(lab: Path, call: Dskectl) -> None:
    ran = call("certs", "revoke-lab", "sam")
    assert ran.lines == [f"{lab}/sam.pem is revoked", HANG_UP]
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate revoked"):
        shake_hands(lab, "sam", "localhost")
    assert shake_hands(lab, "sunny", "localhost") == "sunny"
    assert "was revoked before" in call("certs", "revoke-lab", "sam").out
    assert call("certs", "revoke-lab", "sunny").status == 0
    crl = x509.load_pem_x509_crl((lab / "crl.pem").read_bytes())
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    assert len(list(crl)) == 2
    assert f"  carol: refused: the certificate is revoked: see {lab}/crl.pem" in inspected(call, "sam").lines


def test_a_client_that_does_not_serve_etsi_needs_no_change_of_the_file(lab: Path, call: Dskectl) -> None:
    file = lab.parent / "dske-config.yaml"
    shown = TLS + "  encryptor_certificates: certs/{name}.pem\n  encryptor_private_keys: certs/{name}.key\n"
    text = file.read_text().replace(TLS, shown)
    file.write_text(text.replace("{name: carol,", "{name: carol, etsi: off,"))
    assert call("certs", "create-lab", "--force").lines[-1] == HANG_UP
    file.write_text(text.replace(shown, ""))
    assert "encryptor_private_keys: certs/{name}.key" in call("certs", "create-lab", "--force").out


def test_a_laboratorys_revocation_can_be_undone(lab: Path, call: Dskectl) -> None:
    for encryptor in ("sam", "sunny"):
        assert call("certs", "revoke-lab", encryptor).status == 0
    assert call("certs", "revoke-lab", "sam", "--undo").lines == [
        f"{lab}/sam.pem is revoked no more", HANG_UP,
    ]  # fmt: skip
    assert shake_hands(lab, "sam", "localhost") == "sam"
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate revoked"):
        shake_hands(lab, "sunny", "localhost")
    assert call("certs", "revoke-lab", "sam", "--undo").lines == [f"{lab}/sam.pem was not revoked"]
    crl = x509.load_pem_x509_crl((lab / "crl.pem").read_bytes())
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 4


def test_the_exit_status_tells_whether_any_client_takes_a_certificate(lab: Path, call: Dskectl) -> None:
    assert inspected(call, "sunny").status == 0  # curtis takes it, carol does not
    ran = inspected(call, "carol")
    assert ran.status == 4
    assert ran.err == "dskectl: certs/carol.pem: no client of dske-config.yaml takes this certificate\n"
    assert "  carol: refused: the certificate is not meant for TLS clients; serves no encryptor 'carol'" in (
        ran.lines
    )
    file = Path("dske-config.yaml")
    file.write_text(file.read_text().replace(TLS, "etsi: plain-http-on-loopback\n"))
    ran = inspected(call, "carol")
    assert (ran.status, ran.lines[-1]) == (
        0, "At the clients of dske-config.yaml, none of which serves mutual TLS",
    )  # fmt: skip


@pytest.mark.parametrize("file", ["ca.pem", "crl.pem"])
def test_junk_in_a_clients_files_is_told_in_our_words(lab: Path, call: Dskectl, file: str) -> None:
    (lab / file).write_text((lab / file).read_text().replace("MI", "AA", 1))
    ran = inspected(call, "sam")
    assert ran.status == 4
    [line] = [line for line in ran.lines if line.startswith("  carol: ")]
    assert line.startswith(f"  carol: refused: its configuration cannot be used: {lab}/{file}: ")
    assert not any(word in line for word in ("http", "ASN", "asn1", "ParseError"))


def test_where_a_client_is_on_another_computer_its_verdict_is_not_told(lab: Path, call: Dskectl) -> None:
    (lab / "sam.pem").rename("sam.pem")
    for path in lab.iterdir():
        path.unlink()
    ran = call("certs", "inspect", "sam.pem")
    assert ran.lines[-2:] == [
        "  carol: encryptor sam, if its CAs and lists take it (its files are not on this computer, or closed "
        "to this user)",
        "  curtis: refused: serves no encryptor 'sam'",
    ]
    assert ran.status == 0


def test_interfaces_that_differ_are_told_apart(lab: Path, call: Dskectl) -> None:
    file = Path("dske-config.yaml")
    file.write_text(file.read_text() + "skip: {base_port: 8200, sae_id_from: san-uri}\n")
    lines = inspected(call, "sam").lines
    assert "  carol (etsi): encryptor sam" in lines
    assert any(line.startswith("  carol (skip): refused: expected one URI (SAN)") for line in lines)


@pytest.mark.parametrize(
    ("who", "says"),
    [
        ("nobody", "nobody.pem: there is no such file; 'dskectl certs create-lab' makes"),
        ("ca", "is none that this"),
    ],
)
def test_only_what_the_laboratory_has_issued_can_be_revoked(
    lab: Path, call: Dskectl, who: str, says: str
) -> None:
    ran = call("certs", "revoke-lab", who)
    assert ran.status == 2
    assert says in ran.err


def test_what_is_there_is_kept_unless_it_is_to_be_made_anew(lab: Path, call: Dskectl) -> None:
    before = (lab / "ca.pem").read_bytes()
    ran = call("certs", "create-lab")
    assert (ran.status, ran.err) == (
        2, f"dskectl: {lab}: a laboratory's certificates are there already; --force makes all anew\n",
    )  # fmt: skip
    assert (lab / "ca.pem").read_bytes() == before
    ran = call("certs", "create-lab", "--force", "--days", "2")
    assert ran.status == 0
    assert ran.lines[1:3] == [
        "Encryptors need their new certificates and private keys, and the new ca.pem.", HANG_UP,
    ]  # fmt: skip
    assert (lab / "ca.pem").read_bytes() != before
    assert shake_hands(lab, "sam", "localhost") == "sam"


@pytest.mark.parametrize(
    ("encryptor", "says"),
    [
        ("carol", "'carol': another client or encryptor has the file of this name; names must differ"),
        ("ca", "'ca': the authority has the file of this name"),
        ("a/b", "'a/b': no file can have this name"),
        ("..", "'..': no file can have this name"),
        ("x" * 65, "a certificate's common name has at most 64 characters, this one 65"),
    ],
)
def test_names_that_no_file_or_certificate_can_have(
    directory: Path, call: Dskectl, encryptor: str, says: str
) -> None:
    file = directory / "dske-config.yaml"
    file.write_text(file.read_text().replace("{name: sam}", f"{{name: {encryptor}}}"))
    ran = call("certs", "create-lab")
    assert ran.status == 2
    assert says in ran.err
    assert not (directory / "certs").exists()


def test_the_topology_files_lines_are_shown_where_it_says_nothing_of_tls(
    directory: Path, call: Dskectl
) -> None:
    ran = call("certs", "create-lab")
    before, _, lines = ran.out.partition("\n\n")
    assert before.splitlines()[1] == (
        "Clients that run read the topology file when they are started anew: dskectl stop && dskectl start"
    )
    file = directory / "dske-config.yaml"
    file.write_text(file.read_text().replace("etsi: plain-http-on-loopback\n", lines))
    shown = call("certs", "inspect", "certs/sunny.pem")
    assert shown.lines[-2:] == ["  carol: refused: serves no encryptor 'sunny'", "  curtis: encryptor sunny"]


def test_inspect_tells_what_every_rule_gives(lab: Path, call: Dskectl) -> None:
    ran = call("certs", "inspect", "certs/sam.pem", "--json")
    document = json.loads(ran.out)
    [facts] = document["certificates"]
    own = x509.load_pem_x509_certificate((lab / "sam.pem").read_bytes())
    assert (facts["subject"], facts["serial_number"]) == ("CN=sam", f"{own.serial_number:x}")
    assert (facts["alternative_names"], facts["faults"]) == (["DNS:sam"], [])
    assert document["sae_ids"]["subject-cn"] == {"sae_id": "sam"}
    assert document["sae_ids"]["subject-dn"] == {"sae_id": "CN=sam"}
    assert document["sae_ids"]["san-dns"] == {"sae_id": "sam"}
    assert set(document["sae_ids"]["san-uri"]) == {"fault"}
    assert document["clients"] == [
        {"client": "carol", "interfaces": ["etsi"], "sae_id_from": "subject-cn", "sae_id": "sam",
         "faults": [], "unchecked": None},
        {"client": "curtis", "interfaces": ["etsi"], "sae_id_from": "subject-cn", "sae_id": "sam",
         "faults": ["serves no encryptor 'sam'"], "unchecked": None},
    ]  # fmt: skip
    text = call("certs", "inspect", "certs/sam.pem")
    assert text.lines[0] == "Subject:       CN=sam"
    assert "  subject-cn  sam" in text.lines
    assert "  carol: encryptor sam" in text.lines


def test_inspect_goes_by_the_map_of_the_topology_file(lab: Path, call: Dskectl) -> None:
    file = Path("dske-config.yaml")
    mapped = "  crl: certs/crl.pem\n  sae_id_from: map\n  sae_ids: {CN=sunny: sam}\n"
    file.write_text(file.read_text().replace("  crl: certs/crl.pem\n", mapped))
    assert "  carol: encryptor sam" in call("certs", "inspect", "certs/sunny.pem").lines
    [line] = [line for line in call("certs", "inspect", "certs/sam.pem").lines if line.startswith("  carol")]
    assert line.startswith("  carol: refused: the certificate's names map to no SAE ID")


def test_inspect_names_what_is_wrong_with_a_certificate(lab: Path, call: Dskectl, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    pki = Pki(other)
    expired = call("certs", "inspect", str(pki.expired("sam").certificate))
    assert any(line.strip().startswith("This certificate expired at ") for line in expired.lines)
    assert f"  carol: refused: the certificate comes from an unknown CA: see {lab}/ca.pem" in expired.lines


def test_inspect_follows_a_chain_in_the_file(lab: Path, call: Dskectl, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    root = Authority(other, "root")
    between = Authority(other, "between", root)
    chain = between.x509.public_bytes(Encoding.PEM)
    sam = between.issue(name("sam"), "sam", chain=chain)
    (lab / "ca.pem").write_bytes(root.path.read_bytes())
    (lab / "crl.pem").write_bytes(root.crl() + between.crl())
    ran = call("certs", "inspect", str(sam.certificate))
    assert "  carol: encryptor sam" in ran.lines
    assert [line for line in ran.lines if line.startswith("Subject:")] == [
        "Subject:       CN=sam", "Subject:       CN=between",
    ]  # fmt: skip
    sam.certificate.write_bytes(sam.x509.public_bytes(Encoding.DER))
    assert "comes from an unknown CA" in call("certs", "inspect", str(sam.certificate)).out


def test_a_certificate_cannot_write_to_the_terminal(directory: Path, call: Dskectl) -> None:
    holder = Authority(directory).issue(name("a\x1b[31m\nb"), "hostile")
    ran = call("certs", "inspect", str(holder.certificate))
    assert ran.lines[0] == "Subject:       CN=a?[31m?b"
    told = json.loads(call("certs", "inspect", str(holder.certificate), "--json").out)
    assert told["sae_ids"]["subject-cn"] == {"sae_id": "a\x1b[31m\nb"}


def test_a_certificate_that_x509_does_not_know(directory: Path, call: Dskectl) -> None:
    """Every byte of one is changed: what is told is a fault in one line, or facts."""
    der = (
        Authority(directory)
        .issue(name("sam"), "sam", names=[x509.DNSName("sam")])
        .x509.public_bytes(Encoding.DER)
    )
    file, refused = directory / "changed.der", 0
    for at in range(0, len(der), 3):
        file.write_bytes(der[:at] + bytes([der[at] ^ 0x41]) + der[at + 1 :])
        ran = call("certs", "inspect", "changed.der", "--json")
        assert ran.status in (0, 2), ran.err
        refused += ran.status == 2
    assert refused


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "it holds: private key"),
        (b"nonsense", "expected certificates, in PEM or DER; it holds neither"),
        (b"", "it holds neither"),
        (b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "a certificate in it is damaged"),
        (None, "cannot be read: No such file or directory"),
        (b"x" * (1024 * 1024 + 1), "larger than 1048576 bytes"),
    ],
    ids=["key", "text", "empty", "damaged", "missing", "large"],
)
def test_a_file_of_something_else(directory: Path, call: Dskectl, data: bytes | None, says: str) -> None:
    file = directory / "some.pem"
    if data is not None:
        file.write_bytes(data)
    ran = call("certs", "inspect", "some.pem")
    assert ran.status == 2
    assert ran.err.startswith("dskectl: some.pem: ")
    assert says in ran.err
