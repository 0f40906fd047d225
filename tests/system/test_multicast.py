"""One key for several responders, over real daemons and ETSI: each that was named gets it, once."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dsked.limits import MAX_RESPONDERS
from scripts.laboratory import Laboratory, free_ports

from .support import Reply, etsi, started, wait_for_hubs

LYING = Path(__file__).with_name("lying")
HOME = {"sam": "carol", "sid": "clark", "serena": "celia", "sunny": "curtis", "susan": "curtis"}
NOT_FOUND = "one or more keys specified are not found on KME"


def multicast(lab: Laboratory, master: str, slaves: Sequence[str], **fields: Any) -> Reply:
    """Get key for all of the slaves."""
    body = {"additional_slave_SAE_IDs": list(slaves[1:]), **fields}
    return etsi(lab, HOME[master], f"{slaves[0]}/enc_keys", sae=master, body=body)


def fetched(lab: Laboratory, slave: str, master: str, made: Reply) -> Reply:
    """Get key with key IDs, in the name of `slave`."""
    wanted = {"key_IDs": [{"key_ID": key["key_ID"]} for key in made.document["keys"]]}
    return etsi(lab, HOME[slave], f"{master}/dec_keys", sae=slave, body=wanted)


def assert_no_key_in(reply: Reply, made: Reply) -> None:
    """Not a byte of the keys is in a refusal."""
    assert "keys" not in reply.document
    for key in made.document["keys"]:
        assert key["key"][:12] not in str(reply.document)


# --- who is honest ---


@pytest.mark.parametrize(
    "slaves",
    [
        ("sunny", "serena"),  # two clients
        ("sunny", "susan"),  # two encryptors of one client
        ("serena", "susan", "sunny"),  # both
        ("serena", "serena"),  # one, named twice
    ],
    ids=" ".join,
)
def test_every_slave_that_was_named_gets_the_keys_once(lab: Laboratory, slaves: tuple[str, ...]) -> None:
    made = multicast(lab, "sam", slaves, number=3, size=256)
    assert made.status == 200
    assert [len(base64.b64decode(key["key"])) for key in made.document["keys"]] == [32] * 3
    for outsider in {"serena", "sunny", "susan"} - set(slaves):
        refused = fetched(lab, outsider, "sam", made)
        assert refused.status == 401
        assert_no_key_in(refused, made)
    for slave in dict.fromkeys(slaves):
        assert fetched(lab, slave, "sam", made).document == made.document
    for slave in slaves:
        again = fetched(lab, slave, "sam", made)
        assert (again.status, again.message) == (400, NOT_FOUND)
        assert_no_key_in(again, made)


def test_a_master_beside_its_slaves_at_one_client(lab: Laboratory) -> None:
    made = multicast(lab, "sunny", ("susan", "serena"))
    own = fetched(lab, "sunny", "sunny", made)
    assert own.status == 401
    assert_no_key_in(own, made)
    for slave in ("serena", "susan"):
        assert fetched(lab, slave, "sunny", made).document == made.document


def test_a_long_key_for_two_clients(lab: Laboratory) -> None:
    made = multicast(lab, "sam", ("serena", "sunny"), size=1_000_000)
    for slave in ("sunny", "serena"):
        assert fetched(lab, slave, "sam", made).document == made.document


@pytest.mark.parametrize(
    ("additional", "says"),
    [
        (["serena", "nobody"], "encryptor nobody is unknown"),
        (["serena", "sam"], "cannot be the responder of its own key"),
        ([f"sae{i}" for i in range(MAX_RESPONDERS)], "additional_slave_SAE_IDs: expected at most 31"),
        (["serena", ""], "additional_slave_SAE_IDs: expected 1 to 128 bytes"),
        (["serena", 1], "$.additional_slave_SAE_IDs"),
    ],
)
def test_slaves_that_cannot_be(lab: Laboratory, additional: list[Any], says: str) -> None:
    refused = multicast(lab, "sam", ("sunny", *additional))
    assert refused.status == 400
    assert says in refused.message


def test_as_many_slaves_as_status_tells() -> None:
    """Every one at a client of its own, or rather some at each: hubs hold a code for each client."""
    saes = [f"sae{i}" for i in range(MAX_RESPONDERS)]
    clients = {"carol": ["sam"], "celia": saes[::2], "curtis": saes[1::2]}
    content = {
        "base_port": free_ports(5),
        "psrd": "simulated",
        "etsi": "plain-http-on-loopback",
        "min_nr_shares": 2,
        "hubs": [{"name": "hank"}, {"name": "helen"}],
        "clients": [
            {"name": client, "encryptors": [{"name": sae} for sae in served]}
            for client, served in clients.items()
        ],
    }
    with started(content) as lab:
        wait_for_hubs(lab, *clients)
        told = etsi(lab, "carol", "sae0/status").document["max_SAE_ID_count"]
        assert told == len(saes) - 1
        made = etsi(lab, "carol", "sae0/enc_keys", body={"additional_slave_SAE_IDs": saes[1:]})
        assert made.status == 200
        (key,) = made.document["keys"]
        for client in ("celia", "curtis"):
            for sae in clients[client]:
                path = f"sam/dec_keys?key_ID={key['key_ID']}"
                assert etsi(lab, client, path, sae=sae).document == made.document
                assert etsi(lab, client, path, sae=sae).status == 400


# --- one responder forges for another, with a hub ---


@pytest.fixture(scope="module")
def forgers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """Three of three hubs, so that the liar's share is always needed. celia tells hub1 all that she gets."""
    clients = {client: [sae for sae, home in HOME.items() if home == client] for client in HOME.values()}
    content = {
        "base_port": free_ports(3 + len(clients)),
        "psrd": "simulated",
        "etsi": "plain-http-on-loopback",
        "min_nr_shares": 3,
        "hubs": [{"name": name} for name in ("hub1", "hub2", "hub3")],
        "clients": [
            {"name": client, "encryptors": [{"name": sae} for sae in served]}
            for client, served in clients.items()
        ],
    }
    environment = {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(LYING), os.environ.get("PYTHONPATH")))),
        "LYING_HUBS": "hub1=forges-for-others",
        "LEAKS": str(tmp_path_factory.mktemp("leaks")),
    }
    with started(content, environment=environment) as lab:
        wait_for_hubs(lab, *clients)
        yield lab


@pytest.mark.parametrize("size", [256, 8 * 1024, 8 * 1025, 8 * 4096])
def test_a_responder_and_a_hub_cannot_forge_for_another_responder(forgers: Laboratory, size: int) -> None:
    """x and f, and r of long keys, are dealt for each responder client: theirs fit no forged key."""
    made = multicast(forgers, "sam", ("serena", "sunny"), size=size)
    assert fetched(forgers, "serena", "sam", made).document == made.document, "they know the key now"
    refused = fetched(forgers, "sunny", "sam", made)
    assert refused.status == 503
    assert "pass the secret tag" in refused.message
    assert_no_key_in(refused, made)


@pytest.mark.parametrize("size", [256, 8 * 4096])
def test_they_would_if_all_responders_had_the_same_codes(forgers: Laboratory, size: int) -> None:
    """The same forgers against an initiator who deals one x and one r for all: the attack is a real one."""
    made = multicast(forgers, "sid", ("serena", "sunny"), size=size)
    assert fetched(forgers, "serena", "sid", made).document == made.document
    got = fetched(forgers, "sunny", "sid", made)
    assert got.status == 200
    assert got.document != made.document, "another key than the initiator's"


def test_without_a_leak_the_hub_has_nothing_to_forge_with(forgers: Laboratory) -> None:
    made = multicast(forgers, "sid", ("serena", "sunny"))
    assert fetched(forgers, "sunny", "sid", made).document == made.document
