"""Real daemons at level debug, through successes and failures: no key, share or pad is told anywhere."""

from __future__ import annotations

import os
import re
import signal
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import provision
import pytest
import yaml

from dsked.delivery.control_protocol import Op
from dsked.errors import DskedError
from dsked.keys import Key
from dsked.storage import block_file, records
from dsked.storage.files import Files
from scripts.laboratory import LIMIT_S, Laboratory, free_ports, topology, wait_until

from ..cli.terminal import Terminal
from ..system.support import Pipeline, etsi, fetch, get_keys, key_pair, pools_of
from .canaries import Canaries

POOL_BYTES = 1024 * 1024
LOOKED_FOR_BYTES = 96 * 1024  # a start and some keys use less of a pool
STRIDE = 8
BROKEN_S = 0.5  # to wait for an answer that may never come
CLIENTS = {"carol": ("sam",), "curtis": ("sunny", "susan")}
#: How a line of the log begins, by its form.
FORMS = {"json": r'\{"time"', "journald": r"<\d>", "text": r"\d{4}-"}
#: Where the daemons break, one after the other, and which of these their logs must tell of.
FAULTS = ("_put_group", "_get", "_hand_out", "open", "get_keys_by_id", "key_container")
LOGGED = {"_put_group", "_hand_out", "open", "key_container"}


class Watched:
    """A laboratory on media whose pools and gate keys are known before its nodes start."""

    def __init__(self, lab: Laboratory, outside: Path) -> None:
        self.lab = lab
        self.canaries = Canaries()
        self._outside = outside
        self._told: dict[str, list[str]] = {}
        for path in sorted(lab.path.glob("*/blocks/*.block")):
            pool = path.read_bytes()[block_file.HEADER_BYTES : block_file.HEADER_BYTES + LOOKED_FOR_BYTES]
            self.canaries.add(f"pool {path.stem}", pool, STRIDE)
        for path in sorted(lab.path.glob("*/pairs/*.pair")):
            self.canaries.add(f"gate key {path.stem}", records.read_pair(Files(), path).terms.gate_key)

    def dealt(self) -> int:
        """Keys and shares that were dealt so far are looked for as well; gives their number."""
        lines = (self._outside / "dealt").read_text().split()
        for number, line in enumerate(lines):
            self.canaries.add(f"key or share {number}", bytes.fromhex(line))
        return len(lines)

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """The daemons break in this place."""
        (self._outside / "fault").write_text(name)
        yield
        (self._outside / "fault").unlink()

    def say(self, place: str, text: str) -> None:
        """Something that a person or a program got to see, beside a key's own reply."""
        self._told.setdefault(place, []).append(text)

    def refused(self, request: Callable[[], object]) -> None:
        """A request that fails, or does not; what it says of a failure is told."""
        with suppress(OSError):
            try:
                request()
            except DskedError as error:
                self.say("error", f"{error} {error!r}")

    def note_logs(self) -> None:
        """The story is over: what has been logged belongs to what was said."""
        for role, name in self.lab.nodes():
            self.say(f"log of {role} {name}", self.lab.log(name))
            self.say("audit logs", (self.lab.path / f"{name}.audit").read_text())
        self.say("service manager", (self._outside / "manager").read_text())

    def told(self) -> dict[str, str]:
        """Everything that was said, logs and statuses included, by place."""
        return {place: "\n".join(texts) for place, texts in self._told.items()}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    outside = tmp_path_factory.mktemp("outside")
    paths = [str(Path(__file__).with_name("instrumented")), os.environ.get("PYTHONPATH", "")]
    environment = {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "LEAKS_DEALT": str(outside / "dealt"),
        "LEAKS_FAULT": str(outside / "fault"),
    }
    content = topology(
        2,
        CLIENTS,
        free_ports(4),
        psrd="media",
        min_nr_shares=2,
        metrics={"base_port": free_ports(4)},
        audit_log="{name}.audit",
    )
    with Laboratory(content, log_level="debug", environment=environment).prepared() as lab:
        provision.deliver(lab.config, lab.path, POOL_BYTES)
        watched = Watched(lab, outside)
        lab.start()
        story(watched)
        yield watched


def story(watched: Watched) -> None:
    """Keys, refusals, garbage from outside, and faults of ours in the middle of handlers."""
    lab = watched.lab
    keys = key_pair(lab, number=3, size=256)
    key_pair(lab, number=1, size=8 * 2000)
    refusals(watched, keys)
    outsiders(watched)
    for form in FORMS:
        use_form(watched, form)
        refusals(watched, keys)
    for number, name in enumerate(FAULTS):
        use_form(watched, [*FORMS][number % len(FORMS)])
        with watched.fault(name):
            wait_until(partial(breaks, watched, name), f"the daemons have broken in {name}")
        wait_until(partial(serves, lab), "keys flow again")
    statuses(watched)
    watched.note_logs()
    assert watched.dealt() > 20


def use_form(watched: Watched, form: str) -> None:
    """The nodes go on logging in this form."""
    lab = watched.lab
    lab.config.write_text(yaml.safe_dump({**lab.content, "logging": {"format": form}}, sort_keys=False))
    for _, name in lab.nodes():
        os.kill(lab.pid(name), signal.SIGHUP)
        wait_until(partial(logs_as, lab, name, form), f"{name} logs as {form}")


def logs_as(lab: Laboratory, name: str, form: str) -> bool:
    """Whether the last line of a node's log has this form."""
    return re.match(FORMS[form], lab.log(name).splitlines()[-1]) is not None


def serves(lab: Laboratory) -> bool:
    """Whether a key pair can be had."""
    with suppress(DskedError):
        return bool(key_pair(lab))
    return False


def refusals(watched: Watched, keys: list[Key]) -> None:
    """What is asked for wrongly."""
    lab = watched.lab
    watched.refused(lambda: fetch(lab, "sunny", "sam", keys))
    watched.refused(lambda: fetch(lab, "susan", "sam", get_keys(lab, "sam", "sunny")))
    watched.refused(lambda: get_keys(lab, "sam", "nobody"))
    watched.refused(lambda: get_keys(lab, "sam", "sunny", size=77))
    with Pipeline(lab.socket("client", "carol")) as carol:
        bad = [[["sunny"], "three", 256, "sam"], [], [["sunny"], 1, 256, "mallory"], [[1], 1, 256, "sam"]]
        watched.say("control replies", repr(carol.answers(Op.GET_KEYS, bad)))
    for path in ("sunny/enc_keys?size=77", "nobody/enc_keys", "sunny/dec_keys?key_ID=x", "sunny/nothing"):
        watched.say("HTTP replies", repr(etsi(lab, "carol", path, sae="sam")))


def outsiders(watched: Watched) -> None:
    """Bytes from whoever reaches the port of a hub."""
    for garbage in (b"\x00\x00\x00\x05hello", b"\xff" * 600, os.urandom(300), b"GET / HTTP/1.0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", watched.lab.port("hub1")), 5) as connection:
            greeting = connection.recv(1000)
            connection.sendall(garbage)
            with suppress(ConnectionError):
                greeting += connection.recv(1000)
            watched.say("to outsiders", repr(greeting))


def breaks(watched: Watched, name: str) -> bool:
    """Whether requests got as far as the fault, which on a busy machine they may not do within their time."""
    with suppress(AssertionError):
        broken_requests(watched)
    logs = (watched.lab.log(node) for _, node in watched.lab.nodes())
    return name not in LOGGED or any(f"a fault of ours in {name}" in log for log in logs)


def broken_requests(watched: Watched) -> None:
    """Requests while something of ours is broken: what comes of them does not matter."""
    lab = watched.lab
    keys: list[Key] = []
    with lab.control("carol", BROKEN_S) as control:
        watched.refused(lambda: keys.extend(control.get_keys(["sunny"], 1, 256, "sam")))
    with lab.control("curtis", BROKEN_S) as control:
        ids = [key.key_id for key in keys] or [bytes(16)]
        watched.refused(lambda: control.get_keys_by_id("sam", ids, "sunny"))
    reply = etsi(lab, "carol", "sunny/enc_keys", sae="sam")
    if reply.status != 200:
        watched.say("HTTP replies", repr(reply))


def statuses(watched: Watched) -> None:
    """Status, pools and doctor in all forms; top; metrics; the system's view of the processes."""
    lab = watched.lab
    test = ("doctor", "--self-test", "sam", "sunny")
    asked = (
        ("status",),
        ("status", "--json"),
        ("status", "--table"),
        ("psrd", "list", "--client", "carol"),
        test,
        (*test, "--verbose"),
        (*test, "--json"),
    )
    for arguments in asked:
        done = lab.run(*arguments)
        assert not done.returncode, done.stderr
        watched.say("dskectl", done.stdout + done.stderr)
    with Terminal(lab.command("top")) as terminal:
        watched.say("top", terminal.wait_for("4 nodes, 4 running, 4 ready") + terminal.wait_for("q ends"))
        terminal.press("q")
        assert terminal.end() == 0
    for number, (_, name) in enumerate(lab.nodes()):
        for page in ("metrics", "readyz", "healthz"):
            url = f"http://127.0.0.1:{lab.content['metrics']['base_port'] + number}/{page}"
            with urllib.request.urlopen(url, timeout=LIMIT_S) as reply:
                watched.say("metrics", f"{reply.headers}{reply.read().decode()}")
        process = Path(f"/proc/{lab.pid(name)}")
        watched.say("processes", repr((process / "cmdline").read_bytes()))
        with suppress(PermissionError):  # others than root may not even look
            watched.say("processes", repr((process / "environ").read_bytes()))


def test_nothing_that_was_said_tells_a_secret(watched: Watched) -> None:
    told = watched.told()
    assert told["service manager"].count("READY=1") >= len(
        list(watched.lab.nodes())
    )  # and after every reload
    assert {"error", "control replies", "HTTP replies", "dskectl", "processes", "to outsiders"} <= set(told)
    assert "dsked_pool_used_bytes_total" in told["metrics"]
    assert "4 nodes, 4 running, 4 ready" in told["top"]
    for event in ("established", "delivered", "refused", "taken", "given"):
        assert f'"event":"{event}"' in told["audit logs"]
    for place, text in told.items():
        watched.canaries.clean(place, text)


def test_faults_of_ours_were_logged_with_their_tracebacks(watched: Watched) -> None:
    logs = "\n".join(text for place, text in watched.told().items() if place.startswith("log of"))
    for name in LOGGED:
        assert f"a fault of ours in {name}" in logs, name
    assert "Traceback" in logs
    for debug in (" DEBUG ", '"level": "debug"', "\n<7>"):
        assert debug in logs


def test_no_key_and_no_share_is_on_the_disk(watched: Watched) -> None:
    secrets = Canaries()
    for name, secret in watched.canaries.names.items():
        if name.startswith("key or share"):
            secrets.add(name, secret)
    files = [path for path in watched.lab.path.rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        found = secrets.found(path.name, content) if len(content) < POOL_BYTES else _raw(secrets, content)
        assert not found, found


def _raw(secrets: Canaries, content: bytes) -> list[str]:
    """Secrets that stand in a large file as they are."""
    return [name for name, secret in secrets.names.items() if secret[:16] in content]


def test_consumed_bytes_are_zero_on_the_disk(watched: Watched) -> None:
    """At both ends of every pool, within the wiping interval."""
    wait_until(lambda: not unwiped(watched.lab), "consumed bytes are overwritten")


def unwiped(lab: Laboratory) -> list[str]:
    """The blocks of running nodes in which a used byte still stands."""
    found, nr_used = [], 0
    for role, name in lab.nodes():
        for pool in pools_of(lab.status(name)).values():
            for uuid, (used, _) in pool.items():
                path = lab.path / f"{role}-{name}" / "blocks" / f"{uuid}.block"
                nr_used += used
                if any(path.read_bytes()[block_file.HEADER_BYTES :][:used]):
                    found.append(str(path))
    assert nr_used > 16 * 16 * 1024  # a window at least of each
    return found


def test_a_pad_that_is_logged_is_found(watched: Watched) -> None:
    """The proof of this file: a daemon that logs a pad does not pass."""
    with watched.fault("leak"):
        wait_until(partial(serves, watched.lab), "keys flow")
    found = {hit.secret for hit in watched.canaries.found("log", watched.lab.log("hub1"))}
    assert any(name.startswith("pool") for name in found)
