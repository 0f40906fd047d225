"""Stored keys under everything that may happen at once, against what the hubs really hold.

Hypothesis restarts hubs, cuts connections, freezes hubs, lets time pass and restarts clients as it likes. Of
each key that carol hands out at once, k hubs must hold a share for a while to come; none is handed out twice.
"""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dsked.client.stored_place import StoredPair
from dsked.keys import Key
from dsked.limits import STORED_KEY_LIFE

from .world import World

TIMEOUT_S = 20.0
#: The rest of a share's time, but for what the way to the hub took.
LEFT_S = (1 - STORED_KEY_LIFE) * TIMEOUT_S - 0.01
PAIRS = (StoredPair("sam", "sunny", 3, 32), StoredPair("sam", "susan", 2, 2000))
HUBS = st.sampled_from([f"hub{number}" for number in range(1, 6)])
FEW = st.lists(HUBS, min_size=1, max_size=3, unique=True)


class StoredKeysMachine(RuleBasedStateMachine):
    """carol stores keys with sunny and with susan, 3 of 5."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(stored={"carol": PAIRS}, share_timeout_s=TIMEOUT_S).start()
        self.world.run_for(1.0)
        self.seen: set[bytes] = set()
        self.fresh: list[tuple[float, str, Key]] = []  # handed out lately: until when, for whom
        self.frozen: set[str] = set()

    # --- what carol's encryptor does ---

    @rule(number=st.integers(1, 4), pair=st.sampled_from(PAIRS), late_s=st.sampled_from([0.0, 0.001, 0.3]))
    def ask(self, number: int, pair: StoredPair, late_s: float) -> None:
        outcome = self.world.ask_keys("carol", "sam", [pair.responder], number, 8 * pair.key_bytes)
        if outcome and isinstance(outcome[0], list):
            for key in outcome[0]:
                self._held(key)
        self.world.run_until(lambda: bool(outcome))
        for key in outcome[0] if isinstance(outcome[0], list) else ():
            assert key.key_id not in self.seen and key.key not in self.seen, "it was handed out before"
            assert len(key.key) == pair.key_bytes
            self.seen |= {key.key_id, key.key}
            self.fresh.append((self.world.now + LEFT_S - 2, pair.responder, key))
        self.world.run_for(late_s)

    def _held(self, key: Key) -> None:
        """It was there at once: k hubs have it, and will have it for a while."""
        lots = [hub.shares.find("carol", key.key_id) for hub in self.world.hubs.values()]
        lasting = [lot for lot in lots if lot and lot.complete and lot.expires_at - self.world.now >= LEFT_S]
        assert len(lasting) >= self.world.k

    @precondition(lambda self: self.fresh and not self.frozen and not self.world.down)
    @rule()
    def fetch(self) -> None:
        """What was handed out is there at the other end, where k of the hubs that hold it go on running."""
        self.world.start()
        due, self.fresh = self.fresh, []
        for until, responder, key in due:
            holding = [hub.shares.find("carol", key.key_id) for hub in self.world.hubs.values()]
            if self.world.now < until and sum(lot is not None and lot.complete for lot in holding) >= 3:
                assert self.world.get_by_id("curtis", responder, "sam", [key]) == [key]

    # --- what happens meanwhile ---

    @rule(hubs=FEW)
    def restart_hubs(self, hubs: list[str]) -> None:
        for hub in hubs:
            if hub not in self.frozen:
                self.world.stop_hub(hub)
                self.world.start_hub(hub)

    @rule(hubs=FEW)
    def stop_hubs(self, hubs: list[str]) -> None:
        for hub in set(hubs) - self.frozen:
            self.world.stop_hub(hub)

    @rule()
    def start_hubs(self) -> None:
        for hub in sorted(self.world.down):
            self.world.start_hub(hub)

    @rule(hubs=FEW)
    def cut(self, hubs: list[str]) -> None:
        for hub in hubs:
            self.world.cut(hub=hub, client="carol")

    @rule(hub=HUBS)
    def freeze(self, hub: str) -> None:
        if hub not in self.frozen and hub not in self.world.down:
            self.frozen.add(hub)
            self.world.freeze(hub)

    @precondition(lambda self: self.frozen)
    @rule()
    def thaw(self) -> None:
        self.world.thaw(self.frozen.pop())

    @rule()
    def restart_carol(self) -> None:
        self.world.restart_client("carol")

    @rule(seconds=st.sampled_from([0.001, 0.0025, 0.05, 0.26, 1.0, 4.0, 12.0, 15.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.run_for(seconds)

    # --- what always holds ---

    @invariant()
    def no_more_are_stored_than_are_wanted(self) -> None:
        carol = self.world.clients["carol"]
        for pair in PAIRS:
            stored, most = carol.stored_keys("sam", pair.responder, self.world.now)
            assert 0 <= stored <= most == pair.count
        for place in carol._stored._places.values():
            assert place.size <= 2 * place.pair.count
            assert 0 <= place.under_way <= place.pair.count

    @invariant()
    def what_status_counts_is_handed_out(self) -> None:
        """And only that: what is counted, the next request gets at once."""
        carol, now = self.world.clients["carol"], self.world.now
        for place in carol._stored._places.values():
            for lot in carol._stored._good(place, now):
                for key in lot.keys:
                    self._held(key)

    def teardown(self) -> None:
        """Once all is well again, so is the store."""
        for hub in self.frozen:
            self.world.thaw(hub)
        self.start_hubs()
        carol = self.world.clients["carol"]
        self.world.run_until(
            lambda: all(
                carol.stored_keys("sam", pair.responder, self.world.now) == (pair.count, pair.count)
                for pair in PAIRS
            ),
            150.0,
        )


TestStoredKeys = StoredKeysMachine.TestCase
TestStoredKeys.settings = settings(
    max_examples=int(os.environ.get("DSKED_STORED_EXAMPLES", "20")), stateful_step_count=30, deadline=None,
    derandomize="DSKED_STORED_EXAMPLES" not in os.environ,
)  # fmt: skip
