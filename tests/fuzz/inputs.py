"""Inputs of a target for hypothesis: valid examples, changed here and there, and raw bytes."""

from __future__ import annotations

import random

from fuzzing.mutation import mutate
from fuzzing.target import Target
from hypothesis import strategies as st


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Nine of ten are changed examples."""
    examples = target.examples

    def changed(seed: int) -> bytes:
        rng = random.Random(seed)
        return mutate(target, rng.choice(examples), rng, examples)

    seeds = st.integers(0, 2**32 - 1).map(changed)
    return st.integers(0, 9).flatmap(lambda kind: seeds if kind else st.binary(max_size=64))
