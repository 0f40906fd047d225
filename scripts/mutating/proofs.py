"""Under which hash key M3 and M4 are made and taken."""

from __future__ import annotations

from mutating.mutant import Mutant

FILE, PAIR = "dsked/psrd/proofs.py", "dsked/psrd/pair.py"
HUB, CLIENT = "dsked/wire/handshake_hub.py", "dsked/wire/handshake_client.py"
TESTS = ("tests/attacks/test_known_pads.py", "tests/psrd/test_pair.py", "tests/wire/test_positions.py")
LIVES = ("tests/wire/test_attacked_lives.py",)

MUTANTS = (
    Mutant(
        "a proof's hash key lies wherever the proof says",
        PAIR,
        "    return position == (0 if pool.window is None else durable_mark + pool.window)\n",
        "    return True\n",
        TESTS,
    ),
    Mutant(
        "a proof without a known hash key stands under zeros",
        PAIR,
        '        raise TagError("a proof at a position of which no hash key is known")\n',
        "        return bytes(16)\n",
        TESTS,
    ),
    Mutant(
        "the newest proof made is thought to be verified",
        FILE,
        "        known = sum(position + HANDSHAKE_PAD_BYTES <= exact_mark for position, _ in self._made)\n",
        "        known = len(self._made)\n",
        TESTS,
    ),
    Mutant(
        "proofs that were lost push out the one that was verified",
        FILE,
        '            self._made[1:3] = [(self._made[1][0], b"")]\n',
        "            del self._made[0]\n",
        TESTS,
    ),
    Mutant(
        "a proof that had to be forgotten is taken for the one before",
        FILE,
        '            self._made[1:3] = [(self._made[1][0], b"")]\n',
        "            del self._made[1]\n",
        TESTS,
    ),
    Mutant(
        "a mark that is told late has later proofs forgotten",
        FILE,
        "        del self._made[: known - 1]\n",
        "        self._made = [self._made[known - 1]]\n",
        TESTS,
    ),
    Mutant(
        "a late M1 has the newer hash key forgotten, which random lives show",
        FILE,
        "        del self._made[: known - 1]\n",
        "        self._made = [self._made[known - 1]]\n",
        LIVES,
    ),
    Mutant(
        "a hash key is taken where frames may have been since the mark was told",
        PAIR,
        "        if pool.window is not None and pool.told > durable_mark:\n",
        "        if False:\n",
        TESTS,
    ),
    Mutant(
        "a proof at D + WIN is taken although more was acknowledged, which random lives show",
        PAIR,
        "        if pool.window is not None and pool.told > durable_mark:\n",
        "        if False:\n",
        LIVES,
    ),
    Mutant(
        "the hub keeps the hash key of a proof before the last",
        HUB,
        "        peer.proved = pads[ONE_TIME_KEY_BYTES:]\n",
        "        peer.proved = peer.proved or pads[ONE_TIME_KEY_BYTES:]\n",
        TESTS,
    ),
    Mutant(
        "the client keeps the hash key of a proof before the last",
        CLIENT,
        "        pool.proved = pads[ONE_TIME_KEY_BYTES:]\n",
        "        pool.proved = pool.proved or pads[ONE_TIME_KEY_BYTES:]\n",
        TESTS,
    ),
)
