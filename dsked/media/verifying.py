"""`psrd verify` of a file: every byte of every bundle read and checked, nothing used."""

from __future__ import annotations

from dsked.media import manifest
from dsked.media.importing import Passphrase, open_bundle
from dsked.media.medium import Advance, Placed
from dsked.storage.files import Files, OpenFile
from dsked.storage.records import Delivery


def verify(
    files: Files, file: OpenFile, placed: Placed, passphrase: Passphrase, advance: Advance
) -> Delivery:
    """What a bundle brings, once all of it was found good. Raises BundleError, StorageError.

    Advances by the bytes of the pools.
    """
    reader = open_bundle(files, file, placed.at, placed.header, passphrase)
    for _, info in manifest.blocks_in_order(reader.delivery):
        for data, _ in reader.groups(info):
            advance(len(data))
    reader.finish()
    return reader.delivery
