"""The continuous health tests of NIST SP 800-90B (January 2018), section 4.4, on the bytes of a raw source.

They notice a source that breaks: one that sticks, or that falls far below the min-entropy H it was
assessed at. They cannot show that a source is good. A sample is one byte, H its min-entropy in bits.

Both tests are exact, sample by sample, however the samples are cut into pieces, yet no loop runs
over samples: gigabytes go through here. A run of C equal bytes is a run of C - 1 zeros in the
difference of the samples and the samples one later; proportions are counted window by window.
"""

from __future__ import annotations

from fractions import Fraction

from dsked.errors import ConfigurationError, EntropyError
from dsked.limits import HEALTH_FALSE_ALARM_BITS, MAX_MIN_ENTROPY_BITS, MIN_MIN_ENTROPY_BITS
from dsked.sharing.gf256 import xor

#: Samples of one window of the adaptive proportion test, for samples of more than one bit (4.4.2).
WINDOW_SAMPLES = 512
#: No sample leaves before so many have passed (4.3, requirement 4).
STARTUP_SAMPLES = 1024
#: Differences are taken over pieces that stay in the processor's cache.
_PIECE_BYTES = 16 * 1024


def repetition_cutoff(min_entropy_bits: float, false_alarm_bits: int = HEALTH_FALSE_ALARM_BITS) -> int:
    """C of section 4.4.1: so many equal samples in a row fail.

    C = 1 + ceil(-log2(alpha) / H), with alpha = 2^-`false_alarm_bits`.
    """
    return 1 - (-false_alarm_bits // Fraction(min_entropy_bits))


def proportion_cutoff(
    min_entropy_bits: float,
    false_alarm_bits: int = HEALTH_FALSE_ALARM_BITS,
    window_samples: int = WINDOW_SAMPLES,
) -> int:
    """C of section 4.4.2: so many samples of a window that equal its first fail.

    The least C with P(X >= C) <= alpha, X binomial over the window with p = 2^-H. Sums and compares
    whole numbers; the one rounding is that of 2^-H to a float.
    """
    hits, outcomes = (2.0**-min_entropy_bits).as_integer_ratio()
    misses = outcomes - hits
    allowed = outcomes**window_samples >> false_alarm_bits
    tail = outcomes**window_samples  # P(X >= count), times outcomes^window
    term = misses**window_samples  # P(X = count), likewise
    count = 0
    while tail > allowed:
        tail -= term
        term = term * hits * (window_samples - count) // (misses * (count + 1))  # no remainder
        count += 1
    return count


class HealthTests:
    """Both tests over one stream of samples. Once failed, they stay failed."""

    def __init__(self, min_entropy_bits: float) -> None:
        """`min_entropy_bits`: H, the assessed min-entropy of a byte. Raises ConfigurationError."""
        if not MIN_MIN_ENTROPY_BITS <= min_entropy_bits <= MAX_MIN_ENTROPY_BITS:
            raise ConfigurationError(
                f"a min-entropy of {min_entropy_bits:g} bits per byte; expected "
                f"{MIN_MIN_ENTROPY_BITS:g} to {MAX_MIN_ENTROPY_BITS:g}"
            )
        self._tests = (
            RepetitionCountTest(repetition_cutoff(min_entropy_bits)),
            AdaptiveProportionTest(proportion_cutoff(min_entropy_bits)),
        )
        self._failure = ""

    def check(self, samples: bytes) -> None:
        """The next samples of the stream. Raises EntropyError if a test fails, now or ever before."""
        if not self._failure:
            self._failure = next((test.fault for test in self._tests if not test.passes(samples)), "")
        if self._failure:
            raise EntropyError(self._failure)


class RepetitionCountTest:
    """Section 4.4.1: fails where `cutoff` samples in a row are equal."""

    def __init__(self, cutoff: int) -> None:
        self.fault = f"repetition count test (SP 800-90B) failed: {cutoff} equal bytes in a row"
        self._fatal = bytes(cutoff - 1)
        self._last = b""

    def passes(self, samples: bytes) -> bool:
        """False if a run that reaches the cutoff ends in these samples."""
        return all(
            self._piece_passes(samples[start : start + _PIECE_BYTES])
            for start in range(0, len(samples), _PIECE_BYTES)
        )

    def _piece_passes(self, piece: bytes) -> bool:
        stretch = self._last + piece
        self._last = stretch[-len(self._fatal) :]
        return self._fatal not in xor(stretch[:-1], stretch[1:])


class AdaptiveProportionTest:
    """Section 4.4.2: fails where `cutoff` samples of a window equal its first."""

    def __init__(self, cutoff: int) -> None:
        self.fault = f"adaptive proportion test (SP 800-90B) failed: {cutoff} equal bytes in {WINDOW_SAMPLES}"
        self._cutoff = cutoff
        self._open = b""  # the samples of the window that is not full yet

    def passes(self, samples: bytes) -> bool:
        """False if a window's count reaches the cutoff in these samples."""
        stretch = self._open + samples
        self._open = stretch[len(stretch) // WINDOW_SAMPLES * WINDOW_SAMPLES :]
        return all(
            stretch.count(stretch[start], start, start + WINDOW_SAMPLES) < self._cutoff
            for start in range(0, len(stretch), WINDOW_SAMPLES)
        )
