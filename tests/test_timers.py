"""Timers: in order, once, cancelled for nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dsked.timers import Timers


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=20), st.lists(st.integers(0, 25)))
def test_what_is_due_is_done_once_in_order(timers: list[tuple[int, bool]], times: list[int]) -> None:
    heap = Timers()
    done: list[tuple[int, int]] = []
    for number, (deadline, cancelled) in enumerate(timers):
        timer = heap.at(deadline, lambda now, at=(deadline, number): done.append(at))  # type: ignore[misc]
        if cancelled:
            timer.cancel()
    wanted = sorted(
        (deadline, number) for number, (deadline, cancelled) in enumerate(timers) if not cancelled
    )
    latest = -1
    for now in times:
        heap.run_due(now)
        latest = max(latest, now)
        assert done == [at for at in wanted if at[0] <= latest]
        assert heap.next_deadline() == next((at[0] for at in wanted if at[0] > latest), None)


def test_an_action_gets_the_time_and_may_set_and_cancel_others() -> None:
    heap = Timers()
    seen: list[tuple[str, float]] = []
    later = heap.at(2, lambda now: seen.append(("later", now)))

    def first(now: float) -> None:
        seen.append(("first", now))
        later.cancel()
        heap.at(2, lambda now: seen.append(("in the same run", now)))
        heap.at(9, lambda now: seen.append(("much later", now)))

    heap.at(1, first)
    heap.run_due(3)
    assert seen == [("first", 3), ("in the same run", 3)]
    assert heap.next_deadline() == 9


def test_without_timers_nothing_is_due() -> None:
    heap = Timers()
    heap.run_due(100)
    assert heap.next_deadline() is None
    heap.at(1, lambda now: None).cancel()
    assert heap.next_deadline() is None
