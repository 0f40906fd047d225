"""`psrd import`: a client takes in a bundle that was carried to it.

Blocks are staged first, each verified on its way; the client adopts when the bundle was read to its end.
Whatever happens before leaves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from dsked.errors import RequestError, StorageError
from dsked.media import header as headers
from dsked.media import manifest, medium, node, pools, seal
from dsked.media.bundle import BundleReader
from dsked.media.header import BundleError, Header
from dsked.media.medium import Advance
from dsked.media.node import Adopt, new_block
from dsked.media.sizes import show_size
from dsked.storage.files import Files, OpenFile
from dsked.storage.open_blocks import block_path
from dsked.storage.records import Delivery, write_delivery
from dsked.storage.state_dir import StateDirectory

#: The passphrase of a sealed bundle.
Passphrase = Callable[[Header], str]


def only_bundle(files: Files, file: OpenFile) -> Header:
    """The header of a file that holds one bundle. Raises BundleError."""
    placed = medium.scan(files, file)
    if len(placed) > 1:
        clients = ", ".join(dict.fromkeys(one.header.client for one in placed))
        raise BundleError(
            f"{file.path}: holds {len(placed)} bundles, for {clients}; cut it first with: "
            f"dskectl psrd split {file.path} --out DIR"
        )
    return placed[0].header


def open_bundle(
    files: Files, file: OpenFile, at: int, header: Header, passphrase: Passphrase
) -> BundleReader:
    """A reader that has understood the manifest. Raises BundleError, before any derivation where it can."""
    try:
        headers.check_seal(header)
    except BundleError as error:
        raise BundleError(f"{file.path}: {error}") from None
    key = seal.derive_key(passphrase(header), header.seal) if header.seal else None
    return BundleReader(files, file, at, header, key)


def check_header(state: StateDirectory, header: Header, peers: Mapping[str, int] | None) -> None:
    """Raises RequestError where the header alone tells that this client is not to take the bundle.

    `peers`: its hubs and their x-coordinates by its own configuration, if there is one.
    """
    if header.client != state.name:
        raise RequestError(
            f"this bundle is for client {header.client}, from hub {header.hub}; this is client {state.name}"
        )
    if peers is not None and header.hub not in peers:
        raise RequestError(
            f"this bundle is from hub {header.hub}, and client {state.name} has no such hub; it has "
            f"{', '.join(peers)}"
        )
    if node.adopted(state, header.bundle):
        raise RequestError(
            f"client {state.name} has imported this bundle already; every bundle is good for one time: "
            "erase this copy with dskectl psrd erase"
        )


def check(
    state: StateDirectory, delivery: Delivery, peers: Mapping[str, int] | None, *, replace: bool
) -> Delivery:
    """The delivery as it is to be staged: it replaces other streams only where the operator says so.

    Raises RequestError where this client is not to take it: before gigabytes are copied. `peers` as for
    `check_header`.
    """
    terms = delivery.terms
    record, exists = node.record_to_replace(state, terms.hub)
    node.check(state, msgspec.structs.replace(delivery, replace=True), peers)
    if exists and (record is None or record.terms != terms) and not replace:
        left = sum(pool.unread_bytes for pool in pools.of_record(state, record)) if record else 0
        raise RequestError(
            f"this bundle begins new streams of {terms.client} and {terms.hub}: what is left of the old "
            f"ones, {show_size(left)}, would be erased; if that is meant, say --replace"
        )
    return msgspec.structs.replace(delivery, replace=replace)


def import_bundle(
    state: StateDirectory, reader: BundleReader, delivery: Delivery, adopt: Adopt, advance: Advance
) -> None:
    """Brings the blocks of a bundle into a client's pools; the client has adopted them on return.

    Under `node.deliveries`, with the `delivery` that `check` gave. Advances by the bytes of the pools.
    Raises BundleError, StorageError, RequestError: then nothing was imported; ServiceError where the
    client's answer did not come, and it may have adopted them.
    """
    staged = state.staged(reader.delivery.bundle)
    try:
        _stage(state, reader, staged, advance)
        write_delivery(state.files, staged, delivery)
    except BaseException:
        _give_up(state, staged)
        raise
    try:
        adopt(reader.delivery.bundle)
    except node.SETTLED:
        _give_up(state, staged)
        raise


def _stage(state: StateDirectory, reader: BundleReader, staged: Path, advance: Advance) -> None:
    state.files.make_directory(staged)
    for owner, info in manifest.blocks_in_order(reader.delivery):
        stream_id = reader.delivery.terms.stream(owner)
        with new_block(state.files, block_path(staged, info.uuid), stream_id, info) as block:
            for data, sums in reader.groups(info):
                block.write(data, sums)
                advance(len(data))
    reader.finish()


def _give_up(state: StateDirectory, staged: Path) -> None:
    """As far as the disk lets it: what went wrong before is what counts."""
    with suppress(StorageError):
        node.discard(state, staged)
