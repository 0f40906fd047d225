from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import SupportsIndex

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsked.entropy.health import STARTUP_SAMPLES, repetition_cutoff
from dsked.entropy.sources import DeviceSource, MixedSource, Source, SystemSource, open_source
from dsked.errors import ConfigurationError, EntropyError
from dsked.limits import DEFAULT_MIN_ENTROPY_BITS, SOURCE_PIECE_BYTES
from tests.entropy.test_health import noise
from tests.entropy.test_reader import is_open, threads_of

RUN = repetition_cutoff(DEFAULT_MIN_ENTROPY_BITS)


class Known(Source):
    """Gives known bytes, and tells what was asked of it; `fails_at`: from that byte on it fails."""

    def __init__(self, content: bytes, fails_at: int | None = None, caution: str = "") -> None:
        self.name = "known"
        self.caution = caution
        self.at = 0
        self.closed = False
        self._content = content
        self._fails_at = fails_at

    def read(self, nr_bytes: int) -> bytes:
        if self._fails_at is not None and self.at + nr_bytes > self._fails_at:
            raise EntropyError("known: broken")
        self.at += nr_bytes
        return self._content[self.at - nr_bytes : self.at]

    def close(self) -> None:
        self.closed = True


def a_file(directory: Path, content: bytes) -> Path:
    path = directory / "numbers"
    path.write_bytes(content)
    return path


# --- the system's generator ---


def test_the_system_gives_so_many_and_never_the_same() -> None:
    with SystemSource() as source:
        for nr_bytes in (0, 1, 100_000):
            assert len(source.read(nr_bytes)) == nr_bytes
        assert source.read(32) != source.read(32)
        assert (source.name, source.caution) == ("the system's generator", "")


# --- a device ---


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 40_000), max_size=5))
def test_a_device_gives_every_byte_once_and_in_order(tmp_path: Path, sizes: list[int]) -> None:
    """The bytes of the start-up test too: it takes none away."""
    content = noise(200_000)
    with DeviceSource(a_file(tmp_path, content)) as source:
        assert b"".join(source.read(size) for size in sizes) == content[: sum(sizes)]


def test_all_of_a_file_can_be_used_and_not_a_byte_more(tmp_path: Path) -> None:
    path = a_file(tmp_path, noise(5000))
    with DeviceSource(path) as source:
        assert source.read(5000) == noise(5000)
        for _ in range(2):
            with pytest.raises(EntropyError, match="ended, 1 bytes short of what is needed; 5000 bytes had"):
                source.read(1)


def test_after_an_end_nothing_more_is_given_though_bytes_are_left(tmp_path: Path) -> None:
    with DeviceSource(a_file(tmp_path, noise(5000))) as source:
        with pytest.raises(EntropyError, match="1 bytes short"):
            source.read(5001)
        with pytest.raises(EntropyError, match="1 bytes short"):
            source.read(1)


@pytest.mark.parametrize("nr_bytes", [0, 1, STARTUP_SAMPLES - 1])
def test_too_little_for_the_start_up_test(tmp_path: Path, nr_bytes: int) -> None:
    path = a_file(tmp_path, noise(nr_bytes))
    with pytest.raises(
        EntropyError, match=f"{STARTUP_SAMPLES - nr_bytes} bytes short .* {nr_bytes} bytes had"
    ):
        DeviceSource(path)
    assert not is_open(path)
    assert not threads_of(path)


@pytest.mark.parametrize("start", [0, 1, STARTUP_SAMPLES - RUN])
def test_a_device_that_fails_the_start_up_test_never_opens(tmp_path: Path, start: int) -> None:
    content = bytearray(noise(4096))
    content[start : start + RUN] = bytes(RUN)
    path = a_file(tmp_path, bytes(content))
    with pytest.raises(EntropyError, match=f"^{path}: repetition count test .* stopped, have the device"):
        DeviceSource(path)
    assert not is_open(path)


@pytest.mark.parametrize("read_bytes", [7, 64, 1000, 4096, 50_000])
@pytest.mark.parametrize("start", [STARTUP_SAMPLES - RUN + 1, STARTUP_SAMPLES, 30_000, 99_000])
def test_what_sticks_later_is_noticed_in_the_read_that_meets_it(
    tmp_path: Path, start: int, read_bytes: int
) -> None:
    """The stuck bytes end within a read or over several; those after them are sound again."""
    content = bytearray(noise(150_000))
    content[start : start + RUN] = bytes([content[start - 1] ^ 1]) * RUN
    content[start + RUN] = content[start] ^ 2
    given = 0
    with DeviceSource(a_file(tmp_path, bytes(content))) as source:
        with pytest.raises(EntropyError, match="repetition count test"):
            while True:
                assert source.read(read_bytes) == content[given : given + read_bytes]
                given += read_bytes
        last = start + RUN - 1
        assert max(given, STARTUP_SAMPLES) <= last < max(given + read_bytes, STARTUP_SAMPLES + read_bytes)
        with pytest.raises(EntropyError, match="repetition count test"):
            source.read(1)


def test_a_bias_over_many_small_reads_is_noticed(tmp_path: Path) -> None:
    """One value in five, never twice in a row: no read of 64 bytes is enough to tell."""
    content = bytearray(noise(20_000))
    content[10_240::5] = bytes([9]) * len(content[10_240::5])
    with DeviceSource(a_file(tmp_path, bytes(content))) as source:
        source.read(10_240)
        with pytest.raises(EntropyError, match="adaptive proportion test"):
            for _ in range(16):
                source.read(64)


def test_a_lower_min_entropy_lets_more_pass(tmp_path: Path) -> None:
    content = bytearray(noise(4096))
    content[2000 : 2000 + RUN] = bytes(RUN)
    path = a_file(tmp_path, bytes(content))
    with DeviceSource(path, min_entropy_bits=2.0) as source:
        assert source.read(4096) == content


def test_a_fifo_of_a_generator(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    content = noise(100_000)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    with DeviceSource(path) as source:
        assert source.caution == ""
        assert source.read(300) + source.read(99_700) == content
    writer.join()


def test_a_device_that_stalls_stays_stopped(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    os.write(writer, noise(2000))
    source = DeviceSource(path)
    assert source.read(1500) + source.read(500) == noise(2000)
    source._reader._stall_s = 0.05  # not before: a busy machine's reader may take so long for what is there
    with pytest.raises(EntropyError, match=r"gives nothing for 0\.05 s; 2000 bytes had come"):
        source.read(1)
    os.write(writer, noise(2000))
    with pytest.raises(EntropyError, match="gives nothing"):
        source.read(1)
    source.close()
    os.close(writer)


def test_what_is_closed_gives_nothing(tmp_path: Path) -> None:
    path = a_file(tmp_path, noise(5000))
    with DeviceSource(path) as source:
        source.read(10)
    assert not is_open(path)
    with pytest.raises(EntropyError, match="numbers: closed"):
        source.read(1)


class Witness(bytearray):
    """Remembers what it held when it was told to let go."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.seen: list[bytes] = []

    def __delitem__(self, key: SupportsIndex | slice) -> None:
        self.seen.append(bytes(self))
        super().__delitem__(key)


def test_bytes_that_are_held_are_wiped_when_they_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = noise(5000)
    source = DeviceSource(a_file(tmp_path, content))
    held = Witness(content[:STARTUP_SAMPLES])
    monkeypatch.setattr(source, "_held", held)
    assert source.read(100) == content[:100]
    source.close()
    assert held.seen == [bytes(100) + content[100:STARTUP_SAMPLES], bytes(STARTUP_SAMPLES - 100)]


# --- the mixture ---


@pytest.mark.parametrize("nr_bytes", [0, 1, SOURCE_PIECE_BYTES - 1, SOURCE_PIECE_BYTES + 1, 100_000])
def test_a_mixture_is_the_xor_of_both(nr_bytes: int) -> None:
    one, other = noise(200_000, 1), noise(200_000, 2)
    sources = Known(one), Known(other)
    with MixedSource(*sources) as source:
        mixed = source.read(nr_bytes) + source.read(7)
    assert mixed == bytes(a ^ b for a, b in zip(one, other, strict=True))[: nr_bytes + 7]
    assert [part.at for part in sources] == [nr_bytes + 7] * 2
    assert all(part.closed for part in sources)


@pytest.mark.parametrize("fails_at", [0, SOURCE_PIECE_BYTES + 5])
@pytest.mark.parametrize("broken", [0, 1])
def test_a_mixture_fails_with_either(fails_at: int, broken: int) -> None:
    """Never half a mixture: what had been mixed is not given."""
    parts = [Known(noise(100_000), fails_at if part == broken else None) for part in range(2)]
    with MixedSource(*parts) as source, pytest.raises(EntropyError, match="known: broken"):
        source.read(50_000)


def test_the_tests_see_the_raw_bytes(tmp_path: Path) -> None:
    """In the mixture a stuck device would look sound."""
    content = noise(50_000) + bytes(50_000)
    with open_source(a_file(tmp_path, content)) as source:
        source.read(50_000)
        with pytest.raises(EntropyError, match="repetition count test"):
            source.read(50_000)


def test_a_file_read_twice_is_mixed_to_different_bytes(tmp_path: Path) -> None:
    path = a_file(tmp_path, noise(5000))
    outputs = []
    for _ in range(2):
        with open_source(path) as source:
            outputs.append(source.read(5000))
    assert outputs[0] != outputs[1]
    assert noise(5000) not in outputs


# --- what an operator asks for ---


def test_the_system_is_the_default() -> None:
    with open_source() as source:
        assert isinstance(source, SystemSource)


def test_a_path_is_mixed_and_a_file_comes_with_a_caution(tmp_path: Path) -> None:
    path = a_file(tmp_path, noise(5000))
    with open_source(path) as source:
        assert isinstance(source, MixedSource)
        assert source.name == f"{path} XOR the system's generator"
        assert source.caution.startswith(f"{path}: bytes that can be read again; never")
    with open_source(Path("/dev/urandom")) as source:
        assert source.caution == ""


def test_a_device_as_it_is() -> None:
    with open_source(Path("/dev/urandom"), raw=True) as source:
        assert isinstance(source, DeviceSource)
        assert source.name == "/dev/urandom"
        assert len(source.read(70_000)) == 70_000


def test_a_file_as_it_is_would_give_the_same_pads_twice(tmp_path: Path) -> None:
    path = a_file(tmp_path, noise(5000))
    with pytest.raises(ConfigurationError, match="a file read twice would give two pools the same pads"):
        open_source(path, raw=True)
    assert not is_open(path)


def test_raw_needs_a_device() -> None:
    with pytest.raises(ConfigurationError, match="name its path"):
        open_source(raw=True)


def test_the_assessed_min_entropy_reaches_the_tests(tmp_path: Path) -> None:
    content = bytearray(noise(5000))
    content[500 : 500 + RUN] = bytes(RUN)
    path = a_file(tmp_path, bytes(content))
    with open_source(path, min_entropy_bits=2.0) as source:
        source.read(5000)
    with pytest.raises(EntropyError, match="repetition count"):
        open_source(path)
    with pytest.raises(ConfigurationError, match="9 bits per byte"):
        open_source(path, min_entropy_bits=9)
