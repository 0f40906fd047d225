"""JSON bodies of requests, decoded into a type.

A name that stands twice in an object is refused: which of the two values counts would be a matter of taste
(RFC 8259, section 4), and whoever checked the body before us may have taken the other one.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from dsked.errors import RequestError

Body = TypeVar("Body")

_QUOTED_CHARACTERS = 64  # of what a client sent, in a message about it


def decoded(decoder: msgspec.json.Decoder[Body], body: bytes) -> Body:
    """The body as the decoder's type. Raises RequestError, which names the place, and never a value."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise RequestError(f"the body is not as ETSI GS QKD 014 has it: {error}") from None
    except msgspec.DecodeError as error:
        raise RequestError(f"the body is not JSON: {_place(error)}") from None
    except UnicodeDecodeError:
        raise RequestError("the body is not JSON: a string in it is no UTF-8") from None
    except RecursionError:
        raise RequestError("the body is not JSON that can be read: it is nested too deeply") from None


def _place(error: msgspec.DecodeError) -> str:
    text = str(error).removeprefix("JSON is malformed: ")
    return "it breaks off" if text == "Input data was truncated" else text


def refuse_repetition(body: bytes, members: int) -> None:
    """Raise RequestError where an object of a body that has been decoded has two members of one name.

    `members`: of how many it is known that they stand there, and differ. Each takes a colon, so that in a
    body of as many colons there are no others; only what has more is read again.
    """
    if body.count(b":") == members:
        return
    try:
        json.loads(body, object_pairs_hook=_distinct, parse_int=str, parse_float=str)
    except RecursionError:
        raise RequestError("the body is not JSON that can be read: it is nested too deeply") from None
    except ValueError:
        raise RequestError("the body is not JSON") from None


def _distinct(members: list[tuple[str, Any]]) -> None:
    """Called for every object, the inner ones first. Raises RequestError."""
    if len(members) == 1:
        return
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            raise RequestError(f"the body has {quoted(name)} twice in one object: expected once")
        seen.add(name)


def quoted(text: str) -> str:
    """The beginning of what a client sent, for a message about it."""
    return repr(text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "...")
