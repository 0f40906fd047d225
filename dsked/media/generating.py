"""`psrd generate`: a hub prepares blocks, for a bundle to carry away and for its own pools.

The order makes it safe to be cut off anywhere: the bundle is complete under a partial name and the hub's
copy is staged, both durable; then the hub adopts; then the bundle gets its name. `settle` finishes what
was cut off: a bundle that the hub has adopted is good, any other never was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dsked import limits
from dsked.errors import RequestError, StorageError
from dsked.media import header as headers
from dsked.media import manifest, medium, node, seal, splitting
from dsked.media.bundle import BundleWriter
from dsked.media.header import BundleError, Header, Seal
from dsked.media.medium import Advance, Placed
from dsked.media.node import Adopt, new_block
from dsked.media.planning import Order, Random, plan
from dsked.storage import block_file
from dsked.storage.files import Files, OpenFile
from dsked.storage.open_blocks import block_path
from dsked.storage.records import Delivery, write_delivery
from dsked.storage.state_dir import StateDirectory


class Source(Protocol):
    """Where the bytes of blocks come from."""

    def read(self, nr_bytes: int, /) -> bytes:
        """Exactly so many. Raises EntropyError."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A bundle that will be: what it brings, its header, and the key of its seal."""

    delivery: Delivery
    header: Header
    key: bytes | None = field(repr=False)


def plan_bundles(
    state: StateDirectory, x: int, orders: Sequence[Order], passphrases: Mapping[str, str], random: Random
) -> list[Planned]:
    """What will be made; `passphrases` by client, for those bundles that shall be sealed.

    Raises RequestError, StorageError.
    """
    planned = []
    for order in orders:
        if order.new_streams:
            record, replaces = node.record_to_replace(state, order.client)
        else:
            record, replaces = node.record(state, order.client), False
        delivery = plan(order, state.name, x, record, random, replaces=replaces)
        node.check(state, delivery, None)
        passphrase = passphrases.get(order.client)
        own_seal = Seal(random(limits.SEAL_SALT_BYTES)) if passphrase is not None else None
        header = Header(delivery.bundle, state.name, order.client, own_seal, 0)
        key = seal.derive_key(passphrase, own_seal) if passphrase is not None and own_seal else None
        planned.append(Planned(delivery, header.for_plain(manifest.plain_bytes(delivery)), key))
    return planned


def generate(
    files: Files,
    state: StateDirectory,
    planned: Sequence[Planned],
    out: Path,
    source: Source,
    adopt: Adopt,
    advance: Advance,
) -> None:
    """Makes the bundles, all in the file `out`; the hub has adopted its copies on return.

    Under `node.deliveries`. Advances by the bytes of the pools. Raises RequestError, StorageError,
    EntropyError: then nothing was made. Where the hub's answer did not come (ServiceError), `settle` is to
    be called again later.
    """
    medium.check_space(_needs(state, planned, out))
    try:
        _prepare(files, state, planned, out, source, advance)
    except BaseException:
        _give_up(files, state, planned, out)
        raise
    for one in planned:
        try:
            adopt(one.delivery.bundle)
        except node.SETTLED:
            _give_up(files, state, planned, out)
            raise
    settle(files, state, out)


def settle(files: Files, state: StateDirectory, out: Path) -> list[Path]:
    """Finishes what an earlier run for `out` left behind, and returns the files that are good now.

    Under `node.deliveries`. Bundles that the hub has adopted are kept: under the name `out`, or, where it
    has not adopted them all, each in a file of its own beside it. Others are overwritten and removed.
    Raises RequestError where the partial file is of another hub or no bundle, StorageError.
    """
    partial = medium.partial_of(out)
    if not files.exists(partial):
        return []
    with medium.opened(files, partial) as file:
        placed = _complete_bundles(files, state, file)
        good = [one for one in placed if node.adopted(state, one.header.bundle)]
        if good and len(good) == len(placed):
            medium.complete(files, out)
            return [out]
        cuts = splitting.write_out(files, file, good, out.parent, lambda length: None)
    block_file.erase(files, partial)
    return [cut.path for cut in cuts]


def begun(files: Files, state: StateDirectory, directory: Path) -> list[Path]:
    """The names of files in a directory that earlier runs of this hub began and did not finish."""
    found = []
    for partial in sorted(directory.glob(f"*{medium.SUFFIX}{medium.PARTIAL_SUFFIX}")):
        with medium.opened(files, partial) as file, suppress(BundleError):
            if headers.read(files, file, whole=False).hub == state.name:
                found.append(partial.with_name(partial.name.removesuffix(medium.PARTIAL_SUFFIX)))
    return found


def _prepare(
    files: Files,
    state: StateDirectory,
    planned: Sequence[Planned],
    out: Path,
    source: Source,
    advance: Advance,
) -> None:
    """The whole partial file and all staged blocks, durable."""
    partial = medium.create_partial(files, out)
    try:
        at = 0
        for one in planned:
            bundle = BundleWriter(files, partial, at, one.header, one.delivery, one.key)
            _write(state, one.delivery, bundle, source, advance)
            at += one.header.total_bytes
        files.sync(partial)
    finally:
        files.close(partial)
    files.sync_directory(out.parent)
    for one in planned:
        write_delivery(state.files, state.staged(one.delivery.bundle), one.delivery)


def _write(
    state: StateDirectory, delivery: Delivery, bundle: BundleWriter, source: Source, advance: Advance
) -> None:
    """One bundle, and beside it the hub's copy of its blocks."""
    staged = state.staged(delivery.bundle)
    state.files.make_directory(staged)
    for owner, info in manifest.blocks_in_order(delivery):
        path = block_path(staged, info.uuid)
        with new_block(state.files, path, delivery.terms.stream(owner), info) as block:
            for length in manifest.group_lengths(info.size):
                data = source.read(length)
                block.write(data, bundle.write_group(data))
                advance(length)
    bundle.finish()


def _give_up(files: Files, state: StateDirectory, planned: Sequence[Planned], out: Path) -> None:
    """As far as the disk lets it: what went wrong before is what counts."""
    with suppress(StorageError):
        settle(files, state, out)
        for one in planned:
            node.discard(state, state.staged(one.delivery.bundle))


def _complete_bundles(files: Files, state: StateDirectory, file: OpenFile) -> list[Placed]:
    """The bundles of a partial file; none where it is not complete, for then none was adopted."""
    try:
        first = headers.read(files, file, whole=False)
    except BundleError:  # cut off within the first header
        _check_begun(files, file)
        return []
    if first.hub != state.name:
        raise RequestError(f"{file.path}: was begun by hub {first.hub}; choose another name")
    try:
        return medium.scan(files, file)
    except BundleError:
        return []


def _check_begun(files: Files, file: OpenFile) -> None:
    """Raises RequestError unless the file begins as a bundle does: all else is somebody's own."""
    begin = files.read_at(file, min(files.size(file), len(headers.MAGIC)), 0)
    if begin != headers.MAGIC[: len(begin)]:
        raise RequestError(f"{file.path}: is there already and is no bundle; choose another name for yours")


def _needs(state: StateDirectory, planned: Sequence[Planned], out: Path) -> Iterator[tuple[Path, int]]:
    for one in planned:
        yield out.parent, one.header.total_bytes
        for _, info in manifest.blocks_in_order(one.delivery):
            yield state.staging, block_file.file_bytes(info.size)
