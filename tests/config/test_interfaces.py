"""ETSI GS QKD 014 and SKIP in the topology file: TLS, plain HTTP, system IDs, keys held ready."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dsked.config import topology
from dsked.config.interfaces import parts
from dsked.config.node import StoredKeys, TlsSettings
from dsked.config.topology import Topology
from dsked.errors import ConfigurationError

HEAD = "psrd: simulated\nmin_nr_shares: 2\nhubs: [{name: hank}, {name: helen}, {name: hugo}]\n"
CLIENTS = """\
clients:
  - name: carol
    encryptors: [{name: sam}]
  - name: curtis
    encryptors: [{name: sunny}, {name: susan}]
"""
TLS = """\
etsi:
  certificate: certs/{name}.pem
  private_key: certs/{name}.key
  client_ca: certs/ca.pem
"""


def load(directory: Path, text: str) -> Topology:
    path = directory / "t.yaml"
    path.write_text(text)
    return topology.load(path)


def test_tls_with_its_defaults(tmp_path: Path) -> None:
    network = load(tmp_path, HEAD + TLS + CLIENTS)
    carol, curtis = (client.etsi for client in network.clients)
    assert carol and carol.mode is None and not carol.insecure
    assert carol.tls == TlsSettings(
        certificate=tmp_path / "certs/carol.pem",
        private_key=tmp_path / "certs/carol.key",
        client_ca=tmp_path / "certs/ca.pem",
        crl=None,
        sae_id_from="subject-cn",
        sae_ids={},
        minimum_tls="1.2",
    )
    assert curtis and curtis.tls and curtis.tls.private_key == tmp_path / "certs/curtis.key"
    assert network.interface_parts() == ["http", "tls"]


def test_every_key_of_tls(tmp_path: Path) -> None:
    more = (
        "  crl: /etc/crl.pem\n  sae_id_from: map\n  minimum_tls: 1.3\n"
        '  sae_ids: {"CN=x,O=y": sam, DNS:s.lab: sunny}\n'
        "  encryptor_certificates: enc/{name}.pem\n  encryptor_private_keys: /keys/{name}.key\n"
    )
    etsi = load(tmp_path, HEAD + TLS + more + CLIENTS).client("carol").etsi
    assert etsi and etsi.tls
    assert (etsi.tls.crl, etsi.tls.sae_id_from, etsi.tls.minimum_tls) == (Path("/etc/crl.pem"), "map", "1.3")
    assert etsi.tls.sae_ids == {"CN=x,O=y": "sam", "DNS:s.lab": "sunny"}
    assert etsi.encryptor_certificates == f"{tmp_path}/enc/{{name}}.pem"
    assert etsi.encryptor_private_keys == "/keys/{name}.key"


def test_a_client_replaces_single_keys(tmp_path: Path) -> None:
    clients = CLIENTS.replace(
        "[{name: sam}]", "[{name: sam}]\n    etsi: {client_ca: other.pem, minimum_tls: '1.3'}"
    )
    network = load(tmp_path, HEAD + TLS + clients)
    carol, curtis = (client.etsi.tls for client in network.clients if client.etsi)
    assert carol and curtis
    assert (carol.client_ca, carol.minimum_tls) == (tmp_path / "other.pem", "1.3")
    assert carol.certificate == tmp_path / "certs/carol.pem"
    assert (curtis.client_ca, curtis.minimum_tls) == (tmp_path / "certs/ca.pem", "1.2")


@pytest.mark.parametrize("head", ["", "etsi: plain-http-on-loopback\n"])
def test_a_client_may_have_tls_alone(tmp_path: Path, head: str) -> None:
    own = "[{name: sam}]\n    etsi: {certificate: a, private_key: b, client_ca: c}"
    network = load(tmp_path, HEAD + head + CLIENTS.replace("[{name: sam}]", own))
    carol, curtis = (client.etsi for client in network.clients)
    assert carol and carol.tls
    assert (curtis.mode if curtis else None) == (head[6:].strip() or None)


def test_plain_http_over_the_network_must_be_said_to_be_insecure(tmp_path: Path) -> None:
    clients = CLIENTS.replace("name: carol", "name: carol\n    host: 192.0.2.1")
    network = load(tmp_path, HEAD + "etsi: plain-http-insecure-over-the-network\n" + clients)
    assert all(client.etsi and client.etsi.insecure and not client.etsi.tls for client in network.clients)
    says = (
        r"t\.yaml:7: clients\[0\]\.host: plain HTTP is for loopback only, and 192\.0\.2\.1 is not; expected "
        r"127\.0\.0\.1 as the client's host, mutual TLS, or plain-http-insecure-over-the-network if all"
    )
    with pytest.raises(ConfigurationError, match=says):
        load(tmp_path, HEAD + "etsi: plain-http-on-loopback\n" + clients)


def test_skip_has_ports_by_order_and_the_tls_of_etsi(tmp_path: Path) -> None:
    clients = CLIENTS.replace("name: curtis", "name: curtis\n    skip_port: 8300")
    network = load(tmp_path, HEAD + TLS + "skip: {}\n" + clients)
    carol, curtis = (client.skip for client in network.clients)
    assert carol and curtis and network.clients[0].etsi
    assert (carol.host, carol.port, curtis.port) == ("127.0.0.1", 8200, 8300)
    assert carol.tls == network.clients[0].etsi.tls
    assert carol.psk_file is None
    assert carol.plain_http is None
    assert carol.system_ids == {"sam": "sam", "sunny": "sunny", "susan": "susan"}


def test_skip_replaces_single_keys_of_tls(tmp_path: Path) -> None:
    skip = "skip: {base_port: 9000, client_ca: other.pem, psk_file: 'psk/{name}.txt'}\n"
    curtis = load(tmp_path, HEAD + TLS + skip + CLIENTS).client("curtis").skip
    assert curtis and curtis.tls
    assert (curtis.port, curtis.psk_file) == (9001, tmp_path / "psk/curtis.txt")
    assert curtis.tls.client_ca == tmp_path / "other.pem"
    assert curtis.tls.certificate == tmp_path / "certs/curtis.pem"


def test_skip_without_certificates(tmp_path: Path) -> None:
    psk = load(tmp_path, HEAD + "skip: {psk_file: psk.txt}\n" + CLIENTS).client("carol")
    assert psk.etsi is None
    assert parts(False, None, psk.skip) == ["http", "tls", "skip", "psk"]
    assert psk.skip and psk.skip.tls is None and psk.skip.plain_http is None
    plain = load(tmp_path, HEAD + "etsi: plain-http-on-loopback\nskip: {}\n" + CLIENTS).client("carol").skip
    assert plain and plain.tls is None and plain.plain_http == "plain-http-on-loopback"
    assert parts(True, None, plain) == ["http", "skip"]


@pytest.mark.parametrize("word", ["off", "no", "'off'", "null"])
def test_skip_may_be_written_as_off(tmp_path: Path, word: str) -> None:
    assert load(tmp_path, HEAD + TLS + f"skip: {word}\n" + CLIENTS).client("carol").skip is None


def of_carol(text: str) -> str:
    return CLIENTS.replace("- name: carol", f"- name: carol\n    {text}")


@pytest.mark.parametrize("word", ["off", "no", "'off'", "false"])
def test_one_client_takes_itself_out_of_an_interface(tmp_path: Path, word: str) -> None:
    both = HEAD + TLS + "skip: {}\n"
    carol, curtis = load(tmp_path, both + of_carol(f"etsi: {word}")).clients
    assert carol.etsi is None
    assert curtis.etsi
    assert carol.skip and carol.skip.tls  # as ETSI GS QKD 014 would have
    assert carol.skip.tls.certificate == tmp_path / "certs/carol.pem"
    carol, curtis = load(tmp_path, both + of_carol(f"skip: {word}")).clients
    assert carol.etsi
    assert carol.skip is None
    assert curtis.skip and curtis.skip.port == 8201


def test_skip_stays_plain_http_where_etsi_is_off_for_one_client(tmp_path: Path) -> None:
    plain = HEAD + "etsi: plain-http-on-loopback\nskip: {}\n" + of_carol("etsi: off")
    carol, curtis = load(tmp_path, plain).clients
    assert (carol.etsi, curtis.etsi and curtis.etsi.mode) == (None, "plain-http-on-loopback")
    assert carol.skip and carol.skip.plain_http == "plain-http-on-loopback"


@pytest.mark.parametrize("key", ["certificate", "client_ca", "encryptor_certificates"])
@pytest.mark.parametrize("wrong", ["{nam}", "{}", "{NAME}", "{name", "name}", "{{name}}"])
def test_what_stands_for_nothing_in_a_path_is_refused(tmp_path: Path, key: str, wrong: str) -> None:
    tls = {"certificate": "a", "private_key": "b", "client_ca": "c"} | {key: f"certs/{wrong}.pem"}
    written = "".join(f"  {key}: '{path}'\n" for key, path in tls.items())
    found = rf"'.*' in 'certs/{re.escape(wrong)}\.pem' stands for nothing; expected {{name}}"
    with pytest.raises(ConfigurationError, match=rf"t\.yaml:\d: etsi\.{key}: {found}"):
        load(tmp_path, HEAD + "etsi:\n" + written + CLIENTS)


def test_a_directory_may_have_any_name(tmp_path: Path) -> None:
    home = tmp_path / "{x}{name}"
    home.mkdir()
    etsi = load(home, HEAD + TLS + CLIENTS).client("carol").etsi
    assert etsi and etsi.tls and etsi.tls.certificate == home / "certs/carol.pem"


def test_system_ids_and_stored_keys(tmp_path: Path) -> None:
    keys = "[{responder: sunny, count: 4, size: 256}, {responder: susan, count: 1}]"
    one = f"[{{name: sam, system_id: SAM-1, stored_keys: {keys}}}]"
    network = load(tmp_path, HEAD + TLS + "skip: {}\n" + CLIENTS.replace("[{name: sam}]", one))
    carol = network.client("carol")
    assert carol.skip and carol.skip.system_ids == {"SAM-1": "sam", "sunny": "sunny", "susan": "susan"}
    assert carol.encryptors[0].stored_keys == (
        StoredKeys(initiator="sam", responder="sunny", count=4, size_bits=256),
        StoredKeys(initiator="sam", responder="susan", count=1, size_bits=128),
    )


def of_sam(keys: str) -> str:
    return TLS + CLIENTS.replace("{name: sam}", f"{{name: sam, {keys}}}")


REFUSED = [
    ("etsi: tls\n" + CLIENTS, r":4: etsi: 'tls' is not known; expected .*, or for mutual TLS a mapping"),
    ("etsi: {}\n" + CLIENTS, r":4: etsi: the key 'certificate' is missing; TLS needs certificate, private_k"),
    ("etsi: 5\n" + CLIENTS, r":4: etsi: expected text or a mapping \(key: value\), got a whole number"),
    (TLS + "  cipher: x\n" + CLIENTS, r":8: etsi\.cipher: unknown key; expected one of certificate, "),
    (TLS + "  minimum_tls: 1.1\n" + CLIENTS, r":8: etsi\.minimum_tls: '1\.1' is not known; expected '1\.2'"),
    (TLS + "  sae_id_from: cn\n" + CLIENTS, r":8: etsi\.sae_id_from: 'cn' is not known; expected 'subject-c"),
    (TLS + "  sae_id_from: map\n" + CLIENTS, r":4: etsi\.sae_ids: is missing; it is needed with sae_id_from"),
    (TLS + "  sae_ids: {CN=x: sam}\n" + CLIENTS, r":8: etsi\.sae_ids: has no effect without sae_id_from: ma"),
    (TLS + "  sae_id_from: map\n  sae_ids: {CN=x: eve}\n" + CLIENTS, r":9: etsi\.sae_ids: 'CN=x' stands for"),
    (TLS + "  sae_id_from: map\n  sae_ids: {x: sam}\n" + CLIENTS, r":9: etsi\.sae_ids: 'x' names no certifi"),
    (TLS + "  sae_id_from: map\n  sae_ids: {SHA256:ff: sam}\n" + CLIENTS, r":9: .*SHA256: and 64 hex digits"),
    (TLS + "  sae_id_from: map\n  sae_ids: {CN=x: 5}\n" + CLIENTS, r":9: etsi\.sae_ids: expected text, got"),
    (CLIENTS.replace("- name: carol", "- name: carol\n    etsi: {crl: a}"), r":6: clients\[0\]\.etsi: the k"),
    (TLS + of_carol("etsi: plain-http-on-loopback"), r":10: clients\[0\]\.etsi: 'plain-http-on-loopback' is"),
    (TLS + of_carol("etsi: true"), r":10: clients\[0\]\.etsi: expected text or a mapping \(key: value\), go"),
    ("skip: {psk_file: x}\n" + of_carol("skip: {}"), r":7: clients\[0\]\.skip: expected off: all else of SK"),
    ("skip: {psk_file: x}\n" + of_carol("skip: on"), r":7: clients\[0\]\.skip: expected off: all else of SK"),
    ("skip: {psk_file: x}\n" + of_carol("skip: off\n    skip_port: 1"), r"skip_port: has no effect with ski"),
    ("skip: {psk_file: '{nam}'}\n" + CLIENTS, r":4: skip\.psk_file: '\{nam\}' in '\{nam\}' stands for no"),
    ("skip: {}\n" + CLIENTS, r":4: skip: needs certificate, private_key and client_ca here or below 'etsi',"),
    ("skip: {crl: x}\n" + CLIENTS, r":4: skip: the key 'certificate' is missing"),
    (TLS + "skip: {base_port: 65535}\n" + CLIENTS, r":8: skip\.base_port: 65536 is no TCP port"),
    (TLS + "skip: {base_port: 8103}\n" + CLIENTS, r"port 8103 on 127\.0\.0\.1 is taken by carol; ports must"),
    (CLIENTS.replace("- name: carol", "- name: carol\n    skip_port: 1"), r":6: clients\[0\]\.skip_port: ha"),
    (of_sam("system_id: susan"), r"system_id: the system ID 'susan' is that of 'sam' already; they must dif"),
    (TLS + "  crl: ''\n" + CLIENTS, r":8: etsi\.crl: '' is no path of a file"),
    (TLS + '  crl: "a\\0b"\n' + CLIENTS, r":8: etsi\.crl: 'a.x00b' is no path of a file"),
    (TLS + "  crl: ~nobody-of-this-name/crl\n" + CLIENTS, r":8: etsi\.crl: ~nobody.*: there is no such user"),
    (TLS + "skip: {psk_file: ''}\n" + CLIENTS, r":8: skip\.psk_file: '' is no path of a file"),
    ("state_dir: ~nobody-of-this-name/x\n" + CLIENTS, r":4: state_dir: ~nobody.*: there is no such user's"),
    (of_sam("system_id: ''"), r"encryptors\[0\]\.system_id: a name of 1 to 128 bytes is expected"),
    (of_sam("stored_keys: [{responder: sam, count: 1}]"), r"stored_keys\[0\]\.responder: 'sam' is no other"),
    (of_sam("stored_keys: [{responder: eve, count: 1}]"), r"stored_keys\[0\]\.responder: 'eve' is no other"),
    (of_sam("stored_keys: [{responder: sunny, count: 0}]"), r"stored_keys\[0\]\.count: 0 keys; expected 1 t"),
    (of_sam("stored_keys: [{responder: sunny, count: 1, size: 99}]"), r"stored_keys\[0\]\.size: 99 bits; ex"),
    (of_sam("stored_keys: [{count: 1}]"), r"stored_keys\[0\]: the key 'responder' is missing"),
    (of_sam("stored_keys: [{to: x}]"), r"stored_keys\[0\]\.to: unknown key; expected one of responder, coun"),
    (
        of_sam("stored_keys: [{responder: sunny, count: 1}, {responder: sunny, count: 2}]"),
        r"stored_keys\[1\]: keys of 128 bits for 'sunny' are listed already",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load(tmp_path, HEAD + text)


def test_stored_keys_are_no_longer_than_the_client_allows(tmp_path: Path) -> None:
    text = of_sam("stored_keys: [{responder: sunny, count: 1, size: 4096}]")
    assert load(tmp_path, HEAD + text)
    with pytest.raises(ConfigurationError, match="4096 bits; expected a multiple of 8 from 32 to 1024"):
        load(tmp_path, HEAD + "limits: {max_key_size_bits: 1024}\n" + text)


def held(responder: str, *keys: tuple[int, int]) -> str:
    entries = [f"{{responder: {responder}, count: {count}, size: {bits}}}" for count, bits in keys]
    return f"stored_keys: [{', '.join(entries)}]"


@pytest.mark.parametrize(
    ("of_susan", "says"),
    [
        ([(1024, 48)], None),
        ([(1024, 48), (1, 56)], r"keys\[1\]: with these the client holds 4097 keys ready, of 21511 bytes in "
         r"all; expected at most 4096 keys, and 8388608 bytes"),
        ([(1021, 65536)], None),
        ([(1024, 65536)], r"keys\[0\]: with these the client holds 4096 keys ready, of 8403968 bytes in all"),
    ],
)  # fmt: skip
def test_stored_keys_of_a_client_are_limited_in_all(
    tmp_path: Path, of_susan: list[tuple[int, int]], says: str | None
) -> None:
    """Whichever encryptor of the client they are for; what another client holds counts for that one."""
    text = TLS + CLIENTS.replace("{name: sam}", f"{{name: sam, {held('sunny', (1024, 256))}}}")
    text = text.replace(
        "{name: sunny}", f"{{name: sunny, {held('sam', *[(1024, 32 + 8 * i) for i in range(3)])}}}"
    )
    text = text.replace("{name: susan}", f"{{name: susan, {held('sam', *of_susan)}}}")
    if says is None:
        assert load(tmp_path, HEAD + text)
        return
    with pytest.raises(ConfigurationError, match=rf":12: clients\[1\]\.encryptors\[1\]\.stored_{says}"):
        load(tmp_path, HEAD + text)
