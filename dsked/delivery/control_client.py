"""The requesting side of the control socket: one blocking request after the other.

dskectl loads this for a single request, so that it imports little: no event loop, no validation library.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgpack

from dsked.delivery.control_protocol import FrameBuffer, Op, encode_request, error_from_reply
from dsked.errors import ErrorCode, FrameError, NotAllowedError, ServiceError
from dsked.keys import Key
from dsked.limits import KEY_ID_BYTES, MAX_SOCKET_PATH_BYTES

_PEER_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
_RECEIVE_BYTES = 256 * 1024
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


class NotRunningError(ServiceError):
    """No node listens on the control socket."""


class NoAnswerError(ServiceError):
    """A node listens on the control socket, but did not answer in time or closed the connection."""


class ControlClient:
    """A connection to a node's control socket.

    Every request raises the error that the node declares, of the class that declares its code;
    NoAnswerError when no reply comes within `timeout_s`, after which the connection is of no more use.
    """

    def __init__(self, path: str | Path, timeout_s: float = 5.0) -> None:
        """Connect to the socket at `path`.

        Raises NotRunningError when nobody listens there, NotAllowedError when this user may not connect.
        """
        self._path = str(path)
        self._timeout_s = timeout_s
        self._request_id = 0
        self._frames = FrameBuffer()
        self._socket = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Closing twice does nothing."""
        self._socket.close()

    @property
    def peer_pid(self) -> int:
        """Process ID of the daemon that listens, as the kernel noted it (SO_PEERCRED)."""
        credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
        pid: int = _PEER_CREDENTIALS.unpack(credentials)[0]
        return pid

    def get_keys(
        self,
        responders: Sequence[str],
        number: int = 1,
        size_bits: int | None = None,
        as_encryptor: str | None = None,
    ) -> list[Key]:
        """Establish `number` new keys with `responders`; `size_bits` None is the node's default size."""
        return _keys(self._call(Op.GET_KEYS, [list(responders), number, size_bits, as_encryptor]))

    def get_keys_by_id(
        self, initiator: str, key_ids: Sequence[bytes], as_encryptor: str | None = None
    ) -> list[Key]:
        """Fetch the keys of these IDs (16 bytes each) that `initiator` established."""
        return _keys(self._call(Op.GET_KEYS_BY_ID, [initiator, list(key_ids), as_encryptor]))

    def status(self) -> dict[str, Any]:
        """The node's status: role, name, pid, version, ready, reason, status (control_protocol.py)."""
        import json

        try:
            status = json.loads(_text(self._call(Op.STATUS, [])))
        except (ValueError, RecursionError):
            raise _not_understood() from None
        if not isinstance(status, dict) or not _has_types(status, _STATUS_TYPES):
            raise _not_understood()
        return status

    def stop(self) -> None:
        """Tell the node to stop; returns when it has taken the order."""
        self._call(Op.STOP, [])

    def locate(self, encryptor: str) -> str:
        """Name of the client that serves `encryptor`."""
        return _text(self._call(Op.LOCATE, [encryptor]))

    def adopt(self, bundle: bytes) -> str:
        """Let the node take over the delivery that is staged under a bundle's UUID; gives the peer's name."""
        return _text(self._call(Op.ADOPT, [bundle]))

    def _connect(self) -> socket.socket:
        if len(self._path.encode()) > MAX_SOCKET_PATH_BYTES:
            raise NotRunningError(
                f"no node can listen on {self._path}: Unix allows {MAX_SOCKET_PATH_BYTES} bytes"
            )
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._timeout_s)
            connection.connect(self._path)
        except PermissionError:
            connection.close()
            raise NotAllowedError(f"you may not use {self._path}: its user, its group or root may") from None
        except TimeoutError:
            connection.close()
            raise NoAnswerError(f"the node on {self._path} does not answer") from None
        except OSError:
            connection.close()
            raise NotRunningError(f"no node is listening on {self._path}") from None
        return connection

    def _call(self, op: Op, args: list[Any]) -> Any:
        self._request_id += 1
        deadline_s = time.monotonic() + self._timeout_s
        try:
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(encode_request(op, self._request_id, args))
            reply = self._receive(deadline_s)
        except TimeoutError:
            raise NoAnswerError(
                f"the node on {self._path} did not answer within {self._timeout_s:g} s"
            ) from None
        except OSError as error:
            raise NoAnswerError(f"the connection to {self._path} failed: {error.strerror}") from None
        return _result(reply, self._request_id)

    def _receive(self, deadline_s: float) -> bytes:
        while True:
            self._socket.settimeout(max(deadline_s - time.monotonic(), 0.001))
            data = self._socket.recv(_RECEIVE_BYTES)
            if not data:
                raise NoAnswerError(f"the node on {self._path} closed the connection without an answer")
            for frame in self._frames.feed(data):
                return frame


def _result(reply: bytes, request_id: int) -> Any:
    """The result in a reply; raises the error that it tells, FrameError where it is none."""
    try:
        answered_id, code, result = msgpack.unpackb(reply)
    except (ValueError, TypeError, msgpack.UnpackException):
        raise _not_understood() from None
    if not isinstance(code, int):
        raise _not_understood()
    if code != ErrorCode.OK:
        raise error_from_reply(code, str(result))
    if answered_id != request_id:
        raise FrameError("the node answered another request than the one it was sent")
    return result


def _not_understood() -> FrameError:
    return FrameError("the node's reply is not understood: is it of another version?")


def _text(result: object) -> str:
    if not isinstance(result, str):
        raise _not_understood()
    return result


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
    return isinstance(key_id, bytes) and len(key_id) == KEY_ID_BYTES and isinstance(key, bytes)
