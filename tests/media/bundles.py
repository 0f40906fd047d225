"""Bundles for the tests: small ones in memory of a file, and nodes whose state is a directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from dsked.media import header as headers
from dsked.media import manifest, medium, seal
from dsked.media.bundle import BundleReader, BundleWriter
from dsked.media.header import Header, Seal
from dsked.media.planning import Order, plan
from dsked.storage.files import Files
from dsked.storage.records import Delivery, PairRecord

MIB = 1024 * 1024
FIRST_BYTES = MIB + 4097  # of each pool: two groups, the second of a whole chunk and a byte
PASSPHRASE = "correct horse battery"


def randomness(label: str) -> Callable[[int], bytes]:
    """Fixed bytes: the n-th call gives others than the one before."""
    numbers = iter(range(1 << 30))
    return lambda length: hashlib.shake_256(f"{label} {next(numbers)}".encode()).digest(length)


def delivery(
    client: str = "carol",
    hub: str = "hank",
    *,
    label: str = "bundle",
    size: int = FIRST_BYTES,
    block: int = 4 * MIB,
    record: PairRecord | None = None,
) -> Delivery:
    order = Order(client=client, size_bytes=size, block_bytes=block)
    return plan(order, hub, 1, record, randomness(label))


def header_of(brings: Delivery, sealed: bool = False, salt: bytes = b"salt" * 4) -> Header:
    empty = Header(brings.bundle, brings.terms.hub, brings.terms.client, Seal(salt) if sealed else None, 0)
    return empty.for_plain(manifest.plain_bytes(brings))


@cache
def _derived(passphrase: str, own: Seal) -> bytes:
    """A derivation takes a quarter of a second, and the tests open hundreds of bundles."""
    return seal.derive_key(passphrase, own)


def key_of(header: Header, passphrase: str = PASSPHRASE) -> bytes | None:
    return _derived(passphrase, header.seal) if header.seal else None


def block_bytes(brings: Delivery) -> bytes:
    """All bytes of all blocks, in order; no two places alike."""
    total = sum(info.size for _, info in manifest.blocks_in_order(brings))
    return hashlib.shake_256(brings.bundle).digest(total)


def write(path: Path, brings: Delivery, header: Header) -> None:
    """The bundle at the end of a file."""
    files = Files()
    file = files.open(path, write=True) if path.exists() else files.create(path)
    at = files.size(file)
    writer = BundleWriter(files, file, at, header, brings, key_of(header))
    data, start = block_bytes(brings), 0
    for _, info in manifest.blocks_in_order(brings):
        for length in manifest.group_lengths(info.size):
            writer.write_group(data[start : start + length])
            start += length
    writer.finish()
    assert files.size(file) == at + header.total_bytes
    files.close(file)


def read(path: Path, passphrase: str = PASSPHRASE) -> tuple[Delivery, bytes]:
    """What the only bundle of a file brings, and its blocks' bytes."""
    files = Files()
    with medium.opened(files, path) as file:
        [placed] = medium.scan(files, file)
        headers.check_seal(placed.header)
        reader = BundleReader(files, file, placed.at, placed.header, key_of(placed.header, passphrase))
        pieces: Iterable[bytes] = [
            data for _, info in manifest.blocks_in_order(reader.delivery) for data, _ in reader.groups(info)
        ]
        reader.finish()
    return reader.delivery, b"".join(pieces)


def nothing(length: int) -> None:
    """Nobody watches the progress."""
