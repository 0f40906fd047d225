"""Sources of block bytes: the system's generator, a hardware generator's device, or the XOR of both.

XOR makes the mixture at least as good as the better of the two, as long as they are independent: a
device that gives full entropy keeps its information-theoretic claim, and one that is broken or lies
costs nothing below what the system gives. A device that fails stops the mixture too. No source ever
fills in for bytes that did not come.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from dsked.entropy.health import STARTUP_SAMPLES, HealthTests
from dsked.entropy.reader import PathReader
from dsked.errors import ConfigurationError, EntropyError
from dsked.limits import DEFAULT_MIN_ENTROPY_BITS, SOURCE_PIECE_BYTES, SOURCE_STALL_S
from dsked.sharing.gf256 import xor


class Source(ABC):
    """Gives random bytes, each once. Closed on leaving a `with` block."""

    #: For messages.
    name: str
    #: What the operator has to mind about this source; empty if nothing.
    caution: str = ""

    @abstractmethod
    def read(self, nr_bytes: int) -> bytes:
        """Exactly so many bytes. Raises EntropyError, from then on at every call."""

    @abstractmethod
    def close(self) -> None:
        """Let go of devices."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SystemSource(Source):
    """The operating system's generator: 256 bits of computational security, however many bytes."""

    name = "the system's generator"

    def read(self, nr_bytes: int) -> bytes:
        return os.urandom(nr_bytes)

    def close(self) -> None:
        """Nothing is held."""


class DeviceSource(Source):
    """A hardware generator's device, FIFO or file, as it is, under the health tests of SP 800-90B.

    No byte leaves that has not passed them, and none before the start-up test has passed.
    """

    def __init__(
        self,
        path: Path,
        min_entropy_bits: float = DEFAULT_MIN_ENTROPY_BITS,
        stall_s: float = SOURCE_STALL_S,
    ) -> None:
        """Opens and runs the start-up test; `min_entropy_bits` per byte is what the tests hold it to.

        Raises ConfigurationError if it cannot be opened, EntropyError if it fails.
        """
        self.name = str(path)
        self._failure = ""
        self._tests = HealthTests(min_entropy_bits)
        self._reader = PathReader(path, stall_s)
        self._held = bytearray()
        try:
            self._held += self._tested(STARTUP_SAMPLES)
        except BaseException:
            self.close()
            raise
        if self.reads_the_same_again:
            self.caution = (
                f"{path}: bytes that can be read again; never use them for other blocks, erase them"
            )

    @property
    def reads_the_same_again(self) -> bool:
        """True for a file or a disk, which gives the same bytes to whoever opens it once more."""
        return self._reader.reads_the_same_again

    def read(self, nr_bytes: int) -> bytes:
        if self._failure:
            raise EntropyError(self._failure)
        held = self._take_held(nr_bytes)
        return held + self._tested(nr_bytes - len(held))

    def close(self) -> None:
        self._failure = self._failure or f"{self.name}: closed"
        self._take_held(len(self._held))
        self._reader.close()

    def _tested(self, nr_bytes: int) -> bytes:
        try:
            samples = self._reader.read(nr_bytes)
        except EntropyError as error:
            self._failure = str(error)
            raise
        try:
            self._tests.check(samples)
        except EntropyError as error:
            self._failure = f"{self.name}: {error}; stopped, have the device examined"
            raise EntropyError(self._failure) from None
        return samples

    def _take_held(self, nr_bytes: int) -> bytes:
        taken = bytes(self._held[:nr_bytes])
        self._held[:nr_bytes] = bytes(len(taken))  # a deletion alone leaves them in memory
        del self._held[:nr_bytes]
        return taken


class MixedSource(Source):
    """The XOR of two sources, which must be independent. Closes both."""

    def __init__(self, device: Source, system: Source) -> None:
        self.name = f"{device.name} XOR {system.name}"
        self.caution = device.caution
        self._device = device
        self._system = system

    def read(self, nr_bytes: int) -> bytes:
        return b"".join(
            self._piece(min(SOURCE_PIECE_BYTES, nr_bytes - start))
            for start in range(0, nr_bytes, SOURCE_PIECE_BYTES)
        )

    def close(self) -> None:
        self._device.close()
        self._system.close()

    def _piece(self, nr_bytes: int) -> bytes:
        return xor(self._device.read(nr_bytes), self._system.read(nr_bytes))


def open_source(
    path: Path | None = None, *, raw: bool = False, min_entropy_bits: float = DEFAULT_MIN_ENTROPY_BITS
) -> Source:
    """The source that an operator asked for: the system's generator, or `path` XOR the system's.

    `raw` leaves the system's out. Raises ConfigurationError (the path, `min_entropy_bits`, or a file
    asked for raw), EntropyError (the start-up test).
    """
    if path is None:
        if raw:
            raise ConfigurationError("raw bytes are those of a device; name its path")
        return SystemSource()
    device = DeviceSource(path, min_entropy_bits)
    if not raw:
        return MixedSource(device, SystemSource())
    if device.reads_the_same_again:
        device.close()
        raise ConfigurationError(
            f"{path}: a file read twice would give two pools the same pads; leave out raw, and it is mixed "
            "with the system's generator"
        )
    return device
