"""Whether a staged delivery may be adopted, and what the pair's record becomes. Reads files, writes none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dsked.errors import RequestError
from dsked.limits import WINDOW_MAX_BYTES, WINDOW_MIN_BYTES
from dsked.psrd.pair import Side
from dsked.psrd.store import BlockInfo
from dsked.storage import block_file
from dsked.storage.open_blocks import block_path
from dsked.storage.records import Delivery, PairRecord, StreamRecord, read_delivery
from dsked.storage.state_dir import StateDirectory

_OWNER_NAMES = {Side.CLIENT: "client", Side.HUB: "hub"}


def read(state: StateDirectory, bundle: bytes) -> Delivery:
    """The delivery that is staged under a bundle's UUID, its blocks looked at from outside.

    Raises RequestError if nothing is staged, StorageError if a file is damaged.
    """
    directory = state.staged(bundle)
    if not state.files.exists(directory):
        raise RequestError(
            f"{directory}: no delivery is staged there; did the command look into another --state-dir?"
        )
    delivery = read_delivery(state.files, directory)
    for owner in Side:
        for info in delivery.blocks(owner):
            file = state.files.open(block_path(directory, info.uuid))
            try:
                block_file.check_header(state.files, file, delivery.terms.stream(owner), info)
            finally:
                state.files.close(file)
    return delivery


def check(
    delivery: Delivery,
    record: PairRecord | None,
    *,
    known: set[bytes],
    own: tuple[Side, str],
    peers: Mapping[str, int] | None,
    taken_x: set[int],
) -> None:
    """Raises RequestError with the reason why a delivery is not to be adopted.

    `record`: what is here of the pair; `known`: all UUIDs ever adopted; `own`: this node; `peers`: as for
    `NodeStore.adopt`; `taken_x`: x-coordinates of other hubs.
    """
    _check_names(delivery, own, peers)
    if delivery.bundle in known:
        raise RequestError("this bundle was adopted before; every bundle is good for one time")
    blocks = (*delivery.client_blocks, *delivery.hub_blocks)
    uuids = [info.uuid for info in blocks]
    if len(set(uuids)) < len(uuids) or known.intersection(uuids):
        raise RequestError("a block of this bundle was adopted before; no block may enter two pools")
    if own[0] is Side.CLIENT:
        _check_x(delivery, peers, taken_x)
    _check_streams(delivery, record)


def _check_names(delivery: Delivery, own: tuple[Side, str], peers: Mapping[str, int] | None) -> None:
    side, name = own
    terms = delivery.terms
    meant = terms.client if side is Side.CLIENT else terms.hub
    if meant != name:
        whose = "for client" if side is Side.CLIENT else "of hub"
        raise RequestError(f"this bundle is {whose} {meant}; this is {_OWNER_NAMES[side]} {name}")
    peer = delivery.peer(side)
    if peers is not None and peer not in peers:
        known = ", ".join(peers) or "none"
        raise RequestError(
            f"{_OWNER_NAMES[side.other]} {peer} of this bundle is not in the configuration of "
            f"{_OWNER_NAMES[side]} {name}, which has {known}"
        )


def _check_x(delivery: Delivery, peers: Mapping[str, int] | None, taken_x: set[int]) -> None:
    hub, x = delivery.terms.hub, delivery.terms.x
    if peers is not None and x != peers[hub]:
        raise RequestError(
            f"hub {hub} has x-coordinate {x} in this bundle and {peers[hub]} in this client's configuration; "
            "they must be the same at every node"
        )
    if x in taken_x:
        raise RequestError(
            f"hub {hub} has x-coordinate {x} in this bundle, as another hub of this client has; give each "
            "hub its own, and begin anew with --new-streams where it changed"
        )


def _check_streams(delivery: Delivery, record: PairRecord | None) -> None:
    if record is None or delivery.terms != record.terms:
        if record is not None:
            _check_replacement(delivery, record)
        if not WINDOW_MIN_BYTES <= delivery.terms.window <= WINDOW_MAX_BYTES:
            raise RequestError(f"a window of {delivery.terms.window} bytes is not within the limits")
    for owner in Side:
        known = record.stream(owner) if record is not None and delivery.terms == record.terms else None
        _check_sequence(owner, delivery.blocks(owner), known or StreamRecord(slot=0))


def _check_replacement(delivery: Delivery, record: PairRecord) -> None:
    ours, theirs = record.terms, delivery.terms
    if (ours.client_stream, ours.hub_stream) == (theirs.client_stream, theirs.hub_stream):
        raise RequestError(
            "this bundle has other terms (gate key, window or x-coordinate) for the same streams"
        )
    if not delivery.replace:
        raise RequestError(
            f"this bundle begins new streams of {theirs.client} and {theirs.hub}, and there are pools of the "
            "two already: replace them on purpose, or ask for a bundle that continues them"
        )


def _check_sequence(owner: Side, blocks: tuple[BlockInfo, ...], known: StreamRecord) -> None:
    sequence, end = known.next_sequence, known.end
    for info in blocks:
        if (info.sequence, info.start) != (sequence, end) or info.size <= 0:
            advice = ": import the earlier bundles first" if info.sequence > sequence else ""
            raise RequestError(
                f"block {info.sequence} at byte {info.start} does not continue the {_OWNER_NAMES[owner]} "
                f"pool, which goes on with block {sequence} at byte {end}{advice}"
            )
        sequence, end = sequence + 1, info.end


def first_record(delivery: Delivery, slots: Mapping[Side, int], old: PairRecord | None) -> PairRecord:
    """The record of new streams, whose marks stand in `slots`."""
    streams = {
        owner: _extended(StreamRecord(slot=slots[owner]), delivery.blocks(owner), wiped=0) for owner in Side
    }
    bundles = (*(old.bundles if old else ()), delivery.bundle)
    return PairRecord(delivery.terms, streams[Side.CLIENT], streams[Side.HUB], bundles)


def longer_record(delivery: Delivery, record: PairRecord, wiped: Mapping[Side, int]) -> PairRecord:
    """The record with further blocks; those that are overwritten up to `wiped` are left out."""
    streams = {
        owner: _extended(record.stream(owner), delivery.blocks(owner), wiped=wiped[owner]) for owner in Side
    }
    bundles = (*record.bundles, delivery.bundle)
    return PairRecord(record.terms, streams[Side.CLIENT], streams[Side.HUB], bundles)


def _extended(stream: StreamRecord, blocks: tuple[BlockInfo, ...], *, wiped: int) -> StreamRecord:
    kept = tuple(info for info in stream.blocks if info.end > wiped)
    if not blocks:
        return StreamRecord(stream.slot, stream.end, stream.next_sequence, kept)
    return StreamRecord(stream.slot, blocks[-1].end, blocks[-1].sequence + 1, kept + blocks)


def uuids_of(record: PairRecord) -> Iterable[bytes]:
    """The UUIDs of a record: of its bundles, and of the blocks that stand in it."""
    yield from record.bundles
    for owner in Side:
        for info in record.stream(owner).blocks:
            yield info.uuid
