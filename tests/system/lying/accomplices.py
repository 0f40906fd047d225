"""A hub and a responder's client who forge for another responder of the same key, in processes of their own.

The client (`LEAKER`) behaves, but writes down every share that it is given. So the hub knows the key, and
what the client's own code holds: x, f and, of a long key, r. It adds to what it gives the victim whatever
would have the victim take another key, if the victim's code held the same x or the same r.

`CARELESS` is an initiator for which that holds: it deals one x and one r for all responders. It stands for
the fault that the sharing must not have, and shows that the forgers are up to their work.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulating.enemies.cabal import Differences
from simulating.enemies.lies.collusion import Adds
from simulating.enemies.rows import Row

import dsked.client.asking
import dsked.sharing.dealing
from dsked.sharing import amd, gf256, gfp, shamir
from dsked.sharing.shares import PAIR_BYTES, code_bytes, cut, tag_message
from dsked.sharing.terms import Terms, responder_clients

LEAKER, VICTIM, CARELESS = "celia", "curtis", "clark"
WANTED = b"\x66"
_CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
_BLOCK = 2**128


def _leaks() -> Path:
    return Path(os.environ["LEAKS"])


class ForgesForOthers(Adds):
    """Gives the victim shares of a key of its choice, made with what the accomplice knows."""

    def key(self, to: Any, group: Any, key: Row) -> Row:
        return super().key(to, group, key) if to.client == VICTIM else key

    def differences(self, terms: Terms, key_id: bytes) -> Differences:
        nothing = self.nothing(terms)
        fixed = dict.fromkeys([x for x in range(1, terms.n + 1) if x != self.x][: terms.k - 1], nothing)
        known = _known(terms, key_id)
        return self.through(terms, {0: _shift(terms, key_id, *known) if known else nothing, **fixed})


def _known(terms: Terms, key_id: bytes) -> tuple[bytes, bytes] | None:
    """Key | r, and x | f of the accomplice's code, as it can rebuild them by now."""
    found = [json.loads(path.read_text()) for path in _leaks().glob(f"{key_id.hex()}-*")]
    if len(found) < terms.k:
        return None
    parts = [(leak["x"], bytes.fromhex(leak["share"]), bytes.fromhex(leak["code"])) for leak in found]
    string = shamir.join([(x, share + code[PAIR_BYTES:]) for x, share, code in parts[: terms.k]])
    return string, gfp.join([(x, code[:PAIR_BYTES]) for x, _, code in parts[: terms.k]])


def _shift(terms: Terms, key_id: bytes, string: bytes, pair: bytes) -> tuple[bytes, bytes]:
    """What to add at 0: from the key to a forged one, and from f to its tag under the accomplice's x."""
    key, r = string[: terms.key_bytes], string[terms.key_bytes :]
    forged = colliding(key, r) if r else (WANTED * len(key))[: len(key)]
    x = int.from_bytes(pair[: gfp.ELEMENT_BYTES], "little")
    f, other = (amd.tag(x, tag_message(terms, key_id, value, r)) for value in (key, forged))
    added = ((other - f) % gfp.P).to_bytes(gfp.ELEMENT_BYTES, "little")
    return gf256.xor(key, forged) + bytes(len(r)), bytes(gfp.ELEMENT_BYTES) + added


def colliding(key: bytes, r: bytes) -> bytes:
    """Another key with the same Poly1305 under r: one more in a block, r less in the next, or vice versa."""
    point = int.from_bytes(r, "little") & _CLAMP
    blocks = [int.from_bytes(block, "little") for block in cut(key[: len(key) // 16 * 16], 16)]
    for i in range(len(blocks) - 1):
        for sign in (1, -1):
            changed = blocks[i] + sign, blocks[i + 1] - sign * point
            if all(0 <= block < _BLOCK for block in changed):
                new = b"".join(block.to_bytes(16, "little") for block in changed)
                return key[: 16 * i] + new + key[16 * (i + 2) :]
    raise ValueError("no two blocks leave room for r")


def begin() -> None:
    """Make the client leak and the careless initiator careless, in whatever process they run."""
    _leak_shares()
    _deal_one_code_for_all()


def _leak_shares() -> None:
    asking = dsked.client.asking.Asking
    take = asking._take_group

    def leaking(self: Any, x: int, inquiry: Any, terms: Terms, group: Any) -> Any:
        if self._client == LEAKER:
            size = code_bytes(terms)
            columns = (group.key_ids, 16), (group.shares, terms.key_bytes), (group.codes, size)
            for key_id, share, code in zip(
                *(cut(bytes(text), width) for text, width in columns), strict=True
            ):
                leak = {"x": x, "share": share.hex(), "code": code.hex()}
                (_leaks() / f"{key_id.hex()}-{x}").write_text(json.dumps(leak))
        return take(self, x, inquiry, terms, group)

    asking._take_group = leaking  # type: ignore[method-assign]


def _deal_one_code_for_all() -> None:
    make = dsked.sharing.dealing._make_codes

    def careless(
        key_ids: Sequence[bytes], keys: Sequence[bytes], terms: Terms, random: Any
    ) -> tuple[bytes, bytes]:
        hash_keys, pairs = make(key_ids, keys, terms, random)
        if terms.initiator.client != CARELESS:
            return hash_keys, pairs
        clients = len(responder_clients(terms))
        return _first_of(clients, hash_keys, amd.HASH_KEY_BYTES), _first_of(clients, pairs, PAIR_BYTES)

    dsked.sharing.dealing._make_codes = careless


def _first_of(clients: int, string: bytes, size: int) -> bytes:
    """Of each key the first client's part, once for each of them."""
    parts = cut(string, size)
    return b"".join(parts[i - i % clients] for i in range(len(parts)))
