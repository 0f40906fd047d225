"""Poly1305 (RFC 8439, section 2.5) by the library that is quicker for the length at hand.

OpenSSL, through `cryptography`, takes 3 us before it begins (up to 10 where it has left the processor's
cache); libsodium takes 1, and is slower by the byte. At one key at a time tags are a third of what a frame
costs. libsodium is used where the system has it (Debian: libsodium23); without it everything works. Both
verify in constant time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.poly1305 import Poly1305

TAG_BYTES = 16
#: Longer data goes to OpenSSL: from here on it takes less.
MAX_SODIUM_BYTES = 4096
#: Names of the library's versions, the newest first; the two functions are the same in all of them.
LIBRARIES = ("libsodium.so.26", "libsodium.so.23")

#: What can be hashed where it stands.
Buffer = bytes | memoryview
Tag = Callable[[bytes, bytes], bytes]
Holds = Callable[[bytes, bytes, bytes], bool]


def openssl_tag(key: bytes, data: bytes) -> bytes:
    """The tag (16 bytes) of `data` under `key` (32 bytes)."""
    return Poly1305.generate_tag(key, data)


def openssl_holds(key: bytes, data: bytes, tag: bytes) -> bool:
    """Whether `tag` is the tag of `data` under `key`."""
    try:
        Poly1305.verify_tag(key, data, tag)
    except InvalidSignature:
        return False
    return True


def load_sodium() -> tuple[Tag, Holds] | None:
    """The same two functions by libsodium; None where the system has none that works."""
    for name in LIBRARIES:
        try:
            library = ctypes.PyDLL(
                name
            )  # it keeps the interpreter's lock: to give it up takes longer than a tag
            if library.sodium_init() >= 0:
                return _functions(library)
        except (OSError, AttributeError):
            continue
    return None


def _functions(library: ctypes.PyDLL) -> tuple[Tag, Holds]:
    generate, verify = library.crypto_onetimeauth, library.crypto_onetimeauth_verify
    generate.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulonglong, ctypes.c_char_p)
    verify.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulonglong, ctypes.c_char_p)
    buffer = ctypes.c_char * TAG_BYTES

    def sodium_tag(key: bytes, data: bytes) -> bytes:
        made = buffer()
        generate(made, data, len(data), key)
        return made.raw

    def sodium_holds(key: bytes, data: bytes, tag: bytes) -> bool:
        return len(tag) == TAG_BYTES and verify(tag, data, len(data), key) == 0

    return sodium_tag, sodium_holds


_sodium = load_sodium()
short_tag, short_holds = _sodium if _sodium is not None else (openssl_tag, openssl_holds)


def poly1305(key: bytes, data: bytes) -> bytes:
    """The tag (16 bytes) of `data` under `key` (32 bytes)."""
    return short_tag(key, data) if len(data) <= MAX_SODIUM_BYTES else openssl_tag(key, data)


def holds(key: bytes, data: bytes, tag: bytes) -> bool:
    """Whether `tag` is the tag of `data` under `key` (32 bytes); in constant time."""
    return short_holds(key, data, tag) if len(data) <= MAX_SODIUM_BYTES else openssl_holds(key, data, tag)


def tag_of_parts(key: bytes, parts: Iterable[Buffer]) -> bytes:
    """The tag of long data that comes in parts: they are not copied to be joined."""
    return _over(key, parts).finalize()


def holds_for_parts(key: bytes, parts: Iterable[Buffer], tag: bytes) -> bool:
    """Whether `tag` is the tag of the parts, joined, under `key` (32 bytes); in constant time."""
    try:
        _over(key, parts).verify(tag)
    except InvalidSignature:
        return False
    return True


def _over(key: bytes, parts: Iterable[Buffer]) -> Poly1305:
    mac = Poly1305(key)
    for part in parts:
        mac.update(part)
    return mac
