"""How results are printed: JSON, indented for people, one compact line with --json."""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from dsked.cli import completing
from dsked.cli.values import not_empty
from dsked.errors import BadKeyIdError
from dsked.identifiers import key_id_bytes, key_id_text
from dsked.keys import Key

Function = TypeVar("Function", bound=Callable[..., Any])


def json_option(function: Function) -> Function:
    """The option --json, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document, nothing else.")(
        function
    )


def one_node_options(default: str) -> Callable[[Function], Function]:
    """The options that choose one node by its control socket; `default`: which it is without them."""
    socket = click.option(
        "--socket",
        metavar="PATH",
        callback=not_empty,
        help="Control socket of the node.",
        shell_complete=completing.files,
    )
    node = click.option(
        "--node",
        metavar="NAME",
        callback=not_empty,
        help=f"Name of the node.  [default: {default}]",
        shell_complete=completing.nodes,
    )
    return lambda function: socket(node(function))


def key_id(text: str) -> bytes:
    """The 16 bytes of a key ID that was typed. Raises click.BadParameter."""
    try:
        return key_id_bytes(text)
    except BadKeyIdError as error:
        raise click.BadParameter(f"{error}.", param_hint="KEY_ID") from None


def show(document: object, as_json: bool) -> None:
    """Prints one JSON document."""
    if as_json:
        click.echo(json.dumps(document, separators=(",", ":")))
    else:
        click.echo(json.dumps(document, indent=2))


def key_container(keys: Sequence[Key]) -> dict[str, Any]:
    """Keys as ETSI GS QKD 014 has them (V1.1.1, clause 6.3)."""
    return {"keys": [{"key_ID": key_id_text(key.key_id), "key": _base64(key.key)} for key in keys]}


def _base64(key: bytes) -> str:
    return binascii.b2a_base64(key, newline=False).decode()
