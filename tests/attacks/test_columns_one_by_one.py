"""The share store in columns and key by key: random stories, and no difference in what it says and keeps."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from simulating.rows import Row

from dsked.chosen_limits import DEFAULT_LIMITS
from dsked.hub.share_store import ShareStore
from dsked.limits import KEY_ID_BYTES
from dsked.sharing.shares import cut
from dsked.sharing.terms import Party, Terms, responder_clients
from tests.attacks.attackers import ids, lots_of


class Twins:
    """Two stores that get the same: one in columns, the other key by key."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        limits = replace(
            DEFAULT_LIMITS, max_pending_shares_per_client=self.dice.choice([40, 10_000]),
            max_pending_share_bytes_per_client=self.dice.choice([2000, 10**6]),
        )  # fmt: skip
        self.columns, self.rows = (ShareStore(5.0, limits) for _ in range(2))
        self.now = 100.0
        self.known = ids(60)
        parties = (Party("celia", "serena"), Party("curtis", "sunny"))
        self.terms = [
            Terms(1, 5, 3, Party("carol", "sam"), responders, key_bytes)
            for responders in (parties[1:], parties[:1], parties)
            for key_bytes in (1, 3)
        ]

    def step(self) -> None:
        """Do one thing to both, and compare what they say and what they keep."""
        self.dice.choice([self.put, self.put, self.get, self.confirm, self.wait])()
        for view in (len, lambda store: store.counts("carol"), lambda store: store.nr_tombstones):
            assert view(self.columns) == view(self.rows)
        lots = lots_of(self.columns, self.known)
        assert sum(lot.number for lot in lots) == len(self.columns)
        held = sum(lot.number * lot.key_size for lot in lots)
        assert held == self.columns.counts("carol")[1]
        assert sum(len(lot.shares) + len(lot.codes) for lot in lots) <= held

    def some(self) -> list[bytes]:
        """Key IDs in any order, often neighbours, some of them twice."""
        start = self.dice.randrange(60)
        chosen = self.known[start : start + self.dice.choice([1, 2, 10, 60])]
        if self.dice.random() < 0.5:
            chosen = self.dice.sample(chosen, len(chosen))
        return chosen + self.dice.choices(chosen, k=self.dice.choice([0, 0, 1, 3]))

    def put(self) -> None:
        terms, chosen, ttl_s = self.dice.choice(self.terms), self.some(), self.dice.choice([0.3, 60.0])
        size = terms.key_bytes
        offset, piece = self.dice.choice([(0, size), (0, size), (0, 1), (1, size - 1)])
        if (offset or piece < size) and size > 1:
            chosen = chosen[:1]
        else:
            offset, piece = 0, size
        shares = [self.dice.choice([b"s", b"s", b"s", b"t"]) * piece for _ in chosen]
        code = b"" if offset else bytes(32 * len(responder_clients(terms)))
        said = (terms, offset, ttl_s)
        together = self._put(self.columns, said, chosen, shares, code)
        assert together == b"".join(
            self._put(self.rows, said, [key_id], [one], code)
            for key_id, one in zip(chosen, shares, strict=True)
        )

    def _put(
        self,
        store: ShareStore,
        said: tuple[Terms, int, float],
        chosen: list[bytes],
        shares: list[bytes],
        code: bytes,
    ) -> bytes:
        terms, offset, ttl_s = said
        joined = b"".join(chosen), offset, b"".join(shares), code * len(chosen)
        return store.put(self.now, terms, *joined, ttl_s)

    def get(self) -> None:
        chosen, client = self.some(), self.dice.choice(["celia", "curtis"])
        offset = self.dice.choice([0, 0, 1, 3])
        chosen = chosen[:1] if offset else chosen
        boot_id = self.dice.choice([b"a", b"b"]) * 16
        asked = [(client, boot_id, "carol", key_id, offset) for key_id in chosen]
        one_by_one = [row for ask in asked for row in _told(*self.rows.get(*ask))]
        together = _told(*self.columns.get(client, boot_id, "carol", b"".join(chosen), offset))
        assert sorted(together) == sorted(one_by_one)

    def confirm(self) -> None:
        chosen, client = self.some(), self.dice.choice(["celia", "curtis"])
        self.columns.confirm(self.now, client, "carol", b"".join(chosen))
        for key_id in chosen:
            self.rows.confirm(self.now, client, "carol", key_id)

    def wait(self) -> None:
        self.now += self.dice.choice([0.1, 1.0, 4.0])
        for store in (self.columns, self.rows):
            store.expire(self.now)


def _told(given: list[Any], refused: list[Any]) -> list[tuple[bytes, str]]:
    """What is said of each key."""
    rows = [
        (one.key_id, f"{group.terms} {group.offset} {one.share!r} {one.code!r}")
        for group in given
        for one in _rows(group)
    ]
    return rows + [
        (key_id, f"{int(code)}") for code, key_ids in refused for key_id in cut(key_ids, KEY_ID_BYTES)
    ]


def _rows(given: Any) -> list[Row]:
    shares, codes = len(given.shares) // given.number, len(given.codes) // given.number
    return [
        Row(
            key_id,
            given.offset,
            given.shares[i * shares : (i + 1) * shares],
            given.codes[i * codes : (i + 1) * codes],
        )
        for i, key_id in enumerate(cut(given.key_ids, KEY_ID_BYTES))
    ]


@pytest.mark.parametrize("tombstones", [25, 10_000])
@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.full) for seed in range(12, 120))]
)
def test_a_column_is_treated_as_its_keys_would_be_one_by_one(
    seed: int, tombstones: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsked.hub.tombstones.MAX_TOMBSTONES_PER_CLIENT", tombstones)
    twins = Twins(seed)
    for _ in range(150):
        twins.step()
