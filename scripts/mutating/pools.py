"""Pads are used once: positions, marks, windows, and where a session begins."""

from __future__ import annotations

from mutating.mutant import Mutant

POOLS = ("tests/psrd", "tests/wire/test_positions.py", "tests/wire/test_connection.py")

MUTANTS = (
    Mutant(
        "a frame leaves before its pads are reserved",
        "dsked/psrd/pool.py",
        "                return None\n        assert end <= self.durable\n",
        "                pass\n",
        POOLS,
    ),
    Mutant(
        "no window where a session begins",
        "dsked/psrd/pair.py",
        "    return window_end\n",
        "    return pool.next\n",
        POOLS,
    ),
    Mutant(
        "no limit by acks",
        "dsked/psrd/pool.py",
        "return min(self.held_end, self.acked + self.window) - reserve",
        "return self.held_end - reserve",
        POOLS,
    ),
    Mutant(
        "the position of a lost M3 is used again",
        "dsked/psrd/pool.py",
        "        return self._take(position, length)[1]\n",
        "        return self.store.read(position, length)\n",
        POOLS,
    ),
    Mutant(
        "the durable mark is taken for the exact one",
        "dsked/wire/handshake.py",
        "        peer.mark,",
        "        peer.durable,",
        POOLS,
    ),
    Mutant(
        "a handshake leaves before its marks are durable",
        "dsked/psrd/pair.py",
        "        return not self._marks\n",
        "        return True\n",
        POOLS,
    ),
)
