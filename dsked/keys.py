"""What a key request ends in: keys, or the error that says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NoReturn

from dsked.errors import DskedError
from dsked.secrecy import no_pickle


class Key(NamedTuple):
    """A key and its ID. The key is secret: it has no repr, cannot be pickled, compares in constant time."""

    key_id: bytes  # 16 bytes, a UUID
    key: bytes

    def __repr__(self) -> str:
        return f"Key(key_id={self.key_id.hex()}, {8 * len(self.key)} bits)"

    def __eq__(self, other: object) -> bool:
        import hmac  # loads OpenSSL: dskectl, which only carries keys, need not pay for it

        if not isinstance(other, Key):
            return False  # not NotImplemented: a tuple would go on to compare the bytes one by one
        return self.key_id == other.key_id and hmac.compare_digest(self.key, other.key)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.key_id)

    def __reduce__(self) -> NoReturn:
        no_pickle(self)


#: What a key request ends in.
Outcome = list[Key] | DskedError
Done = Callable[[Outcome], None]


class KeyLimits(NamedTuple):
    """The limits of a client's key service, as ETSI GS QKD 014 reports them (clause 6.1). Sizes in bits."""

    key_size_bits: int
    min_key_size_bits: int
    max_key_size_bits: int
    max_keys_per_request: int
    max_key_count: int
    stored_key_count: int
    max_additional_responders: int  # beside the one that the address names; ETSI's max_SAE_ID_count
