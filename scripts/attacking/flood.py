"""A client with gate key and pads floods a hub.

With shares that nobody fetches, that expire at once, that name whom it can invent, that contradict others,
and with questions for keys that nobody knows. The hub's memory must stay below what docs/limits.md says, and
the honest pair must get its keys.
"""

from __future__ import annotations

import random
from collections import Counter

from simulating.enemies.rows import Row, put_under

from dsked.errors import ErrorCode
from dsked.limits import (
    KEY_ID_BYTES,
    MAX_ENCRYPTOR_NAME_BYTES,
    MAX_NODE_NAME_BYTES,
    MAX_PENDING_RESPONDER_BYTES_PER_CLIENT,
    MAX_PENDING_SHARES_PER_CLIENT,
    MAX_RESPONDERS,
    MAX_TOMBSTONES_PER_CLIENT,
)
from dsked.sharing.terms import Party, Terms
from dsked.wire.messages import (
    GetGroup,
    GetShares,
    Message,
    PutShares,
    PutSharesAck,
)

from .attack import Broken, Figures, Told
from .siege import VICTIM, Hostile, Siege, check_success, run_loop, siege

MALLORY = "mallory"
KEYS_PER_FRAME = 1024
FRAMES_AHEAD = 8
GET_EVERY = 8  # frames
QUIET_S = 3.0
#: What docs/limits.md allows one client at a hub, without its share bytes: these shares hold next to none.
BYTES_PER_SHARE = 1800
BYTES_PER_TOMBSTONE = 170
#: What a session, its pools and what waits in its outbox take, and an allocator that gives nothing back.
BYTES_BESIDE = 32 * 1024 * 1024
BOUND_BYTES = (
    MAX_PENDING_SHARES_PER_CLIENT * BYTES_PER_SHARE
    + MAX_PENDING_RESPONDER_BYTES_PER_CLIENT
    + MAX_TOMBSTONES_PER_CLIENT * BYTES_PER_TOMBSTONE
    + BYTES_BESIDE
)


class Flood:
    """What mallory says, and what the hub answers."""

    def __init__(self, besieged: Siege, seed: str, amount: int, told: Told) -> None:
        self._random = random.Random(seed)  # noqa: S311  an attack, not a secret
        self._besieged, self._amount, self._told = besieged, amount, told
        self.codes: Counter[int] = Counter()
        self.sent = self.answered = self.frames = self._open = 0
        self.peak_bytes = besieged.resident_bytes(VICTIM)
        self.sessions_lost = 0

    async def run(self) -> None:
        """Flood until every share has been answered."""
        mallory = Hostile(self._besieged.lab, MALLORY)
        await mallory.registered()
        while self.answered < self._amount:
            if not mallory.hub.registered:
                await mallory.registered()
            while self.sent < self._amount and self._open < FRAMES_AHEAD and mallory.hub.registered:
                self._say(mallory)
            mallory.touch()
            open_now = self._open
            await mallory.until(lambda before=open_now: self._open < before, "the hub answers")  # type: ignore[misc]
            self.peak_bytes = max(self.peak_bytes, self._besieged.resident_bytes(VICTIM))
            self._told(self.answered)
        await mallory.close()

    def _say(self, mallory: Hostile) -> None:
        self.frames += 1
        if self.frames % GET_EVERY == 0:
            mallory.hub.request(self._get(), lambda message, now: True)
        number = min(KEYS_PER_FRAME, self._amount - self.sent)
        message, size = self._put(mallory.encryptor, number)

        def answered(answer: Message | None, now: float) -> bool:
            self._open -= 1
            if isinstance(answer, PutSharesAck):
                self.codes.update(answer.codes)
                self.answered += size
            else:
                self.sent -= size  # the session was lost: once more
                self.sessions_lost += 1
            return True

        if mallory.hub.request(message, answered) is None:
            raise Broken("the hub does not take what mallory says")
        self.sent += size
        self._open += 1

    def _get(self) -> GetShares:
        """Keys that do not exist, of somebody else."""
        ids = self._random.randbytes(KEYS_PER_FRAME * KEY_ID_BYTES)
        return GetShares([GetGroup("carol", ids, 0)], self._random.choice((0, 1000)), [])

    def _put(self, encryptor: str, number: int) -> tuple[PutShares, int]:
        rng = self._random
        kind = rng.randrange(4)
        responders: tuple[Party, ...] = (Party("curtis", "sunny"),)
        ttl_ms = 60_000
        if kind == 1:
            ttl_ms = 1
        elif kind == 2:
            number = min(number, 64)
            responders = tuple(self._invented(index) for index in range(MAX_RESPONDERS))
        ids = [rng.randbytes(KEY_ID_BYTES) for _ in range(number)]
        if kind == 3:  # the same again with other content
            ids = [bytes(14) + (index % 16).to_bytes(2, "big") for index in range(number)]
        terms = Terms(1, 3, 2, Party(MALLORY, encryptor), responders, 1)
        rows = [Row(key_id, 0, rng.randbytes(1), rng.randbytes(32) * len(responders)) for key_id in ids]
        return PutShares(put_under(terms, rows, ttl_ms)), number

    def _invented(self, index: int) -> Party:
        client, name = f"{index:02}-{self._random.randrange(10**9)}", f"{index:02}"
        return Party(client.ljust(MAX_NODE_NAME_BYTES, "x"), name.ljust(MAX_ENCRYPTOR_NAME_BYTES, "x"))


class ShareFlood:
    name = "flood"
    what = "shares without end by an authenticated client; memory stays bounded, honest keys get through"
    unit = "shares"
    full = 100_000
    long = 10_000_000
    piece = 500_000

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        with siege(clients=[MALLORY]) as besieged:
            quiet = besieged.quiet(QUIET_S)
            before = besieged.resident_bytes(VICTIM)
            flood = Flood(besieged, seed, amount, told)
            loud, _ = besieged.loud(lambda: run_loop(flood.run()))
            besieged.check_unharmed(lines=20)
        grown = flood.peak_bytes - before
        if grown > BOUND_BYTES:
            raise Broken(f"the hub grew by {grown} bytes; {BOUND_BYTES} are allowed")
        if flood.sessions_lost:
            raise Broken(f"{flood.sessions_lost} frames were lost with a session")
        check_success(self.name, loud)
        return {
            "shares": flood.answered,
            "stored": flood.codes[ErrorCode.OK],
            "refused_at_the_limit": flood.codes[ErrorCode.LIMIT],
            "conflicts": flood.codes[ErrorCode.CONFLICT],
            "grown_mib_max": round(grown / 2**20, 1),
            "bound_mib_max": round(BOUND_BYTES / 2**20, 1),
            "honest_pairs": loud.pairs,
            "honest_failed": loud.failed,
            "quiet_p99_ms_max": quiet.p99_ms,
            "p99_ms_max": loud.p99_ms,
        }


ATTACK = ShareFlood()
