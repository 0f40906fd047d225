"""Bundles against the vectors: dsked's reader and writer, and the independent reader."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from decoding import bundles as independent_bundles

from dsked import limits
from dsked.media import header as headers
from dsked.media import manifest, medium, seal
from dsked.media.bundle import BundleWriter
from dsked.media.header import BundleError
from dsked.media.importing import only_bundle, open_bundle
from dsked.storage import block_file
from dsked.storage.files import Files
from tests.proto.files import PROTO, cases, load, octets

PASSPHRASE: str = load("bundles")["passphrase"]


def data_of(vector: dict[str, Any]) -> list[bytes]:
    """The bytes of a vector's blocks."""
    blocks = octets(vector["manifest"])[6]
    return [hashlib.shake_256(uuid).digest(size) for _, _, uuid, _, size in blocks]


def file_of(vector: dict[str, Any], path: Path) -> bytes:
    """A vector's file, put together by dsked."""
    fields = octets(vector["manifest"])
    found = octets(vector["seal"])
    header = headers.Header(
        bytes.fromhex(vector["bundle"]),
        vector["hub"],
        vector["client"],
        headers.Seal(*found[2:]) if found else None,
        0,
    )
    delivery = manifest.decode(msgpack_of(fields), header)
    header = header.for_plain(manifest.plain_bytes(delivery))
    files = Files()
    file = files.create(path)
    key = seal.derive_key(PASSPHRASE, header.seal) if header.seal else None
    writer = BundleWriter(files, file, 0, header, delivery, key)
    for data in data_of(vector):
        at = 0
        for length in manifest.group_lengths(len(data)):
            writer.write_group(data[at : at + length])
            at += length
    writer.finish()
    files.close(file)
    return path.read_bytes()


def msgpack_of(fields: list[Any]) -> bytes:
    return msgspec.msgpack.encode(fields)


def read(path: Path) -> tuple[headers.Header, list[Any], list[bytes]]:
    """Header, manifest and blocks, as dsked reads them."""
    files = Files()
    with medium.opened(files, path) as file:
        header = only_bundle(files, file)
        reader = open_bundle(files, file, 0, header, lambda header: PASSPHRASE)
        blocks = [
            b"".join(data for data, _ in reader.groups(info))
            for _, info in manifest.blocks_in_order(reader.delivery)
        ]
        reader.finish()
    return header, msgspec.msgpack.decode(manifest.encode(reader.delivery)), blocks


@pytest.mark.parametrize("vector", **cases("bundles", "bundles"))
def test_written_and_read(vector: dict[str, Any], tmp_path: Path) -> None:
    raw = file_of(vector, tmp_path / "made.psrd")
    assert (len(raw), hashlib.sha256(raw).hexdigest()) == (vector["length"], vector["sha256"])
    assert vector["file"] in (None, raw.hex())
    header, fields, blocks = read(tmp_path / "made.psrd")
    assert (header.bundle.hex(), header.hub, header.client) == (
        vector["bundle"],
        vector["hub"],
        vector["client"],
    )
    assert fields == octets(vector["manifest"])
    assert blocks == data_of(vector)


@pytest.mark.parametrize("vector", **cases("bundles", "bundles"))
def test_the_independent_reader_reads_what_dsked_writes(vector: dict[str, Any], tmp_path: Path) -> None:
    found = independent_bundles.read(file_of(vector, tmp_path / "made.psrd"), PASSPHRASE)
    assert found == (
        bytes.fromhex(vector["bundle"]),
        vector["hub"],
        vector["client"],
        octets(vector["seal"]),
        octets(vector["manifest"]),
        data_of(vector),
    )


def altered(case: dict[str, Any]) -> bytes:
    [original] = [one["file"] for one in load("bundles")["bundles"] if one["name"] == case["of"]]
    raw = bytes.fromhex(original)
    for at, text in case["patches"]:
        data = bytes.fromhex(text)
        raw = raw[:at] + data + raw[at + len(data) :]
    assert raw[: case["length"]].hex() != original
    return raw[: case["length"]]


@pytest.mark.parametrize("case", **cases("bundles", "refused"))
def test_refused(case: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "altered.psrd").write_bytes(altered(case))
    with pytest.raises(BundleError):
        read(tmp_path / "altered.psrd")


def test_the_numbers_of_the_specification() -> None:
    text = (PROTO / "bundles.md").read_text(encoding="utf-8")
    told = {int(number) for number in re.findall(r"\d{2,}", text)}
    meant = {
        limits.MAX_BUNDLE_FIELDS_BYTES,
        limits.MAX_MANIFEST_BYTES,
        limits.MAX_BLOCKS_PER_BUNDLE,
        limits.MAX_BLOCK_BYTES,
        limits.MIN_FIRST_BUNDLE_BYTES,
        limits.SEAL_CHUNK_BYTES,
        limits.MIN_SEAL_CHUNK_BYTES,
        manifest.GROUP_BYTES,
        block_file.CHUNK_BYTES,
        limits.WINDOW_MIN_BYTES,
    }
    assert meant <= told
    row = rf"{limits.SCRYPT_LOG2_N} \| {limits.SCRYPT_LOG2_N} to {limits.MAX_SCRYPT_LOG2_N}"
    assert re.search(row, text)
    assert re.search(rf"{limits.SCRYPT_P} \| {limits.SCRYPT_P} to {limits.MAX_SCRYPT_P}", text)
    assert f"version: {headers.VERSION}" in text
    assert headers.MAGIC.decode() in text
