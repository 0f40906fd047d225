"""Plain data as typed entries (msgspec structures); what does not fit is told in the words of a YAML file."""

from __future__ import annotations

import re
import typing
from typing import Any, TypeVar

import msgspec

from dsked.config.document import Document, Place
from dsked.errors import ConfigurationError

EntryT = TypeVar("EntryT", bound=msgspec.Struct)

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


def convert(document: Document, data: object, entry: type[EntryT], hint: str = "") -> EntryT:
    """`data`, which `document` has, as an entry. Raises ConfigurationError with the place.

    `hint` is added to what is said of an unknown key at the top.
    """
    try:
        return msgspec.convert(data, entry)
    except msgspec.ValidationError as error:
        raise _error(document, entry, str(error), hint) from None


def _error(document: Document, entry: type[msgspec.Struct], text: str, hint: str) -> ConfigurationError:
    """msgspec's `Expected ..., got ... - at `$.hubs[2].name`` in our words, with the line."""
    message, _, path = text.partition(" - at ")
    place = _place(path)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL)
    if unknown:
        expected = ", ".join(_struct_at(entry, place).__struct_fields__)
        fault = f"unknown key; expected one of {expected}{'' if place else hint}"
        return document.error((*place, unknown[1]), fault)
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


def _struct_at(entry: type[msgspec.Struct], place: Place) -> type[msgspec.Struct]:
    """The structure of what stands at a place below `entry`."""
    for step in place:
        if isinstance(step, str):
            entry = next(_structs(typing.get_type_hints(entry)[step]))
    return entry


def _structs(hint: Any) -> typing.Iterator[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for part in typing.get_args(hint):
        yield from _structs(part)


def word_of(value: object) -> str:
    """What kind of value this is, in our words."""
    kinds = {bool: "bool", int: "int", float: "float", str: "str", list: "array", dict: "object"}
    return _word(kinds.get(type(value), type(value).__name__ if value is not None else "null"))


def _word(types: str) -> str:
    names = [_WORDS.get(name.strip(), name.strip()) for name in types.split("|")]
    return " or ".join(name for name in names if name != "nothing" or len(names) == 1)
