"""SKIP of real daemons: what two routers do with it (draft-cisco-skip-02, section 5)."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scripts.laboratory import LIMIT_S, Laboratory, free_ports, wait_until
from tests.delivery import tls_client

from .support import get_keys, small, started, wait_for_hubs

HUBS = ["hank", "helen", "hilary"]
PSKS = {"SAM-1": bytes(range(32)), "SUNNY-1": bytes(range(32, 64))}
OTHER = bytes(range(64, 96))
needs_psk = pytest.mark.skipif(not getattr(ssl, "HAS_PSK", False), reason="TLS-PSK needs Python 3.13")


def topology(skip: dict[str, Any]) -> dict[str, Any]:
    """Carol with sam, curtis with sunny and susan; the system IDs of sam and sunny are not their names."""
    content = small(HUBS, k=2)
    [sam], [sunny, _susan] = (client["encryptors"] for client in content["clients"])
    sam["system_id"], sunny["system_id"] = PSKS
    return content | {"skip": {"base_port": free_ports(2), **skip}}


def port(lab: Laboratory, client: str) -> int:
    names = [one["name"] for one in lab.content["clients"]]
    return lab.content["skip"]["base_port"] + names.index(client)


class Reply(NamedTuple):
    status: int
    document: Any


def ask(lab: Laboratory, client: str, path: str, sae: str | None = None) -> Reply:
    """One request as plain HTTP, in the name of `sae`."""
    connection = http.client.HTTPConnection("127.0.0.1", port(lab, client), timeout=LIMIT_S)
    try:
        connection.request("GET", path, headers={} if sae is None else {"Authorization": sae})
        reply = connection.getresponse()
        return Reply(reply.status, json.loads(reply.read()))
    finally:
        connection.close()


# --- as plain HTTP on loopback ---


@pytest.fixture(scope="module")
def plain() -> Iterator[Laboratory]:
    with started(topology({})) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        yield lab


def test_two_routers_get_one_key(plain):
    here, there = ask(plain, "carol", "/capabilities"), ask(plain, "curtis", "/capabilities", "sunny")
    assert here.document["localSystemID"] in there.document["remoteSystemID"]
    assert there.document["localSystemID"] in here.document["remoteSystemID"]
    made = ask(plain, "carol", f"/key?remoteSystemID={there.document['localSystemID']}")
    assert (made.status, len(made.document["key"])) == (200, 64)
    path = f"/key/{made.document['keyId']}?remoteSystemID={here.document['localSystemID']}"
    assert ask(plain, "curtis", path, "sunny") == made
    assert ask(plain, "curtis", path, "sunny").status == 400  # each side gets it once
    assert ask(plain, "carol", path.replace("SAM-1", "SUNNY-1")).status == 400


def test_a_system_id_that_is_left_out_is_the_name(plain):
    made = ask(plain, "carol", "/key?remoteSystemID=susan&size=1024")
    assert 4 * len(made.document["key"]) == 1024
    path = f"/key/{made.document['keyId']}?remoteSystemID=SAM-1"
    assert ask(plain, "curtis", path, "sunny").status == 400
    assert ask(plain, "curtis", path, "susan") == made


def test_keys_of_other_interfaces_are_the_same_keys(plain):
    [key] = get_keys(plain, "sam", "sunny")
    path = f"/key/{key.key_id.hex()}?remoteSystemID=SAM-1"
    assert ask(plain, "curtis", path, "sunny").document == {"keyId": key.key_id.hex(), "key": key.key.hex()}


def test_entropy(plain):
    strings = [ask(plain, "carol", "/entropy?minentropy=512").document["randomStr"] for _ in range(2)]
    assert [len(one) for one in strings] == [128, 128]
    assert strings[0] != strings[1]


def test_too_few_hubs_are_500_and_entropy_needs_none():
    with Laboratory(topology({}), nodes=["hank", "helen", "carol"]) as lab:
        lab.stop("helen")
        wait_for_hubs(lab, "carol", down=("helen", "hilary"))
        assert ask(lab, "carol", "/key?remoteSystemID=SUNNY-1").status == 500
        assert ask(lab, "carol", "/entropy").status == 200


# --- TLS-PSK ---


def write(path: Path, psks: dict[str, bytes]) -> None:
    path.touch(0o600)
    path.write_text("".join(f"{identity}:{key.hex()}\n" for identity, key in psks.items()))


@pytest.fixture
def psk() -> Iterator[Laboratory]:
    content = topology({"psk_file": "{name}.psk"})
    del content["etsi"]
    with Laboratory(content).prepared() as lab:
        for client, identity in (("carol", "SAM-1"), ("curtis", "SUNNY-1")):
            write(lab.path / f"{client}.psk", {identity: PSKS[identity]})
        yield lab


def over_psk(lab: Laboratory, client: str, path: str, identity: str, key: bytes, version: str) -> Any:
    """One request over TLS-PSK."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.set_ciphers("PSK")
    context.set_psk_client_callback(lambda hint: (identity, key))
    return tls_client.ask(port(lab, client), context, path)


@needs_psk
def test_two_routers_get_one_key_over_tls_psk_and_a_hup_changes_keys(psk):
    psk.start()
    wait_for_hubs(psk, "carol", "curtis")
    for version in ("TLSv1_2", "TLSv1_3"):
        made = over_psk(psk, "carol", "/key?remoteSystemID=SUNNY-1", "SAM-1", PSKS["SAM-1"], version)
        path = f"/key/{made.document['keyId']}?remoteSystemID=SAM-1"
        got = over_psk(psk, "curtis", path, "SUNNY-1", PSKS["SUNNY-1"], version)
        assert (got.status, got.document) == (200, made.document)
        assert over_psk(psk, "carol", "/entropy", "SUNNY-1", PSKS["SUNNY-1"], version).status is None
    write(psk.path / "carol.psk", {"SAM-1": OTHER})
    os.kill(psk.pid("carol"), signal.SIGHUP)
    wait_until(
        lambda: "SKIP has read its pre-shared keys again" in psk.log("carol"), "the files are read again"
    )
    assert over_psk(psk, "carol", "/entropy", "SAM-1", PSKS["SAM-1"], "TLSv1_2").status is None
    assert over_psk(psk, "carol", "/entropy", "SAM-1", OTHER, "TLSv1_2").status == 200
    assert not any(key.hex() in psk.log("carol") for key in (*PSKS.values(), OTHER))


@pytest.mark.skipif(getattr(ssl, "HAS_PSK", False), reason="this Python has TLS-PSK")
def test_a_python_without_psk_refuses_the_option(psk):
    done = psk.run("start")
    assert done.returncode
    assert "TLS-PSK needs Python 3.13 or later" in done.stderr + psk.log("carol")
