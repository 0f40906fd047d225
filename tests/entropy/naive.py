"""The health tests once more, sample by sample as SP 800-90B, sections 4.4.1 and 4.4.2, tells them."""

from __future__ import annotations

from collections.abc import Iterator


def repetition_failures(samples: bytes, cutoff: int) -> Iterator[int]:
    """Where the repetition count test signals a failure: the index of the sample that does it."""
    last, repetitions = samples[0] if samples else 0, 0
    for index, sample in enumerate(samples):
        if sample == last:
            repetitions += 1
            if repetitions >= cutoff:
                yield index
        else:
            last, repetitions = sample, 1


def proportion_failures(samples: bytes, cutoff: int, window: int = 512) -> Iterator[int]:
    """Where the adaptive proportion test signals a failure."""
    first, equal = 0, 0
    for index, sample in enumerate(samples):
        if index % window == 0:
            first, equal = sample, 1
        elif sample == first:
            equal += 1
            if equal >= cutoff:
                yield index


def first_failure(samples: bytes, repetition_cutoff: int, proportion_cutoff: int) -> int | None:
    """The index of the first sample that fails either test; None if none does."""
    failures = [
        next(repetition_failures(samples, repetition_cutoff), None),
        next(proportion_failures(samples, proportion_cutoff), None),
    ]
    return min((index for index in failures if index is not None), default=None)
