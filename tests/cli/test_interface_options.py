"""Options of a client's interfaces, as the daemon's command line takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dsked.cli import dsked as command
from dsked.config.node import StoredKeys
from dsked.config.options import Options

CLIENT = ["--role", "client", "carol"]


def said(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Options:
    """What is handed on to be put together with the topology file."""
    handed: list[Options] = []

    class Enough(Exception):
        pass

    def settings(role: str, options: Options, written: object) -> Any:
        handed.append(options)
        raise Enough

    monkeypatch.setattr(command, "_settings", settings)
    result = CliRunner().invoke(command.dsked, [*CLIENT, *arguments])
    assert isinstance(result.exception, Enough), result.output
    return handed[0]


def test_every_option_of_the_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    line = """
        --etsi-certificate a.pem --etsi-private-key a.key --etsi-client-ca ca.pem --etsi-crl crl.pem
        --etsi-sae-id-from map --etsi-sae-id CN=x,O=y=sam DNS:s.lab=sue --etsi-minimum-tls 1.3
        --skip-port 8200 --skip-psk-file psk --skip-system-id SAM-1=sam SUE-1=sue
        --stored-keys sam:sunny:4 sam:susan:2:256
    """
    options = said(monkeypatch, *line.split())
    assert options.etsi is None
    assert (options.etsi_certificate, options.etsi_private_key) == (Path("a.pem"), Path("a.key"))
    assert (options.etsi_client_ca, options.etsi_crl) == (Path("ca.pem"), Path("crl.pem"))
    assert (options.etsi_sae_id_from, options.etsi_minimum_tls) == ("map", "1.3")
    assert options.etsi_sae_ids == {"CN=x,O=y": "sam", "DNS:s.lab": "sue"}
    assert (options.skip_port, options.skip_psk_file) == (8200, Path("psk"))
    assert options.skip_system_ids == {"SAM-1": "sam", "SUE-1": "sue"}
    assert options.stored_keys == (
        StoredKeys(initiator="sam", responder="sunny", count=4, size_bits=128),
        StoredKeys(initiator="sam", responder="susan", count=2, size_bits=256),
    )


def test_plain_http_over_the_network_is_said_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    insecure = "plain-http-insecure-over-the-network"
    assert said(monkeypatch, f"--etsi-{insecure}").etsi == insecure
    assert said(monkeypatch, "--etsi", "plain-http-on-loopback").etsi == "plain-http-on-loopback"
    assert said(monkeypatch).etsi is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--etsi-sae-id", "sam"], "--etsi-sae-id: 'sam': IDENTITY=SAE is expected."),
        (["--skip-system-id", "=sam"], "--skip-system-id: '=sam': ID=ENCRYPTOR is expected."),
        (["--stored-keys", "sam:sunny"], "--stored-keys: 'sam:sunny': INITIATOR:RESPONDER:COUNT[:BITS] is"),
        (["--etsi-minimum-tls", "1.1"], "'1.1' is not one of '1.2', '1.3'"),
        (
            ["--etsi", "plain-http-on-loopback", "--etsi-plain-http-insecure-over-the-network"],
            "--etsi-plain-http-insecure-over-the-network stands beside --etsi plain-http-on-loopback",
        ),
    ],
)
def test_what_is_none_says_what_is_expected(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(command.dsked, [*CLIENT, *arguments])
    assert result.exit_code == 2
    assert says in result.output


@pytest.mark.parametrize(
    "arguments",
    [["--etsi-certificate", "a"], ["--skip-port", "1"], ["--stored-keys", "a:b:1"], ["--etsi-sae-id", "a=b"]],
)
def test_a_hub_has_none_of_them(arguments: list[str]) -> None:
    result = CliRunner().invoke(command.dsked, ["--role", "hub", "hank", *arguments])
    assert f"{arguments[0]} is an option of a client, not of a hub." in result.output
