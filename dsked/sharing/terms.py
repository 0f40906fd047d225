"""What a dealing is about: who, for whom, n, k and the key's length, and its bytes under the secret tag."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from dsked import limits


class Party(NamedTuple):
    """An encryptor together with the client that serves it; the initiator's and every responder's form."""

    client: str
    encryptor: str


class Terms(NamedTuple):
    """What initiator, hubs and responders must see alike. Shares are grouped by it, the secret tag covers it.

    `responders` are sorted by the UTF-8 bytes of client and encryptor, and unique; `sort_parties` makes
    them so. `key_bytes` is the length of every key dealt under these terms.
    """

    version: int
    n: int
    k: int
    initiator: Party
    responders: tuple[Party, ...]
    key_bytes: int


def sort_parties(parties: set[Party]) -> tuple[Party, ...]:
    """The parties in the order of the secret tag: by the UTF-8 bytes of client, then of encryptor."""
    return tuple(sorted(parties, key=lambda party: (party.client.encode(), party.encryptor.encode())))


@lru_cache(maxsize=1024)
def responder_clients(terms: Terms) -> tuple[str, ...]:
    """The clients that serve the responders, sorted and unique: one code is dealt for each."""
    return tuple(dict.fromkeys(party.client for party in terms.responders))


def hashes_key(terms: Terms) -> bool:
    """Whether a hash of the key stands under the secret tag in place of the key itself."""
    return terms.key_bytes > limits.AMD_DIRECT_KEY_BYTES


@lru_cache(maxsize=1024)
def message_frame(terms: Terms) -> tuple[bytes, bytes]:
    """The bytes before and after the key ID in the message of the secret tag, without the key.

    "DSKE" | version | n | k, and then initiator | count of responders | each responder | key length;
    every variable part has its length before it, so that no message is the beginning of another.
    Raises ValueError for terms that break a rule of the protocol.
    """
    _check(terms)
    before = b"DSKE" + bytes((terms.version, terms.n, terms.k))
    after = b"".join(
        (
            _party(terms.initiator),
            struct.pack(">H", len(terms.responders)),
            *map(_party, terms.responders),
            struct.pack(">Q", terms.key_bytes),
        )
    )
    return before, after


def _party(party: Party) -> bytes:
    client, encryptor = party.client.encode(), party.encryptor.encode()
    return bytes((len(client),)) + client + bytes((len(encryptor),)) + encryptor


def _check(terms: Terms) -> None:
    if not 2 <= terms.k <= terms.n <= limits.MAX_HUBS:
        raise ValueError("a dealing needs 2 <= k <= n <= 255")
    if not terms.responders or sort_parties(set(terms.responders)) != terms.responders:
        raise ValueError("responders must be sorted and unique, and at least one")
    if terms.key_bytes < 1:
        raise ValueError("a key has at least one byte")
