"""How results are printed: JSON, indented for people, one compact line with --json."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from dsked.errors import BadKeyIdError
from dsked.keys import Key

_KEY_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)

Function = TypeVar("Function", bound=Callable[..., Any])


def json_option(function: Function) -> Function:
    """The option --json, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document, nothing else.")(
        function
    )


def one_node_options(default: str) -> Callable[[Function], Function]:
    """The options that choose one node by its control socket; `default`: which it is without them."""
    socket = click.option("--socket", metavar="PATH", help="Control socket of the node.")
    node = click.option("--node", metavar="NAME", help=f"Name of the node.  [default: {default}]")
    return lambda function: socket(node(function))


def show(document: object, as_json: bool) -> None:
    """Prints one JSON document."""
    if as_json:
        click.echo(json.dumps(document, separators=(",", ":")))
    else:
        click.echo(json.dumps(document, indent=2))


def key_container(keys: Sequence[Key]) -> dict[str, Any]:
    """Keys as ETSI GS QKD 014 has them (V1.1.1, clause 6.3)."""
    return {"keys": [{"key_ID": _uuid(key.key_id), "key": _base64(key.key)} for key in keys]}


def key_id_bytes(text: str) -> bytes:
    """The 16 bytes of a key ID. Raises BadKeyIdError if it is no UUID."""
    if not _KEY_ID.fullmatch(text):
        raise BadKeyIdError(f"{text!r} is no key ID; a UUID such as {_uuid(bytes(16))} is expected")
    return bytes.fromhex(text.replace("-", ""))


def _uuid(key_id: bytes) -> str:
    digits = key_id.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _base64(key: bytes) -> str:
    return binascii.b2a_base64(key, newline=False).decode()
