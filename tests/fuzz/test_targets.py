"""Every decoder, over the table that make fuzz uses: it takes valid inputs, and no input does it harm."""

from __future__ import annotations

import pytest
from fuzzing.check import check
from fuzzing.target import Target
from fuzzing.targets import TARGETS
from hypothesis import HealthCheck, given, settings

from .inputs import inputs

_ALL = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
#: Of an outsider nothing is taken.
_TAKEN = [target for name, target in TARGETS.items() if not name.endswith("-outsider")]
#: A script makes a connection four times over.
_EXAMPLES, _EXAMPLES_OF_SCRIPTS = 100, 30


@_ALL
def test_examples_hold(target: Target) -> None:
    for example in target.examples:
        check(target, example)


@_ALL
def test_changed_examples_hold(target: Target) -> None:
    number = _EXAMPLES_OF_SCRIPTS if target.script else _EXAMPLES

    @settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target))
    def holds(data: bytes) -> None:
        check(target, data)

    holds()


@pytest.mark.parametrize("target", _TAKEN, ids=lambda target: target.name)
def test_the_first_example_is_taken(target: Target) -> None:
    """Or mutations of it would all be refused at the door."""
    first = target.examples[0]
    if target.decode is not None:
        target.decode(first)
    else:
        assert target.stream is not None
        target.stream([first if target.wire is None else target.wire(first)], [])
