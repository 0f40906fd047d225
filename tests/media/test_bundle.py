"""Bundles come back as they were written, and nothing that was altered is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsked.media import header as headers
from dsked.media import manifest, seal
from dsked.media.header import BundleError, Header, Seal
from dsked.psrd.pair import Side
from dsked.storage.files import Files
from dsked.storage.records import Delivery, PairRecord, StreamRecord

from .bundles import FIRST_BYTES, MIB, block_bytes, delivery, header_of, read, write

Refused = Callable[[bytes], str]
BOTH = pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])


def record_after(brings: Delivery) -> PairRecord:
    streams = [
        StreamRecord(number, blocks[-1].end, blocks[-1].sequence + 1, blocks)
        for number, blocks in enumerate((brings.client_blocks, brings.hub_blocks))
    ]
    return PairRecord(brings.terms, *streams, (brings.bundle,))


@pytest.fixture(scope="module")
def going_on() -> Delivery:
    """Small: the second bundle of a pair, two blocks for each pool."""
    return delivery(label="second", size=5000, block=4100, record=record_after(delivery()))


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "sealed"])
def original(
    request: pytest.FixtureRequest, going_on: Delivery, tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    path = tmp_path_factory.mktemp("bundle") / "one.psrd"
    write(path, going_on, header_of(going_on, request.param))
    return path.read_bytes()


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """Asserts that altered bytes are refused, and gives the reason."""

    def check(raw: bytes) -> str:
        path = tmp_path / "altered.psrd"
        path.write_bytes(raw)
        with pytest.raises(BundleError) as told:
            read(path)
        assert str(told.value).startswith(f"{path}: ")
        return str(told.value).removeprefix(f"{path}: ")

    return check


@BOTH
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 3 * MIB), block=st.sampled_from([4096, 4097, 65_536, MIB, MIB + 1, 8 * MIB]))
def test_what_was_written_is_read(tmp_path: Path, sealed: bool, size: int, block: int) -> None:
    brings = delivery(size=size, block=max(block, size // 50), record=record_after(delivery()))
    path = tmp_path / f"{size}-{block}.psrd"
    path.unlink(missing_ok=True)
    write(path, brings, header_of(brings, sealed))
    assert read(path) == (brings, block_bytes(brings))


@BOTH
def test_a_first_bundle(tmp_path: Path, sealed: bool) -> None:
    brings = delivery()
    write(tmp_path / "first.psrd", brings, header_of(brings, sealed))
    assert read(tmp_path / "first.psrd") == (brings, block_bytes(brings))
    assert brings.terms.window == FIRST_BYTES // 64
    assert manifest.pool_bytes(brings, Side.HUB) == FIRST_BYTES


def test_a_seal_shows_nothing_of_the_body(tmp_path: Path) -> None:
    brings = delivery()
    path = tmp_path / "first.psrd"
    write(path, brings, header_of(brings, sealed=True))
    raw, data = path.read_bytes(), block_bytes(brings)
    assert brings.terms.gate_key not in raw
    assert not any(data[at : at + 16] in raw for at in range(0, len(data) - 16, 4096))


def test_every_byte_altered_is_noticed(original: bytes, going_on: Delivery, refused: Refused) -> None:
    """All of header, manifest and digests; every 97th byte of blocks and checksums."""
    header_bytes = len(headers.encode(header_of(going_on, sealed=original.find(b"scrypt") >= 0)))
    front = header_bytes + 4 + len(manifest.encode(going_on)) + 32
    sealed = b"scrypt" in original[:header_bytes]
    for at in [
        *range(front),
        *range(front, len(original) - 48, 97),
        *range(len(original) - 48, len(original)),
    ]:
        altered = bytearray(original)
        altered[at] ^= 1 << at % 8
        reason = refused(bytes(altered))
        if at < 8:
            assert reason == "no bundle of PSRD"
        elif 8 <= at < 12:
            assert "a bundle of version" in reason
        elif at < header_bytes:
            assert "damaged" in reason or "truncated" in reason
        else:
            assert ("wrong passphrase, or" if sealed else "damaged") in reason


def test_cut_anywhere_it_is_refused(original: bytes, refused: Refused) -> None:
    for length in [*range(0, 300, 7), *range(300, len(original), 1999), len(original) - 1]:
        reason = refused(original[:length])
        assert ("truncated" in reason) if length else (reason == "no bundle of PSRD")


def test_nothing_may_follow(original: bytes, refused: Refused) -> None:
    assert "is no bundle" in refused(original + b"\0")
    assert "truncated" in refused(original + b"DSKEPSRD")


def lengthened(raw: bytes, body: bytes) -> bytes:
    """The same header with another body, told truly."""
    head_bytes = 24 + int.from_bytes(raw[12:16], "big")
    head = raw[:16] + len(body).to_bytes(8, "big") + raw[24:head_bytes]
    return head + sha256(head).digest()[:16] + body


def test_a_body_of_another_length_is_refused_although_the_header_tells_it(
    original: bytes, refused: Refused
) -> None:
    body = original[24 + int.from_bytes(original[12:16], "big") + 16 :]
    for other in (body + b"\0", body[:-1], body[:100], b"", body[:1], body + body):
        assert "damaged" in refused(lengthened(original, other))


class TestSealedChunks:
    """Small chunks: many of them in a small bundle."""

    @pytest.fixture
    def chunks(self, tmp_path: Path, going_on: Delivery) -> tuple[bytes, list[bytes]]:
        sealed = replace(header_of(going_on, sealed=True), seal=Seal(b"salt" * 4, chunk_bytes=4096))
        header = sealed.for_plain(manifest.plain_bytes(going_on))
        write(tmp_path / "chunks.psrd", going_on, header)
        raw = (tmp_path / "chunks.psrd").read_bytes()
        assert read(tmp_path / "chunks.psrd") == (going_on, block_bytes(going_on))
        head = headers.encode(header)
        body = raw[len(head) :]
        return head, [body[at : at + 4112] for at in range(0, len(body), 4112)]

    def test_swapped(self, chunks: tuple[bytes, list[bytes]], refused: Refused) -> None:
        head, parts = chunks
        for one in range(len(parts) - 2):
            moved = [*parts]
            moved[one], moved[one + 1] = moved[one + 1], moved[one]
            assert "damaged" in refused(head + b"".join(moved))

    def test_left_out_repeated_or_cut_between_chunks(
        self, chunks: tuple[bytes, list[bytes]], refused: Refused
    ) -> None:
        head, parts = chunks
        for altered in (parts[:-1], [*parts, parts[-1]], parts[1:], [*parts[:1], *parts]):
            assert "damaged" in refused(lengthened(head, b"".join(altered)))

    def test_of_another_bundle_under_the_same_key(
        self, chunks: tuple[bytes, list[bytes]], going_on: Delivery, tmp_path: Path, refused
    ) -> None:
        head, parts = chunks
        other = delivery(label="other", size=5000, block=4100, record=record_after(delivery()))
        header = replace(header_of(other, sealed=True), seal=Seal(b"salt" * 4, chunk_bytes=4096))
        write(tmp_path / "other.psrd", other, header.for_plain(manifest.plain_bytes(other)))
        foreign = (tmp_path / "other.psrd").read_bytes()[len(head) :]
        assert len(foreign) == sum(map(len, parts))
        for number, part in enumerate(parts):
            mixed = [*parts]
            mixed[number] = foreign[4112 * number :][: len(part)]
            assert "damaged" in refused(head + b"".join(mixed))


def test_blocks_of_another_bundle_with_their_checksums_are_noticed(tmp_path: Path, refused: Refused) -> None:
    """Without a seal checksums can be made to fit: the last digest tells."""
    first = delivery(label="second", size=4096, record=record_after(delivery()))
    write(tmp_path / "plain.psrd", first, header_of(first))
    raw = bytearray((tmp_path / "plain.psrd").read_bytes())
    start = len(raw) - 32 - 2 * (4096 + 16)
    one, two = raw[start : start + 4112], raw[start + 4112 : start + 8224]
    raw[start : start + 8224] = two + one
    assert "moved" in refused(bytes(raw))


def test_a_wrong_passphrase(tmp_path: Path, going_on: Delivery) -> None:
    write(tmp_path / "sealed.psrd", going_on, header_of(going_on, sealed=True))
    with pytest.raises(BundleError, match="wrong passphrase, or"):
        read(tmp_path / "sealed.psrd", "incorrect horse battery")


def test_a_passphrase_is_the_same_however_its_accents_are_typed() -> None:
    own = Seal(b"salt" * 4)
    assert seal.derive_key("caf\u00e9 au lait", own) == seal.derive_key("cafe\u0301 au lait", own)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (Seal(b"s" * 16, log2_n=30), "N = 2\\^30"),
        (Seal(b"s" * 16, log2_n=2**31), "N = 2\\^2147483648"),
        (Seal(b"s" * 16, log2_n=14), "N = 2\\^14"),
        (Seal(b"s" * 16, r=2**20), "r = 1048576"),
        (Seal(b"s" * 16, p=17), "p = 17"),
        (Seal(b"s" * 16, p=2), "p = 2"),
        (Seal(b"s" * 15), "salt of 16"),
        (Seal(b"s" * 16, chunk_bytes=MIB + 1), "chunks of 1048577"),
        (Seal(b"s" * 16, chunk_bytes=4095), "chunks of 4095"),
        (Seal(b"s" * 16, chunk_bytes=0), "chunks of 0"),
    ],
)
def test_seals_beyond_the_limits_cost_nothing(
    own: Seal, told: str, going_on: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def derive(*_: object, **__: object) -> bytes:
        raise AssertionError("a key was derived")

    monkeypatch.setattr(seal, "derive_key", derive)
    with pytest.raises(BundleError, match=told):
        headers.check_seal(replace(header_of(going_on), seal=own))


def _header(files: Files, path: Path, raw: bytes) -> Header:
    path.write_bytes(raw)
    file = files.open(path)
    try:
        return headers.read(files, file)
    finally:
        files.close(file)


def with_fields(fields: bytes, body: bytes = b"") -> bytes:
    head = b"DSKEPSRD" + (1).to_bytes(4, "big") + len(fields).to_bytes(4, "big")
    head += len(body).to_bytes(8, "big") + fields
    return head + sha256(head).digest()[:16] + body


@pytest.mark.parametrize(
    "name", ["", "../carol", "carol/x", "ca\nrol", "\x1b[2J", "c" * 65, ".carol", "ca rol", "\u00e9va"]
)
def test_names_that_no_node_can_have_never_become_file_names(name: str, tmp_path: Path) -> None:
    raw = with_fields(msgpack.packb([b"u" * 16, "hank", name, None]))
    with pytest.raises(BundleError, match="the header is damaged"):
        _header(Files(), tmp_path / "names.psrd", raw)


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"\xc0",
        b"\x94",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 1000,
        bytes.fromhex("94c4") + b"\x10" + b"u" * 16 + b"\xa4hank\xa5carol",
        # one more field; the name in a longer encoding than it needs
        bytes.fromhex("95c410") + b"u" * 16 + b"\xa4hank\xa5carol\xc0\xc0",
        bytes.fromhex("94c410") + b"u" * 16 + b"\xd9\x04hank\xa5carol\xc0",
        bytes.fromhex("94c40f") + b"u" * 15 + b"\xa4hank\xa5carol\xc0",
        bytes.fromhex("94c410") + b"u" * 16 + b"\xa4ha\xff\xff\xa5carol\xc0",
    ],
)
def test_fields_that_are_none(fields: bytes, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="the header is damaged"):
        _header(Files(), tmp_path / "fields.psrd", with_fields(fields))


def test_an_unknown_cipher_is_named(tmp_path: Path) -> None:
    seal_fields = ["AES-256-GCM", "scrypt", b"s" * 16, 15, 8, 3, MIB]
    with pytest.raises(BundleError, match="'AES-256-GCM' and 'scrypt', which this version does not know"):
        _header(
            Files(),
            tmp_path / "cipher.psrd",
            with_fields(msgpack.packb([b"u" * 16, "hank", "carol", seal_fields])),
        )
