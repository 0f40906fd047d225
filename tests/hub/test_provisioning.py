"""When a hub tells that pools run low: by windows at least, by the operator's thresholds if larger."""

import logging

import pytest

from dsked.hub.provisioning import Provisioning
from dsked.psrd.pair import Pair, Side, Streams

from ..wire.sides import SIZE, WIN, media_streams

Notices = list[tuple[int, str]]


def provisioning(notices: Notices, thresholds: tuple[int, int]) -> tuple[Provisioning, Streams]:
    pairs: dict[str, Pair] = {}
    made = Provisioning(
        "hank",
        pairs,
        thresholds,
        lambda level, text, /, **fields: notices.append((level, text)),
        lambda client: None,
    )
    made.hold("carol", bytes(32), media_streams(Side.HUB))
    streams = pairs["carol"].streams
    assert streams is not None
    return made, streams


@pytest.mark.parametrize(
    ("thresholds", "left", "low"),
    [
        ((0, 0), 5 * WIN, False),
        ((0, 0), 3 * WIN, True),
        ((500, 2000), 3 * WIN, True),  # the defaults of simulated pools
        ((6 * WIN, 12 * WIN), 5 * WIN, True),
        ((6 * WIN, 12 * WIN), 7 * WIN, False),
    ],
)
def test_the_larger_of_windows_and_thresholds_counts(
    thresholds: tuple[int, int], left: int, low: bool
) -> None:
    notices: Notices = []
    pools, streams = provisioning(notices, thresholds)
    streams.local.next = SIZE - left
    pools.look_at_supply("carol")
    pools.look_at_supply("carol")
    assert pools.runs_low("carol") is low
    assert [level for level, _ in notices] == [logging.WARNING] * low


def test_it_is_low_until_the_second_threshold_is_passed() -> None:
    notices: Notices = []
    pools, streams = provisioning(notices, (4 * WIN, 12 * WIN))
    for left, low in ((3 * WIN, True), (11 * WIN, True), (13 * WIN, False)):
        streams.local.next = SIZE - left
        pools.look_at_supply("carol")
        assert pools.runs_low("carol") is low
    assert [level for level, _ in notices] == [logging.WARNING, logging.INFO]
