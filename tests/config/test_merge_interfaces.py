"""How a client serves its encryptors: what the file says, and what the command line changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dsked.config import gate_keys, merge
from dsked.config.node import HubAddress, StoredKeys
from dsked.config.options import Options
from dsked.errors import ConfigurationError

HUBS = tuple(HubAddress(name=f"h{x}", host="127.0.0.1", port=8100 + x, x=x) for x in (1, 2, 3))
TLS: dict[str, Any] = {
    "etsi_certificate": Path("a.pem"), "etsi_private_key": Path("a.key"), "etsi_client_ca": Path("ca.pem"),
}  # fmt: skip
PLAIN = {"etsi": "plain-http-on-loopback"}
OF_FILE = """\
etsi: {certificate: '{name}.pem', private_key: '{name}.key', client_ca: ca.pem}
skip: {base_port: 8300, psk_file: psk}
"""


def options(directory: Path, **values: Any) -> Options:
    file = directory / "pairs.json"
    gate_keys.ensure(file, [("carol", hub.name) for hub in HUBS])
    named: dict[str, Any] = {
        "name": "carol", "psrd": "simulated", "gate_keys": file, "hubs": HUBS, "encryptors": ("sam", "sue"),
    }  # fmt: skip
    return Options(**(named | values))


def test_tls_on_the_command_line(directory: Path) -> None:
    more: dict[str, Any] = {
        "etsi_crl": Path("crl"), "etsi_sae_id_from": "map", "etsi_sae_ids": {"CN=x": "sam"},
        "etsi_minimum_tls": "1.3",
    }  # fmt: skip
    settings = merge.client_settings(options(directory, port=8105, **TLS, **more))
    tls = settings.etsi_tls
    assert tls and (tls.certificate, tls.private_key, tls.client_ca) == (
        Path("a.pem"),
        Path("a.key"),
        Path("ca.pem"),
    )
    assert (tls.crl, tls.sae_id_from, tls.minimum_tls) == (Path("crl"), "map", "1.3")
    assert tls.sae_ids == {"CN=x": "sam"}
    assert (settings.port, settings.etsi_plain_http, settings.etsi_insecure) == (8105, False, False)


def test_plain_http_on_any_address_is_said_to_be_insecure(directory: Path) -> None:
    plain = options(directory, port=8105, host="192.0.2.1", etsi="plain-http-insecure-over-the-network")
    settings = merge.client_settings(plain)
    assert (settings.etsi_plain_http, settings.etsi_insecure, settings.etsi_tls) == (True, True, None)


@pytest.fixture
def with_tls(small: Path) -> Path:
    """The small topology, with TLS and SKIP."""
    text = small.read_text().replace("etsi: plain-http-on-loopback\n", OF_FILE)
    small.write_text(
        text.replace("- name: sam", "- name: sam\n        stored_keys: [{responder: sunny, count: 2}]")
    )
    return small


def test_the_file_says_all(with_tls: Path, directory: Path) -> None:
    settings = merge.client_settings(Options(name="carol", config=with_tls))
    assert settings.etsi_tls and settings.etsi_tls.certificate == directory / "carol.pem"
    assert settings.skip and settings.skip.tls == settings.etsi_tls
    assert (settings.skip.port, settings.skip.psk_file) == (8300, directory / "psk")
    assert settings.stored_keys == (StoredKeys(initiator="sam", responder="sunny", count=2, size_bits=128),)


def test_options_win_over_the_file(with_tls: Path, directory: Path) -> None:
    keys = (StoredKeys(initiator="sam", responder="susan", count=1),)
    line = Options(
        name="carol", config=with_tls, etsi_client_ca=Path("other"), skip_port=9000, skip_psk_file=Path("p"),
        skip_system_ids={"SAM-1": "sam"}, stored_keys=keys,
    )  # fmt: skip
    settings = merge.client_settings(line)
    assert settings.etsi_tls and settings.etsi_tls.client_ca == Path("other")
    assert settings.etsi_tls.certificate == directory / "carol.pem"
    assert settings.skip and settings.skip.tls == settings.etsi_tls
    assert (settings.skip.port, settings.skip.psk_file) == (9000, Path("p"))
    assert [system for system, name in settings.skip.system_ids.items() if name == "sam"] == ["SAM-1"]
    assert settings.stored_keys == keys
    plain = merge.client_settings(Options(name="carol", config=with_tls, etsi="plain-http-on-loopback"))
    assert (plain.etsi_plain_http, plain.etsi_tls) == (True, None)


def test_skip_on_the_command_line(directory: Path) -> None:
    over_tls = merge.client_settings(options(directory, port=8105, skip_port=8205, **TLS))
    assert over_tls.skip and over_tls.skip.tls == over_tls.etsi_tls
    assert over_tls.skip.system_ids == {"sam": "sam", "sue": "sue"}
    ids = {"S1": "sam", "X": "elsewhere"}
    alone = merge.client_settings(
        options(directory, skip_port=8205, skip_psk_file=Path("psk"), skip_system_ids=ids)
    )
    assert alone.port is None
    assert alone.skip and (alone.skip.tls, alone.skip.plain_http) == (None, None)
    assert alone.skip.system_ids == {"S1": "sam", "X": "elsewhere", "sue": "sue"}
    tls_alone = merge.client_settings(options(directory, skip_port=8205, **TLS))
    assert (tls_alone.port, tls_alone.etsi_tls) == (None, None)
    assert tls_alone.skip and tls_alone.skip.tls == over_tls.skip.tls
    plain = merge.client_settings(options(directory, port=8105, skip_port=8205, **PLAIN))
    assert plain.skip and plain.skip.plain_http == "plain-http-on-loopback"


def test_skip_of_the_file_where_the_clients_etsi_is_off(small: Path) -> None:
    text = small.read_text().replace("hubs:", "skip: {base_port: 8300}\nhubs:")
    small.write_text(text.replace("- name: carol", "- name: carol\n    etsi: off"))
    settings = merge.client_settings(Options(name="carol", config=small))
    assert (settings.port, settings.etsi_plain_http) == (None, False)
    assert settings.skip and settings.skip.plain_http == "plain-http-on-loopback"
    with pytest.raises(ConfigurationError, match="--skip-port: plain HTTP is for loopback only"):
        merge.client_settings(Options(name="carol", config=small, host="192.0.2.1"))


def keys(initiator: str, responder: str, count: int = 1, size_bits: int = 128) -> StoredKeys:
    return StoredKeys(initiator=initiator, responder=responder, count=count, size_bits=size_bits)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"port": 8105, **PLAIN, **TLS}, "--etsi: is for plain HTTP, and --etsi-certificate for TLS"),
    ({"port": 8105, "etsi_certificate": Path("a")}, "--etsi-private-key: missing; TLS needs --etsi-certific"),
    ({**TLS}, "--etsi-certificate: needs --port"),
    ({"port": 8105, **TLS, "etsi_sae_id_from": "map"}, "--etsi-sae-id: is missing; it is needed with"),
    ({"port": 8105, **TLS, "etsi_sae_ids": {"CN=x": "sam"}}, "--etsi-sae-id: has no effect without"),
    ({"skip_port": 8205}, "--skip-port: needs --etsi-certificate, "),
    ({"skip_port": 0, "skip_psk_file": Path("a")}, "--skip-port: 0 is no TCP port"),
    ({"port": 8205, "skip_port": 8205, **PLAIN}, "--skip-port: 8205 is the port of the ETSI interface; port"),
    ({"skip_psk_file": Path("a")}, "--skip-psk-file: needs --skip-port, or 'skip' in a topology file"),
    ({"skip_system_ids": {"a": "b"}}, "--skip-system-id: needs --skip-port"),
    ({"skip_port": 1, "skip_psk_file": Path("a"), "skip_system_ids": {"a": ""}}, "--skip-system-id: a name"),
    ({"skip_port": 1, "skip_psk_file": Path("a"), "skip_system_ids": {"sue": "sam"}}, "'sue' is the system"),
    ({"stored_keys": (keys("eve", "sue"),)}, "--stored-keys: 'eve' is no encryptor of this client; expected"),
    ({"stored_keys": (keys("sam", "sam"),)}, "--stored-keys: 'sam' stands on both sides"),
    ({"stored_keys": (keys("sam", "x", 0),)}, "--stored-keys: 0 keys; expected 1 to"),
    ({"stored_keys": (keys("sam", "x", 1, 7),)}, "--stored-keys: 7 bits; expected a multiple of 8"),
    ({"stored_keys": (keys("sam", "x"), keys("sam", "x", 2))}, "--stored-keys: sam:x with 128 bits stands t"),
    ({"stored_keys": tuple(keys("sam", f"e{i}", 1000) for i in range(5))}, "--stored-keys: with these the c"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "says"), REFUSED)
def test_a_wrong_option_is_named(directory: Path, values: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        merge.client_settings(options(directory, **values))
    assert says in str(error.value)
