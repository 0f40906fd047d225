"""`dskectl get-key` and `get-key-with-key-ids`: keys from one client, over its control socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from dsked.cli import completing
from dsked.cli.errors import NodeNotRunningError
from dsked.cli.one_node import connect_to_one
from dsked.cli.output import json_option, key_container, key_id, one_node_options, show
from dsked.cli.target import Target
from dsked.encryptor import KeyClient, NotRunningError
from dsked.errors import RequestError
from dsked.keys import Key

_ONE_CLIENT = "the only client here, or the one that serves --as"

_AS = click.option(
    "--as",
    "as_encryptor",
    metavar="ENCRYPTOR",
    shell_complete=completing.encryptors,
    help="Act for this encryptor.  [default: the client's only one]",
)


@click.command("get-key")
@click.argument("slave", shell_complete=completing.encryptors)
@click.option("--size", type=int, metavar="BITS", help="Size of each key.  [default: the client's, 128]")
@click.option("--number", type=int, default=1, show_default=True, help="Number of keys.")
@_AS
@one_node_options(_ONE_CLIENT)
@json_option
@click.pass_obj
def get_key(
    target: Target,
    slave: str,
    size: int | None,
    number: int,
    as_encryptor: str | None,
    socket: str | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Establish a key with the encryptor SLAVE.

    Asks one client on this host over its control socket, and prints key ID (UUID) and key (base64).
    """
    target.no_filter("get-key; use --node")
    with _client(target, socket, node, as_encryptor) as client:
        keys = _ask(client, as_encryptor, lambda: client.get_keys(slave, number, size))
    show(key_container(keys), as_json)


@click.command("get-key-with-key-ids")
@click.argument("master", shell_complete=completing.encryptors)
@click.argument("key_ids", metavar="KEY_ID...", nargs=-1, required=True)
@_AS
@one_node_options(_ONE_CLIENT)
@json_option
@click.pass_obj
def get_key_with_key_ids(
    target: Target,
    master: str,
    key_ids: tuple[str, ...],
    as_encryptor: str | None,
    socket: str | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Fetch keys that the encryptor MASTER established, by their IDs.

    Asks one client on this host over its control socket. Each key is handed out once.
    """
    target.no_filter("get-key-with-key-ids; use --node")
    ids = [key_id(text) for text in key_ids]
    with _client(target, socket, node, as_encryptor) as client:
        keys = _ask(client, as_encryptor, lambda: client.get_keys_by_id(master, ids))
    show(key_container(keys), as_json)


@contextmanager
def _client(
    target: Target, socket: str | None, node: str | None, encryptor: str | None
) -> Iterator[KeyClient]:
    """Keys for `encryptor`, from the one client that the options choose."""
    with connect_to_one(target, socket, node, ("client",), encryptor) as found:
        path = found.path
    try:
        with KeyClient(encryptor, socket=path) as client:
            yield client
    except NotRunningError as error:  # it has stopped since
        raise NodeNotRunningError(str(error)) from None


def _ask(client: KeyClient, as_encryptor: str | None, request: Callable[[], list[Key]]) -> list[Key]:
    """The keys. A client of several encryptors must be told for which; only then it is asked who they are."""
    try:
        return request()
    except RequestError:
        names = client.status().encryptors if as_encryptor is None else ()
        if len(names) > 1:
            raise click.UsageError(f"Say for which encryptor with --as: {', '.join(names)}.") from None
        raise
