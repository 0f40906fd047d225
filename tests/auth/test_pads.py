"""The one-time pad."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsked.auth.pads import apply_pad


@given(
    st.binary(max_size=200).flatmap(
        lambda data: st.tuples(st.just(data), st.binary(min_size=len(data), max_size=len(data)))
    )
)
def test_a_pad_is_xor_and_takes_itself_off(both: tuple[bytes, bytes]) -> None:
    data, pad = both
    sealed = apply_pad(data, pad)
    assert sealed == bytes(a ^ b for a, b in zip(data, pad, strict=True))
    assert apply_pad(sealed, pad) == data


@pytest.mark.parametrize("pad_bytes", [0, 3, 5])
def test_a_pad_of_another_length_is_refused(pad_bytes: int) -> None:
    with pytest.raises(ValueError, match="cannot cover 4 bytes"):
        apply_pad(b"data", bytes(pad_bytes))
