"""Which deliveries are taken, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as with_fields

import msgspec
import pytest
from simulating.disks.files import SimulatedFiles

from dsked.errors import ExitStatus, RequestError, StorageError, exit_status
from dsked.limits import WINDOW_MAX_BYTES, WINDOW_MIN_BYTES
from dsked.storage.known_uuids import known_uuids
from dsked.storage.open_blocks import block_path
from dsked.storage.records import DELIVERY_NAME, Delivery
from tests.storage.nodes import Node

PEERS = {"hank": 1, "hilary": 2}


@pytest.fixture
def node() -> Node:
    return Node()


def terms(delivery: Delivery, **changes: object) -> Delivery:
    return msgspec.structs.replace(delivery, terms=msgspec.structs.replace(delivery.terms, **changes))


def refused(node: Node, delivery: Delivery, peers: dict[str, int] | None = PEERS) -> str:
    """Why; and nothing has changed."""
    before = {peer: pair.record for peer, pair in node.store.pairs.items()}, known_uuids(node.state)
    with pytest.raises(RequestError) as raised:
        node.adopt(delivery, peers)
    after = {peer: pair.record for peer, pair in node.store.pairs.items()}, known_uuids(node.state)
    assert before == after
    assert exit_status(raised.value.code) == ExitStatus.REFUSED and "\n" not in str(raised.value)
    return str(raised.value)


def test_first_and_further_deliveries_are_taken(node: Node) -> None:
    first = node.first(5000, 7000)
    pair = node.adopt(first, PEERS)
    assert (pair.streams.local.store.end, pair.streams.peer.store.end) == (12_000, 12_000)
    further = node.further("hank", 3000)
    assert node.adopt(further, PEERS) is pair
    assert pair.streams.local.store.end == 15_000
    assert pair.record.bundles == (first.bundle, further.bundle)
    assert node.state.files.names(node.state.staging) == []
    blocks = [*first.client_blocks, *first.hub_blocks, *further.client_blocks, *further.hub_blocks]
    assert known_uuids(node.state) == {first.bundle, further.bundle} | {info.uuid for info in blocks}


def test_without_a_configuration_any_peer_will_do(node: Node) -> None:
    node.adopt(node.first(5000, hub="nobody knows", x=77), None)


REFUSALS: dict[str, tuple[Callable[[Node], Delivery], str]] = {
    "for another client": (
        lambda node: terms(node.first(5000), client="celia"),
        "this bundle is for client celia; this is client carol",
    ),
    "from a hub that nobody knows": (
        lambda node: node.first(5000, hub="hector"),
        "hub hector of this bundle is not in the configuration of client carol, which has hank, hilary",
    ),
    "another x-coordinate": (
        lambda node: node.first(5000, x=2),
        "hub hank has x-coordinate 2 in this bundle and 1 in this client's configuration",
    ),
    "a window that is too small": (
        lambda node: terms(node.first(5000), window=WINDOW_MIN_BYTES - 1),
        "a window of 16383 bytes is not within the limits",
    ),
    "a window that is too large": (
        lambda node: terms(node.first(5000), window=WINDOW_MAX_BYTES + 1),
        "a window of 1048577 bytes is not within the limits",
    ),
    "not from the beginning": (
        lambda node: _later(node.first(5000)),
        "block 1 at byte 0 does not continue the client pool, which goes on with block 0 at byte 0: "
        "import the earlier bundles first",
    ),
}


def _later(delivery: Delivery) -> Delivery:
    blocks = tuple(with_fields(info, sequence=info.sequence + 1) for info in delivery.client_blocks)
    return msgspec.structs.replace(delivery, client_blocks=blocks)


@pytest.mark.parametrize("name", REFUSALS)
def test_a_first_delivery_is_refused_with_the_reason(node: Node, name: str) -> None:
    make, reason = REFUSALS[name]
    assert reason in refused(node, make(node))
    node.adopt(node.first(5000, seed="good"), PEERS)  # it spoils nothing


def test_two_hubs_of_one_x_are_refused(node: Node) -> None:
    node.adopt(node.first(5000, x=2), None)
    reason = refused(node, node.first(5000, hub="hilary", x=2))
    assert reason.startswith(
        "hub hilary has x-coordinate 2 in this bundle, as another hub of this client has"
    )


def test_a_hub_takes_its_own_and_does_not_look_at_x() -> None:
    hub = Node(role="hub", name="hank")
    hub.adopt(hub.first(5000, x=9), {"carol": 0})
    other = terms(hub.first(5000, seed="other"), hub="hilary")
    assert refused(hub, other, {"carol": 0}) == "this bundle is of hub hilary; this is hub hank"


def test_a_bundle_is_good_for_one_time(node: Node) -> None:
    first = node.first(5000)
    node.adopt(first, PEERS)
    assert "this bundle was adopted before" in refused(node, first)
    node.store.close()
    assert "this bundle was adopted before" in refused(Node(node.files), first)


def test_a_block_is_good_for_one_time_in_whatever_bundle(node: Node) -> None:
    node.adopt(node.first(5000), PEERS)
    again = node.first(5000, hub="hilary", x=2)
    again = msgspec.structs.replace(again, client_blocks=node.store.pairs["hank"].record.client_stream.blocks)
    assert "no block may enter two pools" in refused(node, again)


def test_used_blocks_are_remembered_when_nothing_else_tells_of_them(node: Node) -> None:
    first = node.first(5000)
    node.adopt(first, PEERS)
    for store in node.store.pairs["hank"].stores.values():
        store.reserve(5000, 5000, lambda mark: None)
        store.wipe(5000)
    node.work()
    node.adopt(node.further("hank", 6000), PEERS)
    assert len(node.store.pairs["hank"].record.client_stream.blocks) == 1, "the used one is left out"
    node.store.close()
    again = Node(node.files)
    smuggled = msgspec.structs.replace(
        again.first(5000, hub="hilary", x=2), client_blocks=first.client_blocks
    )
    assert "no block may enter two pools" in refused(again, smuggled)


@pytest.mark.parametrize(
    "change", [{"gate_key": bytes(32)}, {"window": 20_000}, {"x": 1, "gate_key": b"k" * 32}]
)
def test_other_terms_for_the_same_streams_are_refused(node: Node, change: dict[str, object]) -> None:
    node.adopt(node.first(5000), PEERS)
    assert "other terms (gate key, window or x-coordinate) for the same streams" in refused(
        node, terms(node.further("hank", 5000), **change)
    )


def test_new_streams_replace_the_old_ones_only_on_purpose(node: Node) -> None:
    old = node.adopt(node.first(5000), PEERS)
    anew = node.first(9000, seed="anew")
    assert "replace them on purpose" in refused(node, anew)
    fresh = node.adopt(msgspec.structs.replace(anew, replace=True), PEERS)
    assert fresh is not old and fresh.streams.local.store.end == 9000
    node.work()
    assert isinstance(node.files, SimulatedFiles)
    assert node.files.names(node.state.trash) == [] and len(node.files.names(node.state.blocks)) == 2


def test_a_gap_says_what_to_import_first(node: Node) -> None:
    node.adopt(node.first(5000), PEERS)
    second, third = node.further("hank", 5000), node.further("hank", 5000, seed="third")
    blocks = tuple(with_fields(info, sequence=2, start=10_000) for info in third.client_blocks)
    late = msgspec.structs.replace(
        third,
        client_blocks=blocks,
        hub_blocks=tuple(with_fields(i, sequence=2, start=10_000) for i in third.hub_blocks),
    )
    assert "import the earlier bundles first" in refused(node, late)
    node.adopt(second, PEERS)
    node.adopt(late, PEERS)


# -- what is staged ----------------------------------------------------------------------------------


def test_nothing_staged(node: Node) -> None:
    with pytest.raises(RequestError, match="no delivery is staged there"):
        node.store.adopt(bytes(16), PEERS)


def test_what_is_not_complete_is_not_taken(node: Node) -> None:
    delivery = node.stage(node.first(5000))
    node.files.remove(node.state.staged(delivery.bundle) / DELIVERY_NAME)
    with pytest.raises(StorageError, match="delivery: cannot be opened"):
        node.store.adopt(delivery.bundle, PEERS)


@pytest.mark.parametrize("length", [0, 4095, 8000, 9111])
def test_a_block_that_was_cut_is_not_taken(node: Node, length: int) -> None:
    delivery = node.stage(node.first(5000))
    path = block_path(node.state.staged(delivery.bundle), delivery.hub_blocks[0].uuid)
    assert isinstance(node.files, SimulatedFiles)
    del node.files.disk.file(path).seen[length:]
    with pytest.raises(StorageError, match=r"\.block: "):
        node.store.adopt(delivery.bundle, PEERS)
    assert not node.store.pairs


def test_blocks_that_were_exchanged_are_not_taken(node: Node) -> None:
    delivery = node.stage(node.first(5000, 5000))
    directory = node.state.staged(delivery.bundle)
    one, two = (block_path(directory, info.uuid) for info in delivery.client_blocks)
    node.files.rename(one, directory / "x")
    node.files.rename(two, one)
    node.files.rename(directory / "x", two)
    with pytest.raises(StorageError, match="holds another block"):
        node.store.adopt(delivery.bundle, PEERS)
