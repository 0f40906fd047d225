"""What may stand in a topology file: its keys and their types, as msgspec structures.

Values are checked in `dsked.config.topology`; this module only knows shapes, and says in the
words of a YAML file what does not fit.
"""

from __future__ import annotations

import re

import msgspec

from dsked import limits
from dsked.config.document import Document, Place
from dsked.errors import ConfigurationError


class EncryptorEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One encryptor of a client, and the local users and groups who may act for it."""

    name: str
    users: list[str | int] = []
    groups: list[str | int] = []


class HubEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One hub. Port and x-coordinate go by order where they are not written."""

    name: str
    host: str = "127.0.0.1"
    port: int | None = None
    x_coordinate: int | None = None
    limits: dict[str, object] = {}  # their values: node_limits.py


class ClientEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One client. Its host and port are those of its ETSI GS QKD 014 interface."""

    name: str
    host: str = "127.0.0.1"
    port: int | None = None
    encryptors: list[EncryptorEntry] = []
    limits: dict[str, object] = {}  # their values: node_limits.py


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Sizes and thresholds are in bytes."""

    hubs: list[HubEntry]
    clients: list[ClientEntry]
    base_port: int = limits.DEFAULT_BASE_PORT
    start_request_psrd_threshold: int = limits.DEFAULT_START_REQUEST_PSRD_THRESHOLD_BYTES
    stop_request_psrd_threshold: int = limits.DEFAULT_STOP_REQUEST_PSRD_THRESHOLD_BYTES
    get_psrd_block_size: int = limits.DEFAULT_GET_PSRD_BLOCK_SIZE_BYTES
    min_nr_shares: int = limits.DEFAULT_MIN_NR_SHARES
    share_timeout_secs: int | float = limits.DEFAULT_SHARE_TIMEOUT_S
    psrd: str | None = None
    etsi: str | None = None
    state_dir: str | None = None
    gate_keys: str | None = None
    control_group: str | int | None = None
    limits: dict[str, object] = {}  # their values: node_limits.py


#: Which keys stand where: by the name of the list that the mapping is an item of.
_KEYS: dict[str, tuple[str, ...]] = {
    "": FileEntry.__struct_fields__,
    "hubs": HubEntry.__struct_fields__,
    "clients": ClientEntry.__struct_fields__,
    "encryptors": EncryptorEntry.__struct_fields__,
}

_WORDS = {
    "array": "a list",
    "object": "a mapping (key: value)",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "null": "nothing",
    "bool": "true/false (quote it if it is meant as text)",
    "datetime": "a date (quote it if it is meant as text)",
    "date": "a date (quote it if it is meant as text)",
}


def convert(document: Document) -> FileEntry:
    """The file as typed entries. Raises ConfigurationError with the place and what is expected."""
    try:
        return msgspec.convert(_without_etsi_off(document.data), FileEntry)
    except msgspec.ValidationError as error:
        raise _error(document, str(error)) from None


def _without_etsi_off(data: object) -> object:
    """`etsi: off`, which YAML 1.1 reads as false, is the same as no `etsi`."""
    if isinstance(data, dict) and (data.get("etsi") is False or data.get("etsi") == "off"):
        return {key: value for key, value in data.items() if key != "etsi"}
    return data


def _error(document: Document, text: str) -> ConfigurationError:
    """msgspec's `Expected ..., got ... - at `$.hubs[2].name`` in our words, with the line."""
    message, _, path = text.partition(" - at ")
    place = _place(path)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
    if unknown:
        expected = ", ".join(_keys_at(place))
        return document.error((*place, unknown[1]), f"unknown key; expected one of {expected}")
    missing = re.fullmatch(r"Object missing required field `(.*)`", message)
    if missing:
        return document.error(place, f"the key '{missing[1]}' is missing")
    types = re.fullmatch(r"Expected `(.*)`, got `(.*)`", message)
    if types:
        return document.error(place, f"expected {_word(types[1])}, got {_word(types[2])}")
    return document.error(place, message)


def _place(path: str) -> Place:
    return tuple(
        int(index) if index else name for name, index in re.findall(r"\.([A-Za-z_]+)|\[(\d+)\]", path)
    )


def _keys_at(place: Place) -> tuple[str, ...]:
    names = [step for step in place if isinstance(step, str)]
    return _KEYS[names[-1] if names else ""]


def word_of(value: object) -> str:
    """What kind of value this is, in our words."""
    kinds = {bool: "bool", int: "int", float: "float", str: "str", list: "array", dict: "object"}
    return _word(kinds.get(type(value), type(value).__name__ if value is not None else "null"))


def _word(types: str) -> str:
    names = [_WORDS.get(name.strip(), name.strip()) for name in types.split("|")]
    return " or ".join(name for name in names if name != "nothing" or len(names) == 1)
