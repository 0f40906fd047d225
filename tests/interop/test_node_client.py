"""The client in node/, which was written in JavaScript from proto/ alone, against real daemons."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import provision
import pytest
import yaml

from dsked.encryptor import KeyClient
from scripts.laboratory import LIMIT_S, Laboratory, free_ports, topology, wait_until
from tests.system.proxy import Proxy, To
from tests.system.support import wait_for_hubs

from .node_client import (
    HERE,
    NODE,
    NodeClient,
    configuration,
    gate_keys,
    needs_node,
    run_node,
    simulated,
    write,
)

pytestmark = needs_node

HUBS = ("hub1", "hub2", "hub3")
K = 2
VECTORS = Path(__file__).parents[2] / "proto" / "vectors"


def content(**settings: Any) -> dict[str, Any]:
    """carol is a daemon's, nora the client's in node/."""
    clients = {"carol": ["sam"], "nora": ["nina", "nick"]}
    return topology(len(HUBS), clients, free_ports(len(HUBS) + 2), min_nr_shares=K, etsi="off", **settings)


@contextmanager
def at_sam(lab: Laboratory) -> Iterator[KeyClient]:
    with KeyClient("sam", socket=str(lab.socket("client", "carol"))) as sam:
        yield sam


def fetched(sam: KeyClient, initiator: str, made: dict[str, str]) -> dict[str, str]:
    return {
        key.key_id.hex(): key.key.hex()
        for key in sam.get_keys_by_id(initiator, list(map(bytes.fromhex, made)))
    }


def established(sam: KeyClient, *responders: str, size: int = 32, number: int = 1) -> dict[str, str]:
    keys = sam.get_keys(responders, number=number, size_bits=8 * size)
    return {key.key_id.hex(): key.key.hex() for key in keys}


def assert_keys_both_ways(nora: NodeClient, sam: KeyClient, size: int = 32, number: int = 1) -> None:
    made = nora.get("nina", "sam", size=size, number=number)
    assert len(made) == number
    assert fetched(sam, "nina", made) == made
    made = established(sam, "nina", size=size, number=number)
    assert nora.fetch("nina", "sam", list(made)) == made


# --- without daemons ---


def test_all_vectors_agree() -> None:
    done = run_node("src/vectors.mjs")
    assert done.returncode == 0, done.stderr
    for path in VECTORS.glob("*.json"):
        assert f"{path.name}: " in done.stdout


@pytest.mark.full
def test_a_vector_that_disagrees_is_named(tmp_path: Path) -> None:
    for name in ("shamir.json", "handshakes.json"):
        text = Path(VECTORS, name).read_text()
        (tmp_path / name).write_text(text.replace('"secret": "', '"secret": "00'))
    requests = Path(VECTORS, "hub.json").read_text()
    (tmp_path / "hub.json").write_text(requests.replace('"request_id": 3,', '"request_id": 4,'))
    (tmp_path / "later.json").write_text("{}")
    done = run_node("src/vectors.mjs", str(tmp_path))
    assert done.returncode == 1
    assert "shamir.json: 3 of 5" in done.stderr
    assert "hub.json: parking: shares that come a moment later: requests: " in done.stderr
    assert "later.json: as a whole: nobody checks this file" in done.stderr
    assert "handshakes.json: " not in done.stderr


@pytest.mark.full
def test_its_own_tests() -> None:
    done = run_node("--test")
    assert done.returncode == 0, done.stdout


# --- simulated PSRD ---


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with Laboratory(content(), nodes=[*HUBS, "carol"]) as lab:
        wait_for_hubs(lab, "carol")
        yield lab


@pytest.fixture(scope="module")
def nora(lab: Laboratory) -> Iterator[NodeClient]:
    with NodeClient(write(lab, "nora.json", simulated(lab, "nora", K))) as nora:
        nora.wait_for_hubs(len(HUBS))
        yield nora


@pytest.fixture(scope="module")
def sam(lab: Laboratory, nora: NodeClient) -> Iterator[KeyClient]:
    with at_sam(lab) as sam:
        yield sam


def test_who_serves_an_encryptor(nora: NodeClient) -> None:
    assert nora.ask("locate", encryptor="sam")["client"] == "carol"
    assert "no 2 hubs" in nora.ask("locate", encryptor="nobody")["error"]


@pytest.mark.parametrize(("size", "number"), [(4, 1), (32, 1), (32, 128), (1024, 2), (1025, 2), (100_000, 3)])
def test_keys_both_ways(nora: NodeClient, sam: KeyClient, size: int, number: int) -> None:
    assert_keys_both_ways(nora, sam, size, number)


def test_hubs_that_name_their_clients_by_identifiers(nora: NodeClient, sam: KeyClient) -> None:
    assert_keys_both_ways(nora, sam)
    # Keys are there once k hubs have answered: the last one's answer, behind its NAMES, may come later.
    wait_until(lambda: all(hub["identifiers"] > 0 for hub in nora.status()), "all hubs have told identifiers")


def test_one_key_for_two_encryptors_of_the_client(nora: NodeClient, sam: KeyClient) -> None:
    made = established(sam, "nina", "nick")
    assert nora.fetch("nick", "sam", list(made)) == made
    assert nora.fetch("nina", "sam", list(made)) == made
    assert "handed out" in nora.ask("fetch", responder="nina", initiator="sam", ids=list(made))["error"]


def test_what_is_not_there_is_refused(nora: NodeClient, sam: KeyClient) -> None:
    made = established(sam, "nina")
    assert "does not name" in nora.ask("fetch", responder="nick", initiator="sam", ids=list(made))["error"]
    assert nora.fetch("nina", "sam", list(made)) == made
    unknown = nora.ask("fetch", responder="nina", initiator="sam", ids=["00" * 16])["error"]
    assert "was not rebuilt" in unknown


def test_lines_that_are_no_requests_stop_nothing(nora: NodeClient) -> None:
    for line in ("rubbish", "null", "[]", '{"do": "toString"}', '{"id": 7}'):
        told = nora.say(line)
        assert (told["id"], "error" in told) == (7 if "7" in line else None, True)
    assert nora.status()


@pytest.mark.full
def test_the_longest_key(nora: NodeClient, sam: KeyClient) -> None:
    """2 MiB. To deal it takes this client longer than requests may last on a slow machine."""
    made = established(sam, "nina", size=2**21)
    assert nora.fetch("nina", "sam", list(made)) == made


@pytest.mark.full
def test_a_hub_that_is_down_and_comes_back_and_one_that_hangs() -> None:
    with ExitStack() as stack:
        lab = stack.enter_context(Laboratory(content(), nodes=[*HUBS, "carol"]))
        wait_for_hubs(lab, "carol")
        nora = stack.enter_context(NodeClient(write(lab, "nora.json", simulated(lab, "nora", K))))
        nora.wait_for_hubs(len(HUBS))
        sam = stack.enter_context(at_sam(lab))
        assert_keys_both_ways(nora, sam)
        lab.kill("hub2")
        wait_until(lambda: not nora.status()[1]["registered"], "hub2 is gone")
        wait_for_hubs(lab, "carol", down=("hub2",))
        assert_keys_both_ways(nora, sam, number=3)
        lab.start("hub2")
        nora.wait_for_hubs(len(HUBS))
        wait_for_hubs(lab, "carol")
        with lab.frozen("hub3"):
            assert_keys_both_ways(nora, sam, number=3)
        lab.kill("hub1")
        wait_until(lambda: not nora.status()[0]["registered"], "hub1 is gone")
        wait_for_hubs(lab, "carol", down=("hub1",))
        assert_keys_both_ways(nora, sam, number=3)
        lab.kill("hub3")
        wait_until(lambda: not nora.status()[2]["registered"], "hub3 is gone")
        assert "needed" in nora.ask("get", initiator="nina", responders=["sam"], size=32)["error"]


@pytest.mark.full
def test_a_hub_that_drains_and_one_that_refuses_a_name() -> None:
    with Laboratory(content(), nodes=[*HUBS, "carol"]) as lab:
        wait_for_hubs(lab, "carol")
        known = simulated(lab, "nora", K)
        with NodeClient(write(lab, "nora.json", known)) as nora, at_sam(lab) as sam:
            nora.wait_for_hubs(len(HUBS))
            made = established(sam, "nina")
            lab.run("--hub", "hub1", "drain", "--no-wait")
            wait_until(lambda: nora.status()[0]["draining"], "hub1 drains")
            assert_keys_both_ways(nora, sam, number=3)
            assert nora.fetch("nina", "sam", list(made)) == made
            lab.dskectl("--hub", "hub1", "drain")  # until it holds none: it was told that all keys are there
        with NodeClient(write(lab, "nora.json", {**known, "encryptors": ["nina", "sam"]})) as nora:
            wait_until(lambda: "may not claim sam" in (lab.path / "nora.out").read_text(), "a refusal")
            assert not nora.ask("ready", hubs=1, ms=0)["ready"]


@pytest.mark.full
def test_clients_that_have_other_hubs() -> None:
    shared = content()
    shared["hubs"].append({"name": "hub4"})
    shared["base_port"] = free_ports(6)
    for client, hubs in zip(
        shared["clients"], (["hub1", "hub2", "hub3"], ["hub2", "hub3", "hub4"]), strict=True
    ):
        client["hubs"] = hubs
    with Laboratory(shared, nodes=[*HUBS, "hub4", "carol"]) as lab:
        wait_for_hubs(lab, "carol")
        known = simulated(lab, "nora", K, hubs=["hub2", "hub3", "hub4"])
        with NodeClient(write(lab, "nora.json", known)) as nora, at_sam(lab) as sam:
            nora.wait_for_hubs(3)

            def without_hub4() -> bool:  # which says that it does not know sam, perhaps behind the two others
                return bool(nora.ask("locate", encryptor="sam")["common"] == ["hub2", "hub3"])

            wait_until(without_hub4, "the common hubs are known")
            assert_keys_both_ways(nora, sam, number=3)


@pytest.mark.full
def test_wrapped() -> None:
    with ExitStack() as stack:
        lab = stack.enter_context(Laboratory(content(wrapping="on"), nodes=[*HUBS, "carol"]))
        file = write(lab, "nora.json", simulated(lab, "nora", K, wrapping="required"))
        nora = stack.enter_context(NodeClient(file))
        nora.wait_for_hubs(len(HUBS))
        assert all(hub["wrapped"] for hub in nora.status())
        sam = stack.enter_context(at_sam(lab))
        assert_keys_both_ways(nora, sam, number=3)
        assert_keys_both_ways(nora, sam, size=300_000)


@pytest.mark.full
def test_wrapping_that_one_side_requires_and_the_other_has_not() -> None:
    with ExitStack() as stack:
        lab = stack.enter_context(Laboratory(content(wrapping="required"), nodes=["hub1"]))
        nora = stack.enter_context(NodeClient(write(lab, "nora.json", simulated(lab, "nora", K))))
        wait_until(lambda: "refused with code 22" in (lab.path / "nora.out").read_text(), "a refusal")
        assert not nora.ask("ready", hubs=1, ms=0)["ready"]


# --- connections that end between processes that live on ---


class Proof(Enum):
    M3, M4 = To.HUB, To.CLIENT

    def lose(self, piece: bytes) -> bytes | None:
        """M3 is the only array of 6 behind its length; M0 is one of 3 as well, that begins with a string."""
        here = piece[4] == 0x96 if self is Proof.M3 else piece[4] == 0x93 and piece[5] != 0xA4
        return b"" if here else None


@contextmanager
def behind_a_proxy(lab: Laboratory, known: dict[str, Any]) -> Iterator[tuple[Proxy, NodeClient]]:
    """The client, which reaches the first hub through a proxy."""
    with ExitStack() as stack:
        proxy = Proxy(lab.port(HUBS[0]))
        stack.callback(proxy.close)
        first, *others = known["hubs"]
        hubs = [{**first, "port": proxy.port}, *others]
        nora = stack.enter_context(NodeClient(write(lab, "nora.json", {**known, "hubs": hubs})))
        nora.wait_for_hubs(len(HUBS))
        yield proxy, nora


def cut(proxy: Proxy, nora: NodeClient, *lost: Proof) -> int:
    """The bytes of the client pool that it costs to cut the connection, and to lose each proof then."""
    before = int(nora.status()[0]["next"])
    for proof in lost:
        is_lost = proxy.change_next(proof.value, proof.lose)
        proxy.drop()
        assert is_lost.wait(LIMIT_S)
    connections = proxy.nr_connections
    proxy.drop()
    wait_until(lambda: proxy.nr_connections > connections, "the client has connected again")
    nora.wait_for_hubs(len(HUBS))
    return int(nora.status()[0]["next"]) - before


def assert_goes_on(lab: Laboratory, known: dict[str, Any]) -> None:
    """On the same streams where they are: the hash key of the proof before is known to both."""
    with behind_a_proxy(lab, known) as (proxy, nora), at_sam(lab) as sam:
        assert_keys_both_ways(nora, sam, number=50)
        for lost in ((), (), (Proof.M3,), (Proof.M4,), (), (Proof.M3, Proof.M3, Proof.M4, Proof.M3), ()):
            assert 48 * (1 + len(lost)) < cut(proxy, nora, *lost) < 2048
            assert_keys_both_ways(nora, sam, number=3)
    log = (lab.path / "nora.out").read_text()
    assert "ALARM" not in log
    assert "begin anew" not in log


@pytest.mark.full
@pytest.mark.parametrize("wrapping", ["off", "required"])
def test_living_processes_with_simulated_psrd(wrapping: str) -> None:
    with Laboratory(content(wrapping=wrapping), nodes=[*HUBS, "carol"]) as lab:
        assert_goes_on(lab, simulated(lab, "nora", K, wrapping=wrapping))


# --- a hub that lies ---


@contextmanager
def lying_hub(lab: Laboratory, name: str) -> Iterator[None]:
    """The hub of node/double/ in place of a daemon."""
    keys = {pair.partition("/")[0]: key for pair, key in gate_keys(lab).items() if pair.endswith(f"/{name}")}
    serves = {"sam": "carol", "nina": "nora", "nick": "nora"}
    file = write(lab, f"{name}.json", {"port": lab.port(name), "gate_keys": keys, "serves": serves})
    command = [NODE, "double/lying_hub.mjs", str(file)]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == "ready\n"
            yield
        finally:
            process.kill()


@pytest.mark.full
def test_a_hub_that_lies() -> None:
    """It alters every share that it gives, to the daemon and to the client."""
    with ExitStack() as stack:
        lab = stack.enter_context(Laboratory(content(), nodes=["hub1", "hub2", "carol"]))
        stack.enter_context(lying_hub(lab, "hub3"))
        nora = stack.enter_context(NodeClient(write(lab, "nora.json", simulated(lab, "nora", K))))
        nora.wait_for_hubs(len(HUBS))
        sam = stack.enter_context(at_sam(lab))
        wait_for_hubs(lab, "carol")

        def found_out() -> bool:
            made = established(sam, "nina")
            answer = nora.ask("fetch", responder="nina", initiator="sam", ids=list(made))
            assert {one["id"]: one["key"] for one in answer["keys"]} == made
            return [one["wrong"] for one in answer["keys"]] == [[3]]

        wait_until(found_out, "the lying hub's share was among the first")
        for _ in range(5):
            made = nora.get("nina", "sam")
            assert fetched(sam, "nina", made) == made


# --- PSRD on media ---


@contextmanager
def on_media(**settings: Any) -> Iterator[tuple[Laboratory, Path]]:
    """A topology of which all have bundles, nothing started; and the client's configuration."""
    with Laboratory(content(psrd="media", **settings)).prepared() as lab:
        others = {**lab.content, "clients": [one for one in lab.content["clients"] if one["name"] != "nora"]}
        daemons = lab.path / "daemons.yaml"
        daemons.write_text(yaml.safe_dump(others))
        provision.deliver(daemons, lab.path, 2**20)
        file = write(lab, "nora.json", configuration(lab, "nora", K, state="nora", **settings))
        for hub in HUBS:
            bundle = lab.path / f"{hub}.psrd"
            provision.write_bundle(lab.config, lab.path, hub, "nora", 2**20, bundle)
            take(file, bundle)
        yield lab, file


def take(file: Path, bundle: Path) -> None:
    done = run_node("src/cli.mjs", str(file), "import", str(bundle))
    assert done.returncode == 0, done.stderr


@pytest.mark.full
@pytest.mark.parametrize("wrapping", ["off", "required"])
def test_bundles_on_media(wrapping: str) -> None:
    """Over sessions, a client that is killed, and further bundles."""
    with on_media(wrapping=wrapping) as (lab, file):
        lab.start(*HUBS, "carol")
        with at_sam(lab) as sam:
            for killed in (False, True, False):
                with NodeClient(file) as nora:
                    nora.wait_for_hubs(len(HUBS))
                    assert all(hub["wrapped"] == (wrapping != "off") for hub in nora.status())
                    assert_keys_both_ways(nora, sam, number=20)
                    assert_keys_both_ways(nora, sam, size=5000)
                    if killed:
                        nora.kill()
        assert "ALARM" not in (lab.path / "nora.out").read_text()
        lab.stop()
        provision.write_bundle(lab.config, lab.path, "hub1", "nora", 5000, lab.path / "next.psrd")
        take(file, lab.path / "next.psrd")
        again = run_node("src/cli.mjs", str(file), "import", str(lab.path / "next.psrd"))
        assert (again.returncode, again.stderr) == (1, "imported already\n")
        lab.start(*HUBS, "carol")
        with NodeClient(file) as nora, at_sam(lab) as sam:
            nora.wait_for_hubs(len(HUBS))
            assert_keys_both_ways(nora, sam, number=20)


@pytest.mark.full
@pytest.mark.parametrize("wrapping", ["off", "required"])
def test_living_processes_with_bundles_on_media(wrapping: str) -> None:
    """And a hub that starts anew: then it begins a window further on, and goes on from there."""
    with on_media(wrapping=wrapping) as (lab, file):
        lab.start(*HUBS, "carol")
        known = json.loads(file.read_text())
        assert_goes_on(lab, known)
        with behind_a_proxy(lab, known) as (proxy, nora), at_sam(lab) as sam:
            lab.kill(HUBS[0])
            wait_until(lambda: not nora.status()[0]["registered"], "the hub is gone")
            before = int(nora.status()[0]["next"])
            lab.start(HUBS[0])
            nora.wait_for_hubs(len(HUBS))
            assert int(nora.status()[0]["next"]) - before > 8192
            for lost in ((), (Proof.M3, Proof.M4), ()):
                assert cut(proxy, nora, *lost) < 2048
                assert_keys_both_ways(nora, sam, number=3)
