"""The one tree of errors, and the one table of codes that they map to.

    DskedError
      RequestError            what the caller asked for cannot be done as asked
      ServiceError            the request was right; the service cannot meet it now
      PeerError               the other side broke the protocol: its session is closed
      ConfigurationError      a file, an option or the provisioning is wrong
      StorageError            what must be durable could not be made durable
      EntropyError            a source of random bytes has failed

Every class carries one ErrorCode. The wire, the control socket, HTTP and exit codes are
derived from the code, each in one table, and nowhere else.
"""

from __future__ import annotations

import enum
from typing import ClassVar

#: What comes of a document whose values are of other kinds than they should be.
NONSENSE = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError)


class ErrorCode(enum.IntEnum):
    """Codes of results and errors, the same on the DSKE wire and on the control socket.

    The numbers are part of the protocol (proto/): they are never reused or renumbered.
    """

    OK = 0
    # Results of one key inside PUT_SHARES_ACK and SHARES.
    PARTIAL = 1  # a piece was taken, further pieces of this share are expected
    DONE = 2  # the share was fetched and confirmed, or has expired: nothing is stored
    CONFLICT = 3  # the same (initiator client, key ID) is stored with other content
    NOT_OWNER = 4  # the encryptor is not served by the client of this session
    LIMIT = 5  # a limit of the hub or the client was reached
    UNKNOWN_KEY = 6  # no share under this (initiator client, key ID)
    NOT_NAMED = 7  # the initiator did not name this client or encryptor as a responder
    DELIVERED = 8  # already delivered: to another process of the client, or to the encryptor
    BAD_REQUEST = 9  # well-formed, but its values break a rule
    # Refusals of a handshake (M2).
    VERSION = 16  # no protocol version in common
    WRONG_HUB = 17  # the client asked for a hub of another name
    STREAM_UNKNOWN = 18  # a side does not hold the stream, and PSRD is not simulated
    REWIND = 19  # the owner stands more than a window beyond what the receiver remembers: restored state
    PSRD_MODE = 20  # one side simulates PSRD, the other does not
    POOL_EXHAUSTED = 21  # not enough pad bytes left
    WRAPPING = 22  # one side requires message wrapping, the other has it off, or no cipher is in common
    # Errors of key requests.
    UNKNOWN_ENCRYPTOR = 32  # no k hubs agree on a client that serves it
    TOO_FEW_HUBS = 33  # fewer than k hubs answered
    RECONSTRUCTION = 34  # k shares or more are there, and no k of them pass the secret tag
    BAD_KEY_SIZE = 35
    BAD_KEY_ID = 36
    BAD_NUMBER = 37
    NOT_ALLOWED = 38  # the local user may not act for this encryptor
    SHUTTING_DOWN = 39
    # Everything else.
    PROTOCOL = 48  # the peer broke the protocol
    CONFIGURATION = 49
    STORAGE = 50
    INTERNAL = 51


class DskedError(Exception):
    """Base of all declared errors. `str(error)` is the one line that a person reads."""

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL


class RequestError(DskedError):
    """What the caller asked for cannot be done as asked; asking again will not help."""

    code = ErrorCode.BAD_REQUEST


class BadKeySizeError(RequestError):
    """The key size is not a positive multiple of 8 bits within the limits."""

    code = ErrorCode.BAD_KEY_SIZE


class BadKeyIdError(RequestError):
    """A key ID is not a UUID."""

    code = ErrorCode.BAD_KEY_ID


class BadNumberError(RequestError):
    """The number of keys asked for is not within the limits."""

    code = ErrorCode.BAD_NUMBER


class UnknownEncryptorError(RequestError):
    """Fewer than k hubs agree on a client that serves the encryptor."""

    code = ErrorCode.UNKNOWN_ENCRYPTOR


class NotOwnerError(RequestError):
    """The calling encryptor is not served by this client."""

    code = ErrorCode.NOT_OWNER


class NotAllowedError(RequestError):
    """The local user may not act for this encryptor."""

    code = ErrorCode.NOT_ALLOWED


class NotNamedError(RequestError):
    """The initiator did not name the calling encryptor for this key."""

    code = ErrorCode.NOT_NAMED


class UnknownKeyError(RequestError):
    """No key under this ID was found before the deadline."""

    code = ErrorCode.UNKNOWN_KEY


class AlreadyDeliveredError(RequestError):
    """The key was handed to this encryptor before; each gets it once."""

    code = ErrorCode.DELIVERED


class ServiceError(DskedError):
    """The request was right; the service cannot meet it now."""

    code = ErrorCode.INTERNAL


class TooFewHubsError(ServiceError):
    """Fewer than k hubs are connected, or acknowledged in time."""

    code = ErrorCode.TOO_FEW_HUBS


class PoolExhaustedError(ServiceError):
    """A pool has not enough unused bytes."""

    code = ErrorCode.POOL_EXHAUSTED


class ReconstructionError(ServiceError):
    """No k of the shares in hand pass the secret tag: too many of them are wrong."""

    code = ErrorCode.RECONSTRUCTION


class LimitError(ServiceError):
    """A named limit was reached."""

    code = ErrorCode.LIMIT


class ConflictError(ServiceError):
    """Hubs hold other content under the same key ID."""

    code = ErrorCode.CONFLICT


class ShuttingDownError(ServiceError):
    """The node is stopping."""

    code = ErrorCode.SHUTTING_DOWN


class PeerError(DskedError):
    """The other side broke the protocol. The session is closed, in silence."""

    code = ErrorCode.PROTOCOL


class FrameError(PeerError):
    """A frame is malformed: its length, its fixed header bytes or its canonical form."""


class TagError(PeerError):
    """A tag or a MAC does not verify."""


class ReplayError(PeerError):
    """A frame uses positions below the receiver's mark."""


class WindowError(PeerError):
    """A frame uses positions beyond the window, or beyond what the receiver holds."""


class HandshakeRefusedError(PeerError):
    """The peer refused the handshake with an authenticated reason.

    `refusal` is the peer's code.
    """

    def __init__(self, refusal: int, reason: str) -> None:
        super().__init__(reason)
        self.refusal = refusal


class ConfigurationError(DskedError):
    """A file, an option or the provisioning is wrong; says where, and what is expected."""

    code = ErrorCode.CONFIGURATION


class StorageError(DskedError):
    """What must be durable could not be made durable. No key leaves that depends on it."""

    code = ErrorCode.STORAGE


class EntropyError(DskedError):
    """A source of random bytes has failed, and stays stopped. Nothing stands in for its bytes."""


#: HTTP status of each code at the ETSI GS QKD 014 interface (V1.1.1, clause 6).
HTTP_STATUS: dict[ErrorCode, int] = {
    ErrorCode.NOT_OWNER: 401,
    ErrorCode.NOT_ALLOWED: 401,
    ErrorCode.NOT_NAMED: 401,
    ErrorCode.DELIVERED: 400,
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.UNKNOWN_KEY: 400,
    ErrorCode.UNKNOWN_ENCRYPTOR: 400,
    ErrorCode.BAD_KEY_SIZE: 400,
    ErrorCode.BAD_KEY_ID: 400,
    ErrorCode.BAD_NUMBER: 400,
    ErrorCode.TOO_FEW_HUBS: 503,
    ErrorCode.POOL_EXHAUSTED: 503,
    ErrorCode.RECONSTRUCTION: 503,
    ErrorCode.LIMIT: 503,
    ErrorCode.CONFLICT: 503,
    ErrorCode.SHUTTING_DOWN: 503,
}


class ExitStatus(enum.IntEnum):
    """Exit statuses of dsked and dskectl: 0 only on success."""

    OK = 0
    FAILURE = 1  # the service or a node could not do it
    USAGE = 2  # the command line or a file is wrong
    NOT_RUNNING = 3  # the node is not running
    REFUSED = 4  # the request was refused: asking again will not help


def exit_status(code: ErrorCode) -> ExitStatus:
    """The exit status of a command that failed with this code."""
    if code == ErrorCode.CONFIGURATION:
        return ExitStatus.USAGE
    return ExitStatus.REFUSED if HTTP_STATUS.get(code, 503) < 500 else ExitStatus.FAILURE
