"""Under which hash key a proof (M3 or M4) is tagged: one that was never a pad.

The sender of a proof names its position. Whoever keeps a frame from arriving, and knows what stood in it,
knows its pads: a key that lay where the sender likes would be his. So the hash key r stands at the proof's
position only where no frame can have been; anywhere else it is that of the proof that the peer's process has
verified last, which both have in memory. The mask is always the pool's, at position + 16.
See proto/handshake.md, section 2.
"""

from __future__ import annotations

from dsked.limits import HANDSHAKE_PAD_BYTES, HASH_KEY_BYTES, MAX_UNANSWERED_PROOFS, ONE_TIME_KEY_BYTES
from dsked.secrecy import no_pickle, no_secrets


def proof_key(hash_key: bytes | None, pads: bytes) -> bytes:
    """r | s of a proof, 32 bytes. `pads`: the 48 at its position; `hash_key`: None where r is among them."""
    return (pads[:HASH_KEY_BYTES] if hash_key is None else hash_key) + pads[HASH_KEY_BYTES:ONE_TIME_KEY_BYTES]


class OwnProofs:
    """Hash keys that this process's proofs on one pool brought: of the last one verified, and of later ones.

    Which of them the peer has verified shows in the exact mark that it tells. That may be an old one: of an
    M1 that arrives late, or of another copy of the peer. So a later proof is not forgotten for it.
    """

    __slots__ = ("_made",)
    __reduce__ = no_pickle

    def __init__(self) -> None:
        self._made: list[tuple[int, bytes]] = []

    def add(self, position: int, pads: bytes) -> None:
        """A proof at `position` leaves; the last 16 of its 48 bytes are its session's hash key.

        Where there are too many, one in the middle is forgotten, but not that there was one: who has verified
        that one must not be taken for having verified the one before.
        """
        self._made.append((position, pads[ONE_TIME_KEY_BYTES:]))
        if len(self._made) > MAX_UNANSWERED_PROOFS:
            self._made[1:3] = [(self._made[1][0], b"")]

    def last_verified(self, exact_mark: int) -> bytes | None:
        """The hash key of the last one that the peer, which tells this mark, has verified; None: not known.

        Those before it are forgotten then.
        """
        known = sum(position + HANDSHAKE_PAD_BYTES <= exact_mark for position, _ in self._made)
        if not known:
            return None
        del self._made[: known - 1]
        return self._made[0][1] or None

    def __repr__(self) -> str:
        return no_secrets(self)
