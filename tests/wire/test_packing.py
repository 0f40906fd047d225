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
from dsked.wire.messages import PartyBody, PutGroup, PutShares, encode_body
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
        code_bytes = 48 * nr_responders
        number = budget.take(nr_keys, share_bytes + code_bytes, parties_bytes((LONGEST, *responders)))
        assert number <= nr_keys
        if number:
            message.groups.append(PutGroup(
                LONGEST.encryptor, responders, 255, 255, 2**32 - 1, 2**21, bytes(16 * number), 2**32 - 1,
                bytes(number * share_bytes), bytes(number * code_bytes),
            ))  # fmt: skip
            pads += number * (share_bytes + code_bytes)
    assert pads <= max_pads
    assert budget.pads == max_pads - pads
    assert len(encode_body(message)) + OVERHEAD_BYTES - 4 <= MAX_FRAME_BYTES


def test_no_frame_has_more_keys_than_it_may() -> None:
    budget = FrameBudget(MAX_FRAME_PAD_BYTES)
    assert budget.take(10, 1, 0) == 10
    assert budget.take(2 * MAX_KEYS_PER_FRAME, 1, 0) == MAX_KEYS_PER_FRAME - 10
    assert budget.take(1, 0, 0) == 0


def test_what_does_not_fit_takes_nothing() -> None:
    budget = FrameBudget(100)
    assert budget.take(1, 101, 0) == 0
    assert budget.take(3, 40, 0) == 2
    assert budget.take(1, 21, 0) == 0
    assert budget.take(1, 20, 0) == 1
