"""`dskectl etsi-qkd`: keys and status over the clients' ETSI GS QKD 014 interface.

ETSI calls the initiating encryptor master SAE, the responding one slave SAE, and the client KME.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from dsked.cli import completing, etsi_client, output
from dsked.cli.errors import NodeNotRunningError
from dsked.cli.output import json_option, show
from dsked.cli.target import Target
from dsked.config import rules
from dsked.config.topology import Client
from dsked.errors import ConfigurationError, ServiceError

_SIZE = click.option(
    "--size", type=int, metavar="BITS", help="Key size in bits.  [default: the client's, 128]"
)


@dataclass(frozen=True, slots=True)
class _Link:
    """A pair of encryptors, and the clients that serve them."""

    target: Target
    master: str
    slave: str
    master_client: Client
    slave_client: Client

    def heading(self, call: str, client: Client) -> str:
        return (
            f"Invoke ETSI QKD {call} API on client (KME) {client.name} port {client.port} "
            f"master encryptor (SAE) {self.master} slave encryptor (SAE) {self.slave}:"
        )

    def ask_master(self, resource: str, **parameters: object) -> dict[str, Any]:
        """A request of the master at its client."""
        return self._ask(self.master_client, self.master, self.slave, resource, **parameters)

    def ask_slave(self, resource: str, **parameters: object) -> dict[str, Any]:
        """A request of the slave at its client."""
        return self._ask(self.slave_client, self.slave, self.master, resource, **parameters)

    def _ask(
        self, client: Client, caller: str, peer: str, resource: str, **parameters: object
    ) -> dict[str, Any]:
        try:
            return etsi_client.get(client, caller, peer, resource, **parameters)
        except NodeNotRunningError as error:
            start = self.target.only({"client": [client.name]}).command_line("start")
            raise NodeNotRunningError(f"{error}; start it with: {start}") from None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What stands in front of the subcommand; looked up in the topology when it runs."""

    target: Target
    master: str
    slave: str

    def link(self) -> _Link:
        self.target.no_filter("etsi-qkd")
        network = self.target.topology()
        clients = network.client_of(self.master), network.client_of(self.slave)
        off = ", ".join(dict.fromkeys(client.name for client in clients if client.etsi is None))
        if off:
            raise ConfigurationError(
                f"{network.path}: the ETSI interface is off at {off}; turn it on with 'etsi': a mapping with "
                f"certificate, private_key and client_ca for HTTPS, or {rules.ETSI_PLAIN_HTTP}"
            )
        return _Link(self.target, self.master, self.slave, *clients)


@click.group("etsi-qkd")
@click.argument("master", shell_complete=completing.encryptors)
@click.argument("slave", shell_complete=completing.encryptors)
@click.pass_context
def etsi_qkd(ctx: click.Context, /, master: str, slave: str) -> None:
    """Ask clients for keys or status over ETSI GS QKD 014.

    MASTER and SLAVE are encryptors (SAEs) of the topology file: keys are established by MASTER's
    client, and fetched by SLAVE's.
    """
    ctx.obj = _Asked(ctx.obj, master, slave)


@etsi_qkd.command("get-status")
@json_option
@click.pass_obj
def get_status(asked: _Asked, as_json: bool) -> None:
    """Show the link's status at MASTER's client."""
    link = asked.link()
    _head(link.heading("Status", link.master_client), as_json)
    show(link.ask_master("status"), as_json)


@etsi_qkd.command("get-key")
@_SIZE
@json_option
@click.pass_obj
def get_key(asked: _Asked, size: int | None, as_json: bool) -> None:
    """Establish a key at MASTER's client."""
    link = asked.link()
    _head(link.heading("Get Key", link.master_client), as_json)
    show(_get_key(link, size), as_json)


@etsi_qkd.command("get-key-with-key-ids")
@click.argument("key_id")
@json_option
@click.pass_obj
def get_key_with_key_ids(asked: _Asked, key_id: str, as_json: bool) -> None:
    """Fetch the key KEY_ID (a UUID) at SLAVE's client."""
    output.key_id(key_id)
    link = asked.link()
    _head(link.heading("Get Key with Key IDs", link.slave_client), as_json)
    show(_get_key_with_key_ids(link, key_id), as_json)


@etsi_qkd.command("get-key-pair", short_help="Do both, and compare the keys.")
@_SIZE
@json_option
@click.pass_obj
def get_key_pair(asked: _Asked, size: int | None, as_json: bool) -> None:
    """Establish a key, fetch it at SLAVE's client, compare."""
    link = asked.link()
    _head(link.heading("Get Key", link.master_client), as_json)
    established = _get_key(link, size)
    if not as_json:
        show(established, as_json)
    _head(link.heading("Get Key with Key IDs", link.slave_client), as_json)
    fetched = _get_key_with_key_ids(link, _first(established, "key_ID"))
    if not as_json:
        show(fetched, as_json)
    match = _first(established, "key") == _first(fetched, "key")
    if as_json:
        show({"get_key": established, "get_key_with_key_ids": fetched, "match": match}, as_json)
    if not match:
        raise ServiceError("the key values differ: use neither of them")
    _head("Key values match", as_json)


def _head(line: str, as_json: bool) -> None:
    if not as_json:
        click.echo(line)


def _get_key(link: _Link, size: int | None) -> dict[str, Any]:
    return link.ask_master("enc_keys", size=size)


def _get_key_with_key_ids(link: _Link, key_id: str) -> dict[str, Any]:
    return link.ask_slave("dec_keys", key_ID=key_id)


def _first(container: dict[str, Any], field: str) -> str:
    """A field of the first key. Raises ServiceError where the reply is no key container."""
    try:
        value = container["keys"][0][field]
    except (LookupError, TypeError):
        value = None
    if not isinstance(value, str):
        raise ServiceError(f"the client's reply holds no key with a '{field}'")
    return value
