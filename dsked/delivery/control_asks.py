"""The control socket's requests as the requesting side has them: what is sent, and what may come back.

No socket and no event loop: the blocking and the asyncio client send these and check replies by them. What a
reply holds may be secret: it stands in no message of an error and in no repr.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgpack

from dsked.delivery.control_protocol import LENGTH_BYTES, Op, encode_request, error_from_reply
from dsked.errors import DskedError, ErrorCode, FrameError, RequestError
from dsked.keys import Key
from dsked.limits import KEY_ID_BYTES, MAX_CONTROL_REQUEST_BYTES

Result = TypeVar("Result")

#: What the JSON object of STATUS holds (control_protocol.py).
_STATUS_TYPES: dict[str, type | tuple[type, ...]] = {
    "role": str,
    "name": str,
    "pid": int,
    "version": str,
    "ready": bool,
    "reason": (str, type(None)),
    "status": dict,
}


class Ask(Generic[Result]):
    """One request, and how its result is read."""

    __slots__ = ("_args", "_op", "_read")

    def __init__(self, op: Op, args: list[Any], read: Callable[[object], Result]) -> None:
        self._op = op
        self._args = args
        self._read = read

    def frame(self, request_id: int) -> bytes:
        """The request as it is sent. Raises RequestError where it cannot be, or would end the connection."""
        try:
            frame = encode_request(self._op, request_id, self._args)
        except (TypeError, ValueError, OverflowError, FrameError) as error:
            raise RequestError(f"the request cannot be sent: {error}") from None
        length = len(frame) - LENGTH_BYTES
        if length > MAX_CONTROL_REQUEST_BYTES:
            raise RequestError(
                f"the request has {length} bytes, a node takes {MAX_CONTROL_REQUEST_BYTES}: "
                "ask for fewer keys at once"
            )
        return frame

    def outcome(self, code: int, result: object) -> Result:
        """The result of a reply. Raises the error that it tells, FrameError where it is neither."""
        if code != ErrorCode.OK:
            raise refusal(code, result)
        return self._read(result)


def get_keys(
    responders: Sequence[str], number: int, size_bits: int | None, as_encryptor: str | None
) -> Ask[list[Key]]:
    """New keys, exactly so many of this size; `size_bits` None: the node's default size."""

    def read(result: object) -> list[Key]:
        keys = _keys(result)
        fits = size_bits is None or all(8 * len(key.key) == size_bits for key in keys)
        if len(keys) != number or not fits or len({key.key_id for key in keys}) != number:
            raise FrameError("the node gave other keys than it was asked for: is it of another version?")
        return keys

    return Ask(Op.GET_KEYS, [list(responders), number, size_bits, as_encryptor], read)


def get_keys_by_id(initiator: str, key_ids: Sequence[bytes], as_encryptor: str | None) -> Ask[list[Key]]:
    """The keys of these IDs (16 bytes each), in their order."""
    wanted = list(key_ids)

    def read(result: object) -> list[Key]:
        keys = _keys(result)
        if [key.key_id for key in keys] != wanted:
            raise FrameError(
                "the node gave keys of other IDs than it was asked for: is it of another version?"
            )
        return keys

    return Ask(Op.GET_KEYS_BY_ID, [initiator, wanted, as_encryptor], read)


def status(first: int = 0) -> Ask[dict[str, Any]]:
    """The node's status: role, name, pid, version, ready, reason, status (control_protocol.py).

    Of a hub with many clients it is the page from number `first` on.
    """
    return Ask(Op.STATUS, [first] if first else [], _status)


def stop() -> Ask[None]:
    """Tell the node to stop."""
    return Ask(Op.STOP, [], lambda result: None)


def drain() -> Ask[tuple[int, float]]:
    """Have a hub take no new shares: how many are left, and in how many seconds they have timed out."""
    return Ask(Op.DRAIN, [], _left)


def locate(encryptor: str) -> Ask[str]:
    """Name of the client that serves `encryptor`."""
    return Ask(Op.LOCATE, [encryptor], _text)


def adopt(bundle: bytes) -> Ask[str]:
    """Let the node take over a delivery: the peer's name."""
    return Ask(Op.ADOPT, [bundle], _text)


def read_reply(frame: bytes) -> tuple[int, int, object]:
    """Request ID, code and result of a reply. Raises FrameError where it is none."""
    try:
        request_id, code, result = msgpack.unpackb(frame)
    except (ValueError, TypeError, msgpack.UnpackException):
        raise _not_understood() from None
    if type(request_id) is not int or type(code) is not int:
        raise _not_understood()
    return request_id, code, result


def refusal(code: int, message: object) -> DskedError:
    """The error that a reply tells; FrameError where its message is no text."""
    if code == ErrorCode.OK or not isinstance(message, str):
        return _not_understood()
    return error_from_reply(code, message)


def _not_understood() -> FrameError:
    return FrameError("the node's reply is not understood: is it of another version?")


def _text(result: object) -> str:
    if not isinstance(result, str):
        raise _not_understood()
    return result


def _left(result: object) -> tuple[int, float]:
    if not isinstance(result, list) or list(map(type, result)) != [int, float]:
        raise _not_understood()
    return result[0], result[1]


def _status(result: object) -> dict[str, Any]:
    import json

    try:
        found = json.loads(_text(result))
    except (ValueError, RecursionError):
        raise _not_understood() from None
    if not isinstance(found, dict) or not _has_types(found, _STATUS_TYPES):
        raise _not_understood()
    return found


def _has_types(found: dict[str, Any], types: dict[str, type | tuple[type, ...]]) -> bool:
    return all(name in found and isinstance(found[name], kind) for name, kind in types.items())


def _keys(result: object) -> list[Key]:
    if not isinstance(result, list) or not all(map(_is_key, result)):
        raise _not_understood()
    return [Key(key_id, key) for key_id, key in result]


def _is_key(entry: object) -> bool:
    if not isinstance(entry, list) or len(entry) != 2:
        return False
    key_id, key = entry
    return (
        isinstance(key_id, bytes) and len(key_id) == KEY_ID_BYTES and isinstance(key, bytes) and len(key) > 0
    )
