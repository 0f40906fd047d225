"""How much goes into one frame: never more than a frame may hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dsked.limits import (
    MAX_ENCRYPTOR_NAME_BYTES,
    MAX_FRAME_BYTES,
    MAX_FRAME_PAD_BYTES,
    MAX_KEYS_PER_FRAME,
    MAX_NODE_NAME_BYTES,
    MAX_RESPONDERS,
)
from dsked.wire.frame import OVERHEAD_BYTES
from dsked.wire.messages import PartyBody, PutGroup, PutKey, PutShares, encode_body
from dsked.wire.packing import FrameBudget, parties_bytes

LONGEST = PartyBody("\u00e9" * (MAX_NODE_NAME_BYTES // 2), "\u00e9" * (MAX_ENCRYPTOR_NAME_BYTES // 2))


@given(
    st.lists(st.tuples(st.integers(1, MAX_RESPONDERS), st.integers(1, 60), st.integers(1, 3000)), max_size=8),
    st.sampled_from([4096, MAX_FRAME_PAD_BYTES]),
)
def test_what_fits_the_budget_fits_a_frame(groups: list[tuple[int, int, int]], max_pads: int) -> None:
    budget, message = FrameBudget(max_pads), PutShares([])
    pads = 0
    for nr_responders, nr_keys, share_bytes in groups:
        responders = [LONGEST] * nr_responders
        group = PutGroup(LONGEST.encryptor, responders, 255, 255, 2**32 - 1, 2**21, [])
        new = parties_bytes((LONGEST, *responders))
        for _ in range(nr_keys):
            key = PutKey(bytes(16), 2**32 - 1, bytes(share_bytes), [bytes(48)] * nr_responders)
            wanted = share_bytes + 48 * nr_responders
            if not budget.fits(wanted, 0 if group.keys else new, bins=1 + nr_responders):
                break
            group.keys.append(key)
            pads += wanted
        if group.keys:
            message.groups.append(group)
    assert pads <= max_pads
    assert budget.pads == max_pads - pads
    assert len(encode_body(message)) + OVERHEAD_BYTES - 4 <= MAX_FRAME_BYTES


def test_no_frame_has_more_keys_than_it_may() -> None:
    budget = FrameBudget(MAX_FRAME_PAD_BYTES)
    assert sum(budget.fits(1) for _ in range(2 * MAX_KEYS_PER_FRAME)) == MAX_KEYS_PER_FRAME


def test_what_does_not_fit_takes_nothing() -> None:
    budget = FrameBudget(100)
    assert not budget.fits(101)
    assert budget.fits(100)
    assert not budget.fits(1)
