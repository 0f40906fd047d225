"""What attackers use: the ends of authenticated connections, and shares made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simulating.enemies.rows import Row, put_under

from dsked.hub.lots import Lot
from dsked.hub.share_store import ShareStore
from dsked.limits import KEY_ID_BYTES
from dsked.sharing.terms import Party, Terms
from dsked.wire.connection import ClientConnection, HubConnection
from dsked.wire.messages import GetGroup, GetShares, Message, PutShares
from tests.engines.world import Link, World

KEY_ID = b"\x0a" * 16


def ids(number: int, first: int = 0) -> list[bytes]:
    """So many key IDs, the same ones each time."""
    return [index.to_bytes(KEY_ID_BYTES, "big") for index in range(first, first + number)]


def link_of(world: World, client: str, hub: str = "hub1") -> Link:
    """The connection between a client and a hub."""
    return next(link for link in world.links if (link.client, link.hub) == (client, hub))


def as_client(world: World, client: str, hub: str = "hub1") -> ClientConnection:
    """A client's end: what is sent here is authentic."""
    return link_of(world, client, hub).near


def as_hub(world: World, client: str, hub: str = "hub1") -> HubConnection:
    """A hub's end."""
    return link_of(world, client, hub).far


def say(world: World, connection: ClientConnection | HubConnection, *messages: Message) -> None:
    """Say these to the other end in one piece, and let it act."""
    for link in world.links:
        link.peer.changed = True  # or the engine would not fetch the pads for what it did not say itself
    for number, message in enumerate(messages):
        connection.send(0x7000_0000 + number, message)
    world.run_for(0.01)


def connected(world: World, client: str, hub: str = "hub1") -> bool:
    """Whether a client and a hub have a connection."""
    return any((link.client, link.hub) == (client, hub) for link in world.links)


def put(
    *keys: Row, responders: Sequence[tuple[str, str]] = (("curtis", "sunny"),), key_bytes: int = 1,
    ttl_ms: int = 60_000, initiator: str = "sam",
) -> PutShares:  # fmt: skip
    """PUT_SHARES of carol's encryptor sam."""
    parties = tuple(Party(*party) for party in responders)
    return PutShares(put_under(Terms(1, 5, 3, Party("carol", initiator), parties, key_bytes), keys, ttl_ms))


def share(key_id: bytes = KEY_ID, nr_codes: int = 1, share: bytes = b"s", offset: int = 0) -> Row:
    """One key's share, or a piece of it."""
    return Row(key_id, offset, share, b"" if offset else bytes(32) * nr_codes)


def get(*key_ids: bytes, wait_ms: int = 0, initiator: str = "carol") -> GetShares:
    """GET_SHARES of keys of carol."""
    return GetShares([GetGroup(initiator, b"".join(key_ids), 0)], wait_ms, [])


def lots_of(store: ShareStore, key_ids: Iterable[bytes]) -> set[Lot]:
    """The lots in which a hub keeps shares of carol."""
    found = [store.find("carol", key_id) for key_id in key_ids]
    return {lot for lot in found if lot is not None}
