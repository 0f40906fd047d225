from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise
from math import comb

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsked.entropy.health import (
    STARTUP_SAMPLES,
    WINDOW_SAMPLES,
    HealthTests,
    proportion_cutoff,
    repetition_cutoff,
)
from dsked.errors import ConfigurationError, EntropyError
from dsked.limits import (
    DEFAULT_MIN_ENTROPY_BITS,
    HEALTH_FALSE_ALARM_BITS,
    MAX_MIN_ENTROPY_BITS,
    MIN_MIN_ENTROPY_BITS,
)
from tests.entropy.naive import first_failure

RUN = repetition_cutoff(DEFAULT_MIN_ENTROPY_BITS)
SHARE = proportion_cutoff(DEFAULT_MIN_ENTROPY_BITS)


def noise(nr_bytes: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(nr_bytes)


def failing_piece(pieces: Iterable[bytes], min_entropy_bits: float) -> int | None:
    """Which piece the tests refuse first."""
    tests = HealthTests(min_entropy_bits)
    for index, piece in enumerate(pieces):
        try:
            tests.check(piece)
        except EntropyError:
            return index
    return None


def expected_piece(pieces: list[bytes], min_entropy_bits: float) -> int | None:
    """The same by the naive tests: the piece in which the first failure falls."""
    failure = first_failure(
        b"".join(pieces), repetition_cutoff(min_entropy_bits), proportion_cutoff(min_entropy_bits)
    )
    end = 0
    for index, piece in enumerate(pieces):
        end += len(piece)
        if failure is not None and failure < end:
            return index
    return None


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = [0, *sorted(min(end, len(data)) for end in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


# --- cutoffs ---


@pytest.mark.parametrize(
    ("min_entropy_bits", "false_alarm_bits", "cutoff"),
    [(1, 20, 21), (2, 20, 11), (4, 20, 6), (8, 20, 4), (0.5, 20, 41), (3, 20, 8), (1, 30, 31),
     (4, 40, 11), (8, 40, 6), (0.1, 40, 401)],
)  # fmt: skip
def test_cutoffs_of_the_repetition_count_test(
    min_entropy_bits: float, false_alarm_bits: int, cutoff: int
) -> None:
    """H = 2 at 2^-20 is the example of section 4.4.1."""
    assert repetition_cutoff(min_entropy_bits, false_alarm_bits) == cutoff


@pytest.mark.parametrize(
    ("window_samples", "min_entropy_bits", "cutoff"),
    [(1024, 0.2, 941), (1024, 0.4, 840), (1024, 0.6, 748), (1024, 0.8, 664), (1024, 1, 589),
     (512, 0.5, 410), (512, 1, 311), (512, 2, 177), (512, 4, 62), (512, 8, 13)],
)  # fmt: skip
def test_cutoffs_of_the_adaptive_proportion_test_are_those_of_the_standard_s_table(
    window_samples: int, min_entropy_bits: float, cutoff: int
) -> None:
    assert proportion_cutoff(min_entropy_bits, 20, window_samples) == cutoff


@pytest.mark.parametrize("false_alarm_bits", [20, 30, 40])
@pytest.mark.parametrize("min_entropy_bits", range(1, 9))
def test_a_cutoff_is_the_least_whose_tail_is_within_alpha(
    min_entropy_bits: int, false_alarm_bits: int
) -> None:
    p, alpha = Fraction(1, 2**min_entropy_bits), Fraction(1, 2**false_alarm_bits)

    def tail(cutoff: int) -> Fraction:
        return sum(
            (comb(512, k) * p**k * (1 - p) ** (512 - k) for k in range(cutoff, 513)), start=Fraction(0)
        )

    cutoff = proportion_cutoff(min_entropy_bits, false_alarm_bits)
    assert tail(cutoff) <= alpha < tail(cutoff - 1)


def test_even_the_lowest_min_entropy_leaves_a_test_that_can_fail() -> None:
    assert proportion_cutoff(MIN_MIN_ENTROPY_BITS) <= WINDOW_SAMPLES
    assert proportion_cutoff(HEALTH_FALSE_ALARM_BITS / WINDOW_SAMPLES * 0.99) > WINDOW_SAMPLES


@pytest.mark.parametrize("bits", [0.0, -1.0, 0.09, 8.01, float("nan"), float("inf")])
def test_a_min_entropy_that_no_byte_has_is_refused(bits: float) -> None:
    with pytest.raises(ConfigurationError, match=r"bits per byte; expected 0\.1 to 8"):
        HealthTests(bits)


# --- the same as the standard's own steps, whatever the data and the pieces ---

#: Stretches of what a generator may give: sound, stuck, few values, one value too often.
STRETCHES = st.one_of(
    st.builds(noise, st.integers(0, 1500), st.integers(0, 1000)),
    st.builds(lambda value, length: bytes([value]) * length, st.integers(0, 255), st.integers(1, 60)),
    st.builds(
        lambda seed, values, length: bytes(random.Random(seed).choices(range(values), k=length)),
        st.integers(0, 1000), st.integers(2, 40), st.integers(1, 1500),
    ),
    st.builds(
        lambda seed, weight, length: bytes(
            random.Random(seed).choices(range(256), [weight] + [1] * 255, k=length)
        ),
        st.integers(0, 1000), st.integers(1, 200), st.integers(1, 1500),
    ),
)  # fmt: skip


@given(
    st.lists(STRETCHES, min_size=1, max_size=5).map(b"".join),
    st.lists(st.integers(0, 6000), max_size=8),
    st.sampled_from([0.5, 1.0, 2.0, 3.3, DEFAULT_MIN_ENTROPY_BITS, 6.0, 8.0]),
)
@settings(deadline=None)
@example(b"", [], 4.0)
@example(bytes(RUN), [1], 4.0)
def test_pieces_of_any_size_fail_where_the_naive_tests_fail(
    data: bytes, cuts: list[int], bits: float
) -> None:
    pieces = cut(data, cuts)
    assert failing_piece(pieces, bits) == expected_piece(pieces, bits)


@pytest.mark.parametrize("seed", range(20))
def test_large_pieces_fail_where_the_naive_tests_fail(seed: int) -> None:
    """Each bad spot just within or just beyond a cutoff, anywhere in some hundred kilobytes."""
    dice = random.Random(seed)
    data = bytearray(dice.randbytes(200_000))
    start = dice.randrange(len(data) - 600)
    if seed % 2:
        data[start : start + RUN - seed % 4 // 2] = bytes(RUN - seed % 4 // 2)
    else:
        start -= start % WINDOW_SAMPLES
        for offset in [0, *dice.sample(range(1, WINDOW_SAMPLES), SHARE - 1 - seed % 4 // 2)]:
            data[start + offset] = 7
    pieces = cut(bytes(data), [dice.randrange(len(data)) for _ in range(5)])
    assert failing_piece(pieces, DEFAULT_MIN_ENTROPY_BITS) == expected_piece(pieces, DEFAULT_MIN_ENTROPY_BITS)


@pytest.mark.parametrize("start", [0, 1, 511, 1023, *range(16384 - RUN - 1, 16384 + 2), 32768 - 3])
@pytest.mark.parametrize("cuts", [[], [16384], [5, 16380, 16390], [16384 + 1]])
def test_a_run_fails_wherever_it_lies(start: int, cuts: list[int]) -> None:
    data = bytearray(index % 251 for index in range(40_000))
    value = 252
    data[start : start + RUN - 1] = bytes([value]) * (RUN - 1)
    assert failing_piece(cut(bytes(data), cuts), DEFAULT_MIN_ENTROPY_BITS) is None
    data[start + RUN - 1] = value
    assert failing_piece(cut(bytes(data), cuts), DEFAULT_MIN_ENTROPY_BITS) is not None


def window(count: int, *, first: bool = True) -> bytes:
    """A window in which one value occurs `count` times, apart from each other, at its start or not."""
    others = bytes(index % 250 for index in range(WINDOW_SAMPLES))
    data = bytearray(others)
    for spot in range(count):
        data[spot * 5 + (0 if first else 1)] = 255
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "passes"),
    [
        (window(SHARE - 1), True),
        (window(SHARE), False),
        (window(0) + window(SHARE), False),
        (window(0) + window(SHARE)[:-1], False),
        (window(SHARE, first=False), True),  # only the window's first value counts
        (b"\xfe" + window(SHARE), True),  # of the window that begins there
        (window(SHARE - 1) * 2, True),  # every window counts anew
        (window(SHARE - 1)[:-1] + b"\xff", False),  # its last sample counts
        (window(SHARE - 1) + b"\xff", True),  # the next one does not
    ],
)
@pytest.mark.parametrize("piece_bytes", [1, 7, 511, 512, 513, 1024])
def test_a_proportion_fails_in_its_window(data: bytes, passes: bool, piece_bytes: int) -> None:
    pieces = [data[start : start + piece_bytes] for start in range(0, len(data), piece_bytes)]
    assert (failing_piece(pieces, DEFAULT_MIN_ENTROPY_BITS) is None) is passes


# --- what a failure does ---


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (bytes(RUN), f"repetition count test .* {RUN} equal bytes"),
        (window(SHARE), "adaptive proportion test"),
    ],
)
@pytest.mark.parametrize("after", [noise(4096), b""])
def test_a_failure_stays(bad: bytes, text: str, after: bytes) -> None:
    tests = HealthTests(DEFAULT_MIN_ENTROPY_BITS)
    tests.check(noise(STARTUP_SAMPLES))
    for samples in (bad, after, after):
        with pytest.raises(EntropyError, match=text):
            tests.check(samples)


@pytest.mark.parametrize("min_entropy_bits", [MIN_MIN_ENTROPY_BITS, 4.0, MAX_MIN_ENTROPY_BITS])
def test_sound_bytes_pass(min_entropy_bits: float) -> None:
    """4 MiB, of one seed: never by chance."""
    tests = HealthTests(min_entropy_bits)
    for seed in range(64):
        tests.check(noise(65_536, seed))


STUCK: dict[str, Callable[[int], bytes]] = {
    "all zeros": bytes,
    "all ones": lambda length: b"\xff" * length,
    "one value in five": lambda length: bytes(
        0 if index % 5 == 0 else index % 256 for index in range(length)
    ),
    "two values": lambda length: bytes(random.Random(1).choices(b"ab", k=length)),
    "decimal digits": lambda length: bytes(random.Random(1).choices(b"0123456789", [6] + [1] * 9, k=length)),
}


@pytest.mark.parametrize("kind", STUCK)
def test_a_broken_source_does_not_pass_the_start_up_test(kind: str) -> None:
    with pytest.raises(EntropyError, match="failed"):
        HealthTests(DEFAULT_MIN_ENTROPY_BITS).check(STUCK[kind](STARTUP_SAMPLES))
