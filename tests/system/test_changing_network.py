"""Live networks that change, as docs/changing-a-network.md says: real daemons, and keys go on."""

from __future__ import annotations

import copy
import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from dsked.delivery.control_client import ControlClient, NoAnswerError, NotRunningError
from dsked.errors import DskedError, ErrorCode, ShuttingDownError, TooFewHubsError, UnknownEncryptorError
from dsked.keys import Key
from dsked.limits import MAX_KEYS_PER_REQUEST
from dsked.storage.files import Files
from dsked.storage.records import read_pair
from scripts.laboratory import PORTS_AT_ONCE, Laboratory, free_ports, wait_until
from scripts.rolling import roll

from .support import fetch, get_keys, key_pair, started, wait_for_hubs

pytestmark = pytest.mark.full

READ_AGAIN = "the configuration was read again: new clients and their encryptors"
CELIA = {"name": "celia", "encryptors": [{"name": "serena"}]}


def content(nr_hubs: int, k: int, **settings: Any) -> dict[str, Any]:
    """A topology whose nodes keep their ports and x-coordinates when others come and go."""
    first = free_ports(PORTS_AT_ONCE)
    hubs = [{"name": f"hub{x}", "port": first + 10 + x, "x_coordinate": x} for x in range(1, nr_hubs + 1)]
    clients = [
        {"name": "carol", "encryptors": [{"name": "sam"}]},
        {"name": "curtis", "encryptors": [{"name": "sunny"}]},
    ]
    return {
        "base_port": first, "psrd": "simulated", "min_nr_shares": k, "hubs": hubs, "clients": clients,
        **settings,
    }  # fmt: skip


def write(lab: Laboratory, new: dict[str, Any]) -> None:
    """The topology file says this from now on."""
    lab.content = new
    lab.config.write_text(yaml.safe_dump(new, sort_keys=False))


def reload_hubs(lab: Laboratory, *hubs: str) -> None:
    """Have running hubs read the file again, as `systemctl reload` does."""
    for hub in hubs or [hub["name"] for hub in lab.content["hubs"]]:
        before = lab.log(hub).count(READ_AGAIN)
        os.kill(lab.pid(hub), signal.SIGHUP)
        wait_until(
            lambda hub=hub, before=before: lab.log(hub).count(READ_AGAIN) > before, f"{hub} has read it"
        )


def clients_of(lab: Laboratory, hub: str) -> list[str]:
    return [client["client_name"] for client in lab.status(hub)["peer_clients"]]


@contextmanager
def keys_flowing(lab: Laboratory) -> Iterator[list[int]]:
    """Key pairs of sam and sunny one after the other beside a test; none may fail."""
    over, faults, made = threading.Event(), [], [0]

    def flow() -> None:
        try:
            while not over.wait(0.01):
                key_pair(lab)
                made[0] += 1
        except Exception as error:  # told by the test's own thread
            faults.append(error)

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        yield made
    finally:
        over.set()
        thread.join()
    assert not faults, faults
    assert made[0]


def test_all_hubs_are_rolled_under_load_and_nothing_is_lost() -> None:
    found = roll(rounds=1, hubs=5, k=3, concurrency=8, share_timeout_s=2)
    assert (found["failed"], found["lost"]) == (0, 0), found
    assert found["rolled"]["late_keys"] > 100
    assert found["rolled"]["requests"] > 1000


def test_hubs_that_are_only_told_to_stop_fail_no_request_either() -> None:
    """SIGTERM alone: keys that are fetched at once go on, and the shares of that moment go elsewhere."""
    with started(content(5, 3)) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        with keys_flowing(lab):
            for hub in ("hub1", "hub2"):
                os.kill(lab.pid(hub), signal.SIGTERM)
                wait_until(lambda hub=hub: not list(lab.path.glob(f"*/hub-{hub}.sock")), f"{hub} is gone")
                lab.start(hub)
                wait_for_hubs(lab, "carol", "curtis")
        for client in ("carol", "curtis"):
            assert "hub hub1 takes no new shares: it is drained, or stops" in lab.log(client)


def test_a_client_that_is_restarted_refuses_before_it_issues_a_key_id() -> None:
    with started(content(3, 2)) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        issued: list[Key] = []
        over = threading.Event()
        asking = threading.Thread(target=_ask_until, args=(lab.socket("client", "carol"), over, issued))
        asking.start()
        for _ in range(3):
            had = len(issued)
            wait_until(lambda had=had: len(issued) > had + 20, "keys flow")
            lab.stop("carol")
            lab.start("carol")
        over.set()
        asking.join()
        for start in range(
            0, len(issued), MAX_KEYS_PER_REQUEST
        ):  # many at once: before their shares time out
            some = issued[start : start + MAX_KEYS_PER_REQUEST]
            assert fetch(lab, "sunny", "sam", some) == some, "every key that was answered is there"


def _ask_until(socket: Path, over: threading.Event, issued: list[Key]) -> None:
    while not over.is_set():
        try:
            with ControlClient(socket) as carol:
                while not over.is_set():
                    issued.extend(carol.get_keys(["sunny"]))
        except (ShuttingDownError, NotRunningError, NoAnswerError, TooFewHubsError):
            pass  # it stops, it is away, or it has just come: no key ID was told


def test_a_client_is_added_and_removed_while_the_others_go_on() -> None:
    old = content(3, 2)
    with started(old) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        pids = {name: lab.pid(name) for _, name in lab.nodes()}
        with keys_flowing(lab):
            new = copy.deepcopy(old)
            new["clients"].append(CELIA)
            write(lab, new)
            reload_hubs(lab)
            lab.start("celia")
            wait_for_hubs(lab, "celia")
            key_pair(lab, "sam", "serena")
            lab.stop("celia")
            write(lab, old)
            reload_hubs(lab)
            assert all(clients_of(lab, f"hub{x}") == ["carol", "curtis"] for x in (1, 2, 3))
        with pytest.raises(UnknownEncryptorError):
            get_keys(lab, "sunny", "serena")  # carol remembers for 30 s where it was
        assert {name: lab.pid(name) for _, name in lab.nodes()} == pids, "nothing else was restarted"


def test_a_client_that_runs_on_is_cut_off_when_it_is_removed() -> None:
    new = content(3, 2)
    old = copy.deepcopy(new)
    old["clients"].append(CELIA)
    with started(old) as lab:
        wait_for_hubs(lab, "carol", "curtis", "celia")
        write(lab, new)
        reload_hubs(lab)
        lab.content = old
        wait_for_hubs(lab, "celia", down=("hub1", "hub2", "hub3"))
        with lab.control("celia") as celia:
            assert celia.status()["ready"] is False
        key_pair(lab)
        write(lab, old)


def test_a_client_that_is_removed_is_not_served_after_a_restart_either() -> None:
    """Its pools stay on the disks of the hubs, and are served once their configuration has it again."""
    new = content(3, 2, psrd="media")
    old = copy.deepcopy(new)
    old["clients"].append(CELIA)
    with started(old, media_bytes=1024 * 1024) as lab:
        wait_for_hubs(lab, "carol", "curtis", "celia")
        key_pair(lab, "sam", "serena")
        lab.stop("hub1", "hub2", "hub3")
        write(lab, new)
        lab.start("hub1", "hub2", "hub3")
        wait_for_hubs(lab, "carol", "curtis")
        assert all(clients_of(lab, f"hub{x}") == ["carol", "curtis"] for x in (1, 2, 3))
        assert len(_pools_of(lab, "celia")) == 3
        with pytest.raises(UnknownEncryptorError):
            get_keys(lab, "sunny", "serena")
        key_pair(lab)
        lab.content = old
        wait_until(lambda: _refuse(lab, "celia"), "all hubs turn celia away")
        write(lab, old)
        reload_hubs(lab)
        wait_for_hubs(lab, "celia")
        key_pair(lab, "sam", "serena")


def _refuse(lab: Laboratory, client: str) -> bool:
    """Whether all its hubs say that they do not know it."""
    hubs = lab.status(client)["peer_hubs"]
    return all("does not know this client" in (hub["problem"] or "") for hub in hubs)


def _pools_of(lab: Laboratory, client: str) -> list[Path]:
    """What hubs have on their disks of their pairs with it."""
    return [path for path in lab.path.rglob("pairs/*") if "hub-hub" in str(path) and client in path.name]


def test_an_encryptor_is_added_at_the_hubs_first_and_then_at_its_client() -> None:
    old = content(3, 2)
    with started(old) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        new = copy.deepcopy(old)
        new["clients"][1]["encryptors"].append({"name": "susan"})
        write(lab, new)
        reload_hubs(lab)
        key_pair(lab)
        lab.stop("curtis")
        lab.start("curtis")
        wait_for_hubs(lab, "curtis")
        key_pair(lab, "sam", "susan")


def test_a_hub_is_added_and_another_removed_client_by_client() -> None:
    old = content(4, 2)
    fourth = old["hubs"].pop()
    with started(old) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        new = {**old, "hubs": [*old["hubs"], fourth]}
        write(lab, new)
        lab.start("hub4")
        _restart_one_by_one(lab)
        assert len(lab.status("carol")["peer_hubs"]) == 4
        lab.stop("hub2", "hub3")
        key_pair(lab)  # through hub1 and hub4
        lab.start("hub2", "hub3")
        wait_for_hubs(lab, "carol", "curtis")
        lab.dskectl("--hub", "hub1", "drain")
        lab.stop("hub1")
        write(lab, {**new, "hubs": [hub for hub in new["hubs"] if hub["name"] != "hub1"]})
        _restart_one_by_one(lab)
        assert len(lab.status("carol")["peer_hubs"]) == 3


def _restart_one_by_one(lab: Laboratory) -> None:
    """Clients get the new file one after the other; in between keys flow between old and new, both ways."""
    for client in ("carol", "curtis"):
        lab.stop(client)
        lab.start(client)
        wait_for_hubs(lab, client)
        key_pair(lab, "sam", "sunny")
        key_pair(lab, "sunny", "sam")


def test_k_is_changed_at_all_clients() -> None:
    """In between keys go from clients with the larger k to those with the smaller one, not the other way."""
    old = content(4, 2)
    with started(old) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        write(lab, {**old, "min_nr_shares": 3})
        lab.stop("carol")
        lab.start("carol")
        wait_for_hubs(lab, "carol")
        key_pair(lab, "sam", "sunny")
        weaker = get_keys(lab, "sunny", "sam")
        with pytest.raises(DskedError) as refused:
            fetch(lab, "sam", "sunny", weaker)
        assert refused.value.code is ErrorCode.UNKNOWN_KEY, "a key of k = 2 is none for who asks for 3"
        lab.stop("curtis")
        lab.start("curtis")
        wait_for_hubs(lab, "curtis")
        key_pair(lab, "sam", "sunny")
        key_pair(lab, "sunny", "sam")


def test_a_lost_bundle_is_revoked_and_replaced_while_keys_flow(tmp_path: Path) -> None:
    """Whoever found it can neither connect with it nor read what comes after."""
    with started(content(3, 2, psrd="media"), media_bytes=2 * 1024 * 1024) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        lost = _gate_key(lab)
        with keys_flowing(lab):
            made = lab.dskectl(
                "psrd", "generate", "--hub", "hub1", "--client", "carol", "--new-streams", "--size", "2M",
                "--out", str(tmp_path), "--json",
            )  # fmt: skip
            wait_until(lambda: "hub1" in _unregistered(lab), "the session with the lost bundle is over")
            assert _gate_key(lab) != lost, "and with its gate key none begins any more"
            lab.dskectl("psrd", "import", json.loads(made)["file"], "--replace", "--erase")
            wait_for_hubs(lab, "carol")
        lab.stop("hub2")
        key_pair(lab)  # through hub1


def _unregistered(lab: Laboratory) -> list[str]:
    return [hub["hub_name"] for hub in lab.status("carol")["peer_hubs"] if not hub["registered"]]


def _gate_key(lab: Laboratory) -> bytes:
    """What hub1 has on its disk of its pair with carol."""
    [record] = [
        path for path in lab.path.rglob("pairs/*") if "hub-hub1" in str(path) and "carol" in path.name
    ]
    return read_pair(Files(), record).terms.gate_key


def test_drain_tells_how_many_shares_are_left_and_when_there_are_none() -> None:
    with started(content(3, 2)) as lab:
        keys = get_keys(lab, "sam", "sunny", number=5)
        wait_until(lambda: lab.status("hub1")["shares"]["nr_stored"] == 5, "hub1 has its five shares")
        ran = lab.run("--hub", "hub1", "drain", "--no-wait")
        assert (ran.returncode, ran.stderr) == (1, "")
        assert ran.stdout.startswith("Hub hub1 takes no new shares; 5 are left, for ")
        assert fetch(lab, "sunny", "sam", keys[:4]) == keys[:4]
        with ThreadPoolExecutor() as pool:
            draining = pool.submit(lab.dskectl, "drain", "--node", "hub1")
            assert fetch(lab, "sunny", "sam", keys[4:]) == keys[4:]
            said = draining.result().splitlines()
        assert said[-1] == "Hub hub1 takes no new shares and holds none: it can be stopped"
        assert json.loads(lab.dskectl("--hub", "hub1", "drain", "--json")) == {
            "name": "hub1", "draining": True, "nr_pending_shares": 0,
        }  # fmt: skip
        for arguments, status, told in (
            (["drain"], 2, "Say which hub"),
            (["--hub", "hub1", "--hub", "hub2", "drain"], 2, "Say which hub"),
            (["--client", "carol", "drain"], 2, "Clients hold no shares"),
            (["drain", "--socket", str(lab.socket("client", "carol"))], 4, "client carol holds no shares"),
        ):
            ran = lab.run(*arguments)
            assert (ran.returncode, ran.stdout) == (status, "")
            assert told in ran.stderr
        with ControlClient(lab.socket("hub", "hub2")) as hub2:
            wait_until(lambda: hub2.drain()[0] == 0, "hub2 has heard that all keys were fetched")
