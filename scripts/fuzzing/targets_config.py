"""Configuration: topology files, the file of gate keys, command lines and single values of them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import click

from dsked.cli import errors, options, output, psrd_options
from dsked.cli.dsked import dsked
from dsked.config import gate_keys, node, paths, rules, topology
from dsked.config.topology import Topology
from dsked.delivery import access
from dsked.errors import ConfigurationError

from . import ends, scratch, words
from .target import Target

_EXAMPLES = Path(__file__).resolve().parents[2] / "configs"

_SMALL = b"""hubs:
  - name: hank
  - {name: helen, host: 127.0.0.1, port: 9000, x_coordinate: 7}
  - name: hilda
clients:
  - name: carol
    encryptors: [{name: sam, users: [root, 1000]}, {name: serena, groups: [adm]}]
  - name: curtis
psrd: simulated
etsi: plain-http-on-loopback
min_nr_shares: 2
share_timeout_secs: 1.5
state_dir: state
control_group: adm
"""
_ETSI = b"""etsi:
  certificate: certs/{name}.pem
  private_key: /etc/dsked/{name}.key
  client_ca: ca.pem
  crl: crl.pem
  sae_id_from: map
  sae_ids: {"CN=sam,O=x": sam, DNS:s.lab: serena, "URI:urn:x:y": sam}
  minimum_tls: 1.2
  encryptor_certificates: '{name}.pem'
  encryptor_private_keys: '{name}.key'
skip:
  base_port: 8300
  psk_file: psk
"""
_INTERFACES = (
    _SMALL.replace(b"etsi: plain-http-on-loopback\n", _ETSI)
    .replace(
        b"{name: sam,",
        b"{name: sam, system_id: S, stored_keys: [{responder: serena, count: 4, size: 256}],",
    )
    .replace(
        b"- name: curtis",
        b"- name: curtis\n    skip_port: 9001\n    etsi: {sae_id_from: san-dns, sae_ids: {}}",
    )
)


def shown(error: Exception) -> str:
    """What dsked and dskectl print of an error."""
    return errors.one_line(error.format_message() if isinstance(error, click.ClickException) else str(error))


def _topology(data: bytes) -> object:
    """A topology, as a node and dskectl use it."""
    network = topology.load(scratch.file("topology.yaml", data))
    for hub in network.hubs:
        assert network.hub(hub.name) == hub
    for client in network.clients:
        assert network.client(client.name) == client
        for encryptor in client.encryptors:
            assert network.client_of(encryptor.name) == client
            access.AccessRules.from_names(0, {"e": encryptor.users}, {"e": encryptor.groups})
    if network.control_group is not None:
        access.group_id(network.control_group)
    assert all(text.isprintable() for text in network.warnings), network.warnings
    network.interface_parts()
    return network.on_loopback(), paths.state_dir(network.path, None, network.state_dir)


def _gate_keys(data: bytes) -> object:
    return gate_keys.load(scratch.file("gate-keys.json", data))


def _gate_key_files() -> list[bytes]:
    key = ends.GATE_KEY.hex().encode()
    return [b'{"version": 1, "pairs": {"carol/hank": "%s", "carol/helen": "%s"}}' % (key, key)]


# --- command lines ---


@cache
def _small() -> Topology:
    return topology.load(scratch.file("small.yaml", _SMALL))


_GATE_KEYS = {
    (client, hub): ends.GATE_KEY for client in ("carol", "curtis") for hub in ("hank", "helen", "hilda")
}


@contextlib.contextmanager
def _no_files() -> Iterator[None]:
    """What options name is not read, written or made: those decoders have targets of their own."""
    network = _small()
    patches = (
        mock.patch.object(topology, "load", lambda path: network),
        mock.patch.object(gate_keys, "load", lambda path: _GATE_KEYS),
        mock.patch.object(gate_keys, "ensure", lambda path, pairs: False),
        mock.patch.object(paths, "prepare_runtime_dir", lambda config, option: scratch.directory()),
        mock.patch("dsked.daemon.daemon.run", lambda settings, read_again: settings),
    )
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        yield


def _command_line(data: bytes) -> object:
    """The settings that a command line gives, its words apart by zero bytes as in /proc."""
    words = [word.decode("utf-8", "surrogateescape") for word in data.split(b"\0")]
    with _no_files():
        settings = dsked.main(words, prog_name="dsked", standalone_mode=False)
    assert settings == 0 or isinstance(settings, node.HubSettings | node.ClientSettings), settings
    return settings


def _command_lines() -> list[bytes]:
    return [line.replace(b" ", b"\0") for line in (
        b"hank --role hub --port 8100 --psrd simulated --gate-keys keys",
        b"hank --role hub --config small.yaml --share-timeout-secs 2.5 --log-level debug",
        b"carol --role client --hubs hank=127.0.0.1:8100 helen=[::1]:8101,x=7 hilda=localhost:8102 "
        b"--encryptors sam serena --psrd simulated --gate-keys keys --min-nr-shares 2",
        b"carol --role client --config small.yaml -p 8200 --etsi plain-http-on-loopback --host 127.0.0.1 "
        b"--start-request-psrd_threshold 600 --stop-request-psrd-threshold 9000 --get-psrd-block-size 500",
        b"carol --role client --config small.yaml --state-dir s --runtime-dir r",
        b"carol --role client --config small.yaml --etsi-certificate c --etsi-private-key k "
        b"--etsi-client-ca a --etsi-crl r --etsi-sae-id-from map --etsi-sae-id CN=x,O=y=sam DNS:s=serena "
        b"--etsi-minimum-tls 1.3",
        b"carol --role client --config small.yaml --skip-port 8300 --skip-psk-file p --skip-system-id S=sam "
        b"T=elsewhere --stored-keys sam:serena:4 serena:sam:2:256",
        b"carol --role client --config small.yaml --host 192.0.2.1 "
        b"--etsi-plain-http-insecure-over-the-network",
    )]  # fmt: skip


# --- single values ---


def _passphrases(text: str) -> object:
    path = scratch.file("passphrases", text.encode("utf-8", "surrogateescape"))
    return psrd_options.Passphrases(path, None).new(["one", "other"])


#: What takes a text from the command line, and the errors that it declares.
_VALUES: tuple[tuple[Callable[[str], object], type[Exception]], ...] = (
    (lambda text: options.hub_addresses((text,)), click.BadParameter),
    (psrd_options.size, click.BadParameter),
    (output.key_id, click.BadParameter),
    (access.user_id, ConfigurationError),
    (access.group_id, ConfigurationError),
    (_passphrases, ConfigurationError),
    (rules.node_name_fault, ConfigurationError),
    (rules.encryptor_name_fault, ConfigurationError),
    (rules.host_fault, ConfigurationError),
    (rules.canonical_host, ConfigurationError),
    (lambda text: rules.psrd_fault(text, [text]), ConfigurationError),
    (lambda text: rules.etsi_fault(text, text), ConfigurationError),
)


def _value(data: bytes) -> object:
    """A text given to one of the readers; the first byte tells which."""
    read, declared = _VALUES[(data[0] if data else 0) % len(_VALUES)]
    text = data[1:].decode("utf-8", "surrogateescape")
    try:
        return read(text)
    except declared as error:
        raise ConfigurationError(shown(error)) from None


def _values() -> list[bytes]:
    texts = (
        b"hank=127.0.0.1:8100,x=7", b"64KiB", b"0f8fad5b-d9cb-469f-a165-70867728950e", b"root", b"1000",
        b"correct horse battery\nstaple of twelve\n", b"hank", "süsan 9".encode(), b"127.0.0.1", b"::1",
        b"media", b"plain-http-on-loopback",
    )  # fmt: skip
    return [bytes([number]) + text for number in range(len(_VALUES)) for text in texts]


TARGETS = (
    Target(
        name="topology",
        what="a topology file, and what stands in it",
        declared=(ConfigurationError,),
        shown=shown,
        seeds=lambda: [
            _SMALL,
            _INTERFACES,
            *(path.read_bytes() for path in sorted(_EXAMPLES.glob("*.yaml"))),
        ],
        decode=_topology,
        regressions=(
            *(b"hubs: !!" + value for value in (b"bool x", b"int ''", b"float ''", b"timestamp x")),
            *(_SMALL.replace(number, b"0x" + b"f" * 4000) for number in (b"9000", b"1000", b"1.5")),
        ),
        words=words.YAML,
        max_bytes=8192,
    ),
    Target(
        name="gate-keys",
        what="the file of gate keys",
        declared=(ConfigurationError,),
        shown=shown,
        seeds=_gate_key_files,
        decode=_gate_keys,
        words=words.GATE_KEYS,
        max_bytes=8192,
    ),
    Target(
        name="command-line",
        what="the command line of dsked, up to the settings of a node",
        declared=(ConfigurationError, click.ClickException),
        shown=shown,
        seeds=_command_lines,
        decode=_command_line,
        regressions=(b"carol\0--role\0client\0--hubs\0hank=127.0.0.1:" + b"9" * 5000,),
        words=words.OPTIONS,
        max_bytes=8192,
    ),
    Target(
        name="option-values",
        what="single values of command lines: hubs, sizes, key IDs, users, passphrases",
        declared=(ConfigurationError,),
        shown=shown,
        seeds=_values,
        decode=_value,
        regressions=(
            *(bytes([user]) + name for user in (3, 4) for name in (b"a\0b", b"\xff", b"9" * 5000)),
            b"\0hank=127.0." + b"\xbb" * 200 + b":8010",  # its host was quoted twice, at any length
        ),
        words=words.OPTIONS,
        max_bytes=8192,
    ),
)  # fmt: skip
