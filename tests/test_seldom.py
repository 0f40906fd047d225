"""Nobody fills a log by doing the same again and again."""

from __future__ import annotations

from dsked.seldom import Seldom, more


def test_one_in_an_interval_and_the_next_tells_how_many_were_left_out() -> None:
    seldom = Seldom(10.0)
    told = [seldom.may_tell("slow", 100.0 + second) for second in range(25)]
    assert [(second, left_out) for second, left_out in enumerate(told) if left_out is not None] == [
        (0, 0),
        (10, 9),
        (20, 9),
    ]


def test_a_burst_is_told_as_it_is() -> None:
    seldom = Seldom(10.0, burst=3)
    assert [seldom.may_tell("lost", 5.0) for _ in range(5)] == [0, 0, 0, None, None]
    assert [seldom.may_tell("lost", 15.0) for _ in range(4)] == [2, 0, 0, None]


def test_kinds_are_apart() -> None:
    seldom = Seldom(10.0)
    assert [seldom.may_tell(kind, 0.0) for kind in ("a", "b", "a", ("a", "b"))] == [0, 0, None, 0]


def test_the_text_of_those_left_out() -> None:
    assert (more(0), more(7)) == ("", " (7 more like this)")
