"""One-time tags and the gate's MAC, held to published vectors."""

from __future__ import annotations

import pytest

from dsked.auth import poly1305
from dsked.auth.tags import (
    gate_mac,
    long_one_time_tag,
    one_time_tag,
    verify_gate_mac,
    verify_long_one_time_tag,
    verify_one_time_tag,
)
from dsked.errors import TagError

#: RFC 8439, section 2.5.2.
KEY = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
TEXT = b"Cryptographic Forum Research Group"
TAG = bytes.fromhex("a8061dc1305136c6c22b8baf0c0127a9")


def _flips(data: bytes) -> list[bytes]:
    """`data` with every single bit flipped in turn."""
    return [
        data[: bit // 8] + bytes((data[bit // 8] ^ 1 << bit % 8,)) + data[bit // 8 + 1 :]
        for bit in range(8 * len(data))
    ]


def _poly1305(key: bytes, data: bytes) -> bytes:
    """RFC 8439, section 2.5.1, with Python's integers."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for start in range(0, len(data), 16):
        total = (total + int.from_bytes(data[start : start + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


LIBRARIES = {"openssl": (poly1305.openssl_tag, poly1305.openssl_holds), "sodium": poly1305.load_sodium()}


@pytest.fixture(params=LIBRARIES, autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test of this file runs with each of the two libraries for short data."""
    functions = LIBRARIES[request.param]
    if functions is None:
        pytest.skip("the system has no libsodium")
    monkeypatch.setattr(poly1305, "short_tag", functions[0])
    monkeypatch.setattr(poly1305, "short_holds", functions[1])
    return str(request.param)


def test_published_poly1305_vector() -> None:
    assert one_time_tag(KEY, TEXT) == TAG == _poly1305(KEY, TEXT)
    verify_one_time_tag(KEY, TEXT, TAG)


@pytest.mark.parametrize("cuts", [(0, 0), (1, 1), (16, 33), (5, 34)], ids=str)
def test_a_tag_over_parts_is_the_tag_of_what_they_make(cuts: tuple[int, int]) -> None:
    parts = [TEXT[: cuts[0]], memoryview(TEXT)[cuts[0] : cuts[1]], TEXT[cuts[1] :]]
    assert long_one_time_tag(KEY, *parts) == TAG
    verify_long_one_time_tag(KEY, parts, TAG)
    for wrong in (*_flips(TAG), TAG[:-1], TAG + b"\0", b""):
        with pytest.raises(TagError):
            verify_long_one_time_tag(KEY, parts, wrong)
    with pytest.raises(TagError):
        verify_long_one_time_tag(KEY, [*parts, b"\0"], TAG)


@pytest.mark.parametrize("size", [poly1305.MAX_SODIUM_BYTES + more for more in (-1, 0, 1)])
def test_both_libraries_agree_where_one_takes_over_from_the_other(size: int) -> None:
    data = bytes(range(251)) * 17 + bytes(poly1305.MAX_SODIUM_BYTES)
    tag = one_time_tag(KEY, data[:size])
    assert tag == _poly1305(KEY, data[:size])
    verify_one_time_tag(KEY, data[:size], tag)
    with pytest.raises(TagError):
        verify_one_time_tag(KEY, data[: size - 1], tag)


def test_without_libsodium_openssl_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poly1305, "LIBRARIES", ("libno-such-library.so.1", "libc.so.6"))
    assert poly1305.load_sodium() is None


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 63, 64, 1000])
def test_tags_agree_with_integers(size: int) -> None:
    data = bytes(range(256))[:size] * 1 if size < 256 else bytes(size)
    assert one_time_tag(KEY, data) == _poly1305(KEY, data)


def test_every_flipped_bit_of_text_or_tag_is_refused() -> None:
    changed = [(text, TAG) for text in _flips(TEXT)] + [(TEXT, tag) for tag in _flips(TAG)]
    changed += [(TEXT[:-1], TAG), (TEXT + b"\0", TAG), (TEXT, TAG[:-1]), (TEXT, TAG + b"\0"), (TEXT, b"")]
    for text, tag in changed:
        with pytest.raises(TagError):
            verify_one_time_tag(KEY, text, tag)


def test_a_key_of_another_length_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        one_time_tag(KEY[:31], TEXT)
    with pytest.raises(AssertionError):
        verify_one_time_tag(KEY + b"\0", TEXT, TAG)


def test_gate_mac_is_hmac_sha256_over_label_and_transcript() -> None:
    """RFC 4231, test case 1."""
    mac = bytes.fromhex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    assert gate_mac(b"\x0b" * 20, b"Hi ", b"There") == mac
    verify_gate_mac(b"\x0b" * 20, b"Hi ", b"There", mac)


def test_a_wrong_gate_mac_is_refused() -> None:
    mac = gate_mac(bytes(32), b"M1", b"transcript")
    for key, label, transcript, given in (
        (bytes(31) + b"\1", b"M1", b"transcript", mac),
        (bytes(32), b"M2", b"transcript", mac),
        (bytes(32), b"M1", b"transcripu", mac),
        (bytes(32), b"M1", b"transcript", mac[:-1]),
        (bytes(32), b"M1", b"transcript", b""),
        *((bytes(32), b"M1", b"transcript", flipped) for flipped in _flips(mac)),
    ):
        with pytest.raises(TagError):
            verify_gate_mac(key, label, transcript, given)
