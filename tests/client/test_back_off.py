"""When a hub is dialled again: soon, unless each attempt costs pads."""

from __future__ import annotations

import pytest

from dsked.client.back_off import BackOff
from dsked.limits import (
    RECONNECT_FIRST_S,
    RECONNECT_HANDSHAKE_MAX_S,
    RECONNECT_JITTER,
    RECONNECT_UNREACHABLE_MAX_S,
)


def delays(
    back_off: BackOff, number: int, *, reached: bool, carried: bool = False, alarmed: bool = False,
    jitter: float = 0.5,
) -> list[float]:  # fmt: skip
    return [
        back_off.next_delay(reached=reached, carried_frames=carried, alarmed=alarmed, jitter=jitter)
        for _ in range(number)
    ]


def test_an_unreachable_hub_is_tried_again_soon_and_for_ever() -> None:
    assert delays(BackOff(), 6, reached=False) == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert RECONNECT_UNREACHABLE_MAX_S == 1.0


def test_handshakes_that_fail_after_m3_are_tried_less_and_less() -> None:
    assert delays(BackOff(), 12, reached=True) == [
        0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0,
    ]  # fmt: skip
    assert RECONNECT_HANDSHAKE_MAX_S == 60.0


def test_refused_tcp_in_between_does_not_shorten_the_long_back_off() -> None:
    """An attacker on the path may refuse TCP at will: pads are not spent faster for it."""
    back_off = BackOff()
    delays(back_off, 10, reached=True)
    delays(back_off, 5, reached=False)
    assert delays(back_off, 2, reached=True) == [60.0, 60.0]


def test_failed_handshakes_do_not_lengthen_the_short_back_off() -> None:
    back_off = BackOff()
    delays(back_off, 10, reached=True)
    assert delays(back_off, 1, reached=False) == [0.1]


def test_a_session_without_frames_does_not_reset_the_back_off() -> None:
    back_off = BackOff()
    delays(back_off, 10, reached=True)
    assert delays(back_off, 1, reached=True, carried=False) == [60.0]
    assert delays(back_off, 1, reached=True, carried=True) == [RECONNECT_FIRST_S]
    assert delays(back_off, 2, reached=True) == [0.1, 0.2]


def test_sessions_that_begin_with_an_alarm_do_not_reset_the_back_off() -> None:
    """Two clones that take turns would burn windows ten times a second."""
    back_off = BackOff()
    alarmed = delays(back_off, 12, reached=True, carried=True, alarmed=True)
    assert alarmed == delays(BackOff(), 12, reached=True)
    assert delays(back_off, 1, reached=True, carried=True) == [RECONNECT_FIRST_S]


@pytest.mark.parametrize(
    ("jitter", "factor"), [(0.0, 1 - RECONNECT_JITTER), (0.5, 1.0), (1.0, 1 + RECONNECT_JITTER)]
)
def test_jitter_spreads_by_a_quarter(jitter: float, factor: float) -> None:
    expected = [pytest.approx(factor * delay) for delay in (0.1, 0.2, 0.4)]
    assert delays(BackOff(), 3, reached=True, jitter=jitter) == expected
