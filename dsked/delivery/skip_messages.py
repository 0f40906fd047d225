"""SKIP (draft-cisco-skip-02): what its messages hold, apart from how they travel.

The draft's words here: a key provider (KP) is what serves one encryptor, and its system ID stands for that
encryptor. Query parameters that are not known are ignored. All JSON that goes out is compact.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from dsked.errors import (
    HTTP_STATUS,
    BadKeyIdError,
    BadKeySizeError,
    DskedError,
    EntropyError,
    ErrorCode,
    RequestError,
)
from dsked.identifiers import UUID_BYTES
from dsked.keys import Key
from dsked.limits import DEFAULT_SKIP_BITS, MAX_SKIP_ENTROPY_BITS

#: What a key is made and brought to the other side with (Table 4).
ALGORITHM = "DSKE"
KEY_NOT_FOUND = "no key under this keyId for the asking system and this remoteSystemID"
KEY_HANDED_OUT = "the key under this keyId was handed out before: each side gets it once"

_INTEGER = re.compile(r"[0-9]{1,18}", re.ASCII)  # what is longer fits no size
_KEY_ID = re.compile(rf"[0-9a-f]{{{2 * UUID_BYTES}}}", re.ASCII | re.IGNORECASE)
_QUOTED_CHARACTERS = 64  # of what a client sent, in a message about it

_Query = Mapping[str, Sequence[str]]

# --- in ---


def remote_system(query: _Query) -> str:
    """The system ID of the other side. Raises RequestError."""
    values = query.get("remoteSystemID", ())
    if len(values) != 1 or not values[0]:
        raise RequestError(
            f"remoteSystemID: expected exactly one, not {len(values) if any(values) else 'none'}"
        )
    return values[0]


def key_size_bits(query: _Query) -> int:
    """How long a new key is to be (section 4.2.2). Raises BadKeySizeError."""
    return _integer(query, "size", BadKeySizeError)


def entropy_bits(query: _Query) -> int:
    """How many random bits are wanted (section 4.3). Raises RequestError."""
    bits = _integer(query, "minentropy", RequestError)
    if not 1 <= bits <= MAX_SKIP_ENTROPY_BITS:
        raise RequestError(f"minentropy: expected 1 to {MAX_SKIP_ENTROPY_BITS}, not {bits}")
    return bits


def key_id(text: str) -> bytes:
    """The key ID in a path, 16 bytes. Raises BadKeyIdError."""
    if not _KEY_ID.fullmatch(text):
        raise BadKeyIdError(f"keyId: expected {2 * UUID_BYTES} hexadecimal digits, not {quoted(text)}")
    return bytes.fromhex(text)


def _integer(query: _Query, field: str, error: type[RequestError]) -> int:
    values = query.get(field, ())
    if not values:
        return DEFAULT_SKIP_BITS
    if len(values) > 1:
        raise error(f"{field}: expected once, not {len(values)} times")
    if not _INTEGER.fullmatch(values[0]):
        raise error(f"{field}: expected a number of bits, not {quoted(values[0])}")
    return int(values[0])


def quoted(text: str) -> str:
    """What a client sent, cut short and with escapes, for a message about it."""
    return repr(text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "...")


# --- out ---


def capabilities(local: str, remotes: Iterable[str]) -> bytes:
    """The reply to Get capabilities (section 4.1).

    Entries of remoteSystemID are glob patterns: an ID with `*`, `?` or `[` in it is written so that it
    matches itself alone.
    """
    return msgspec.json.encode(
        {
            "entropy": True,
            "key": True,
            "algorithm": ALGORITHM,
            "localSystemID": local,
            "remoteSystemID": [glob.escape(remote) for remote in remotes],
        }
    )


def key_document(key: Key) -> bytes:
    """The reply to Get key (section 4.2)."""
    return b'{"keyId":"%s","key":"%s"}' % (key.key_id.hex().encode(), key.key.hex().encode())


def entropy_document(random: bytes) -> bytes:
    """The reply to Get entropy (section 4.3)."""
    return b'{"randomStr":"%s","minentropy":%d}' % (random.hex().encode(), 8 * len(random))


def error_document(message: str) -> bytes:
    """The reply to a request that failed; the draft leaves it open."""
    return msgspec.json.encode({"message": message})


def error_reply(error: DskedError) -> tuple[int, bytes]:
    """Status and body for an error: Tables 3, 7 and 9, and 401 for a caller who is no system of this client.

    A key that another system was named for is not told from one that does not exist.
    """
    if error.code in (ErrorCode.UNKNOWN_KEY, ErrorCode.NOT_NAMED):
        return 400, error_document(KEY_NOT_FOUND)
    if error.code == ErrorCode.DELIVERED:
        return 400, error_document(KEY_HANDED_OUT)
    if isinstance(error, EntropyError):
        return 503, error_document(str(error))
    status = HTTP_STATUS.get(error.code, 500)
    return 500 if status > 500 else status, error_document(str(error))  # 503 is for entropy alone
