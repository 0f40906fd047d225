"""A hub gets other clients while it serves: as if it had been started with them."""

from __future__ import annotations

import pytest

from dsked.errors import TooFewHubsError, UnknownEncryptorError
from dsked.hub.encryptors import EncryptorDirectory
from tests.attacks.attackers import connected
from tests.engines.media_world import MediaWorld
from tests.engines.world import World


def use(world: World, owners: dict[str, tuple[str, ...]], *, but: str = "") -> None:
    """What all hubs but one have in their configuration now."""
    world.owners = owners
    for name, hub in world.hubs.items():
        if name != but:
            keys = {client: world._gate[client, name] for client in owners}
            hub.use_clients(owners, keys, {})
    world.run_for(0.1)


def test_a_client_that_is_removed_loses_its_session_and_no_other_does() -> None:
    world = World().start()
    before = [link.far for link in world.links if link.client != "celia"]
    use(world, {"carol": ("sam",), "curtis": ("sunny", "susan")})
    world.run_for(5)
    assert not any(connected(world, "celia", hub) for hub in world.hub_names if hub)
    assert [link.far for link in world.links if link.client != "celia"] == before
    with pytest.raises(UnknownEncryptorError):
        world.get_keys("carol", "sam", ["serena"])
    with pytest.raises(TooFewHubsError):
        world.get_keys("celia", "serena", ["sam"])
    world.pair()


def test_a_client_that_is_added_is_served_at_once() -> None:
    world = World().start()
    owners = dict(world.owners)
    use(world, {client: names for client, names in owners.items() if client != "celia"})
    use(world, owners)
    world.run_until(lambda: world.clients["celia"].readiness() is None, 70)
    keys = world.get_keys("carol", "sam", ["serena"])
    assert world.get_by_id("celia", "serena", "sam", keys) == keys


def test_a_hub_that_is_started_serves_nobody_whom_its_configuration_has_no_longer() -> None:
    """Whose pools are on its disk all the same."""
    world = MediaWorld().start()
    world.owners = {"carol": ("sam",), "curtis": ("sunny", "susan")}
    for name in world.hub_names:
        world.stop_hub(name)
        world.start_hub(name)
    world.run_until(lambda: world.clients["carol"].readiness() is None, 70)
    world.run_for(70)
    for name, hub in world.hubs.items():
        assert ("celia", name) in {(client, of) for client, of, _, _ in world.stores}
        assert {client["client_name"] for client in hub.status()["peer_clients"]} == {"carol", "curtis"}
        assert not connected(world, "celia", name)
    world.pair()


def test_keys_for_a_client_that_is_removed_stay_with_the_hubs_that_still_have_it() -> None:
    world = World().start()
    keys = world.get_keys("carol", "sam", ["serena"])
    use(world, {"carol": ("sam",), "curtis": ("sunny", "susan")}, but="hub5")
    with pytest.raises(TooFewHubsError):
        world.get_by_id("celia", "serena", "sam", keys)
    assert len(world.hubs["hub1"].shares) == 1, "until it times out"


def test_an_encryptor_moves_to_another_client_and_is_served_there_alone() -> None:
    world = World().start()
    use(world, {"carol": ("sam",), "celia": ("serena", "susan"), "curtis": ("sunny",)})
    world._encryptors |= {"celia": ("serena", "susan"), "curtis": ("sunny",)}
    for client in ("celia", "curtis"):
        world.restart_client(client)
    world.run_until(lambda: all(len(client.hubs.usable()) == 5 for client in world.clients.values()))
    keys = world.get_keys("carol", "sam", ["susan"])
    assert world.get_by_id("celia", "susan", "sam", keys) == keys


def test_another_gate_key_ends_the_session_that_was_opened_with_the_former_one() -> None:
    """The pair's bundle, or its gate key, was lost: who has a copy does not get in any more."""
    world = World().start()
    hub = world.hubs["hub1"]
    keys = {client: world._gate[client, "hub1"] for client in world.owners}
    hub.use_clients(world.owners, keys | {"carol": bytes(32)}, {})
    world.run_for(5)
    assert not world.clients["carol"].hubs["hub1"].registered
    assert world.clients["celia"].hubs["hub1"].registered
    world._gate["carol", "hub1"] = bytes(32)
    world.restart_client("carol")
    world.run_until(lambda: len(world.clients["carol"].hubs.usable()) == 5)


def test_a_handshake_that_is_half_done_ends_with_its_client() -> None:
    world = World(clients={"carol": ("sam",)}, n=1, k=1)
    world.end_turns()
    hub = world.hubs["hub1"]
    while not hub._half_open:
        world.step()
    hub.use_clients({}, {}, {})
    world.run_for(1)
    assert not hub._sessions and not hub._half_open and not hub.pairs


def test_a_registration_keeps_what_its_client_still_owns() -> None:
    directory = EncryptorDirectory({"carol": ("sam", "sue"), "celia": ("serena",)})
    directory.register("carol", ["sam", "sue"])
    directory.register("celia", ["serena"])
    directory.use_owners({"carol": ("sam",), "curtis": ("sue",)})
    assert directory.registered("carol") == {"sam"}
    assert not directory.is_registered("celia")
    assert [directory.owner(name) for name in ("sam", "sue", "serena")] == ["carol", "curtis", None]
    assert directory.register("carol", ["sam", "sue"]) == ["sue"]
    assert directory.register("curtis", ["sue"]) == []
