"""Values of the vectors, and what is said of a case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from decoding import bundles, frames
from decoding.ciphers import NotAuthenticError
from decoding.packed import MalformedError

_REFUSALS = (MalformedError, NotAuthenticError, bundles.RefusedError, frames.RefusedError)
#: The name of a case, and in what this decoder does not agree: nothing where it agrees.
Verdict = tuple[str, str]


def raw(text: str) -> bytes:
    """Bytes of hexadecimal text."""
    return bytes.fromhex(text)


def fields_of(value: Any) -> Any:
    """`fields` of a vector: {"hex": ...} is a bin, {"map": ...} a map."""
    if isinstance(value, dict):
        if "hex" in value:
            return raw(value["hex"])
        return {fields_of(key): fields_of(item) for key, item in value["map"]}
    return [fields_of(item) for item in value] if isinstance(value, list) else value


def verdict(name: str, check: Callable[..., str], *of: Any) -> Verdict:
    """What `check` says of it; an error is a disagreement."""
    try:
        return name, check(*of)
    except (*_REFUSALS, LookupError, ValueError) as error:
        return name, f"{type(error).__name__}: {error}"
