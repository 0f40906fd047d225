"""The Debian package in a machine with systemd: installed, upgraded, removed and purged for real.

All tests share one machine, and stand in the order in which an operator meets them.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dsked import __version__
from scripts.laboratory import wait_until
from tests.service.machine import Machine, wait_for_hubs, why_not

from .building import build

pytestmark = pytest.mark.full
NEWER = "99.0"
HUBS = ("hank", "helen", "hilary")
CLIENTS = {"carol": "sam", "curtis": "sunny"}
NODES = [*(f"dsked-hub@{hub}" for hub in HUBS), *(f"dsked-client@{client}" for client in CLIENTS)]
STATE = "/var/lib/dsked"
CONFIG = {
    "psrd": "media",
    "min_nr_shares": 2,
    "base_port": 7100,
    "hubs": [{"name": hub} for hub in HUBS],
    "clients": [{"name": name, "encryptors": [{"name": encryptor}]} for name, encryptor in CLIENTS.items()],
    "metrics": {"base_port": 9464},
    "audit_log": "/var/log/dsked/{name}.audit",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this checkout; lintian has found neither an error nor anything to warn of."""
    directory = tmp_path_factory.mktemp("deb")
    build("deb.sh", directory)
    (built,) = directory.iterdir()
    return built


@pytest.fixture(scope="module")
def newer(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a later version."""
    directory = tmp_path_factory.mktemp("newer")
    tree, path = directory / "tree", directory / f"dsked_{NEWER}-1_all.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    _replace(tree / "DEBIAN/control", __version__, NEWER)
    _replace(tree / "usr/lib/dsked/dsked/__init__.py", __version__, NEWER)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, path],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return path


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def machine(package: Path, newer: Path) -> Iterator[Machine]:
    """One in which both packages lie in /srv, and nothing of dsked is installed."""
    reason = why_not()
    if reason:
        pytest.skip(reason)

    def prepare(machine: Machine) -> None:
        shutil.copy(package, machine.root / "srv/dsked.deb")
        shutil.copy(newer, machine.root / "srv/newer.deb")
        # Images of containers have one that forbids services.
        (machine.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        # At each installation, the index of all manual pages here: three seconds, nothing of ours.
        (machine.root / "var/lib/man-db/auto-update").unlink(missing_ok=True)

    with Machine(prepare) as machine:
        yield machine


@pytest.fixture(scope="module")
def units_at_first(machine: Machine) -> str:
    """The units that there are right after the first installation, whichever test has asked for it."""
    dpkg(machine, "--install", "/srv/dsked.deb")
    return machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "dsked-*").stdout


@pytest.fixture
def installed(machine: Machine, units_at_first: str) -> Machine:
    """The machine with the package, be it the newer one where another test left that."""
    if not version(machine):
        dpkg(machine, "--install", "/srv/dsked.deb")
    return machine


@pytest.fixture(scope="module")
def delivered(machine: Machine, units_at_first: str) -> None:
    """Configuration, and random data for every pair, once: what is left of it later was kept."""
    if not version(machine):
        dpkg(machine, "--install", "/srv/dsked.deb")
    configuration = machine.root / "etc/dsked"
    (configuration / "network.yaml").write_text(yaml.safe_dump(CONFIG))
    for node in (*HUBS, *CLIENTS):
        (configuration / f"{node}.yaml").symlink_to("network.yaml")
    machine.run("install", "-d", "-o", "dsked", "-g", "dsked", "-m", "700", "/run/carried")
    for hub, client in itertools.product(HUBS, CLIENTS):
        pair, bundle = ("--hub", hub, "--client", client), f"/run/carried/{hub}-{client}.psrd"
        psrd(machine, f"hub-{hub}", "generate", *pair, "--size", "1M", "--out", bundle)
        psrd(machine, f"client-{client}", "import", "--client", client, bundle)


@pytest.fixture
def running(installed: Machine, delivered: None) -> Machine:
    """The machine with all nodes enabled and running."""
    installed.run("systemctl", "enable", "--now", *NODES)
    return installed


def dpkg(machine: Machine, *words: str) -> str:
    ran = machine.run("dpkg", *words)
    return ran.stdout + ran.stderr


def version(machine: Machine) -> str:
    """Of what is installed; empty where nothing is."""
    if not (machine.root / "usr/bin/dskectl").exists():
        return ""
    return machine.run("dskectl", "--version").stdout.removeprefix("dskectl, version ").strip()


def key(machine: Machine, down: tuple[str, ...] = ()) -> None:
    """One for sam and sunny, at both ends, once both clients have all hubs but those that are down."""
    wait_for_hubs(machine, CLIENTS, set(HUBS) - {*down})
    given = json.loads(machine.run("dskectl", "get-key", "sunny", "--node", "carol", "--json").stdout)
    asked = ("get-key-with-key-ids", "sam", given["keys"][0]["key_ID"], "--node", "curtis", "--json")
    assert json.loads(machine.run("dskectl", *asked).stdout)["keys"][0]["key"] == given["keys"][0]["key"]


def psrd(machine: Machine, node: str, *words: str) -> None:
    """dskectl psrd as the node's user, in its state directory."""
    machine.run(
        "systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--property=User=dsked",
        f"--property=StateDirectory=dsked/{node}", "dskectl", "--config", "/etc/dsked/network.yaml",
        "--state-dir", STATE, "psrd", *words,
    )  # fmt: skip


def verdict(machine: Machine) -> str:
    """The doctor's, of carol."""
    told = machine.run("dskectl", "doctor", "--node", "carol", "--json", check=False)
    return str(json.loads(told.stdout)["verdict"])


def pools(machine: Machine) -> set[str]:
    """The files of random data in the nodes' state: two for each of the six pairs, at both its ends."""
    large = ("-type", "f", "-size", "+100k")  # smaller ones may come and go: nodes are at work
    found = set(machine.run("find", STATE, "-ignore_readdir_race", *large).stdout.split())
    assert len(found) == 2 * 2 * len(HUBS) * len(CLIENTS)
    return found


def test_installing_makes_the_user_and_directories(installed: Machine) -> None:
    user = installed.run("getent", "passwd", "dsked").stdout
    assert re.fullmatch(r"dsked:x:\d+:\d+:.*:/var/lib/dsked:/usr/sbin/nologin\n", user)
    shown = installed.run("stat", "-c", "%n %U:%G %a", "/etc/dsked", STATE, "/run/dsked", "/var/log/dsked")
    assert shown.stdout.splitlines() == [
        "/etc/dsked root:dsked 750",
        f"{STATE} root:root 755",
        "/run/dsked root:root 755",
        "/var/log/dsked dsked:dsked 700",
    ]


def test_installing_starts_nothing(units_at_first: str) -> None:
    assert units_at_first == ""


def test_units_are_what_systemd_expects(installed: Machine) -> None:
    units = ("dsked-hub@hank.service", "dsked-client@carol.service")
    verified = installed.run("systemd-analyze", "verify", *units)  # their manual pages, too
    assert verified.stdout + verified.stderr == ""


def test_every_module_runs_on_what_the_package_carries_and_depends_on(installed: Machine) -> None:
    """By Debian's Python."""
    program = (
        "import sys, pkgutil, importlib; sys.path.insert(0, '/usr/lib/dsked'); import dsked\n"
        "for module in pkgutil.walk_packages(dsked.__path__, 'dsked.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "print(*(module.__file__ for module in sys.modules.values() if getattr(module, '__file__', None)))"
    )
    files = installed.run("/usr/bin/python3", "-I", "-c", program).stdout.split()
    places = {file.removeprefix("/usr/lib/").partition("/")[0] for file in files}
    assert places == {"dsked", "python3", "python3.11"}


def test_a_module_of_the_callers_is_not_run(installed: Machine) -> None:
    """Neither out of the directory in which root stands, nor by his environment."""
    planted = installed.root / "srv/planted/dsked"
    planted.mkdir(parents=True)
    (planted / "__init__.py").write_text("raise SystemExit('planted')")
    ran = installed.run("env", "-C", "/srv/planted", "PYTHONPATH=/srv/planted", "dskectl", "--version")
    assert ran.stdout == f"dskectl, version {version(installed)}\n"


@pytest.mark.parametrize("page", ["dsked(8)", "dskectl(1)", "dsked.yaml(5)"])
def test_manual_pages_are_found_and_shown(installed: Machine, page: str) -> None:
    name, section = page.rstrip(")").split("(")
    shown = installed.run("env", "MANWIDTH=100", "man", "--warnings=w", section, name)
    assert shown.stdout.upper().startswith(page.upper()) and shown.stderr == ""


@pytest.mark.parametrize("program", ["dsked", "dskectl"])
def test_completion_is_where_each_shell_looks(installed: Machine, program: str) -> None:
    for path in (
        f"bash-completion/completions/{program}",
        f"zsh/vendor-completions/_{program}",
        f"fish/vendor_completions.d/{program}.fish",
    ):
        assert f"_{program.upper()}_COMPLETE" in (installed.root / "usr/share" / path).read_text()


def test_bash_completes_commands(installed: Machine) -> None:
    program = (
        "source /usr/share/bash-completion/completions/dskectl; COMP_WORDS=(dskectl stat); COMP_CWORD=1; "
        '_dskectl_completion dskectl; echo "${COMPREPLY[@]}"'
    )
    assert installed.run("bash", "-c", program).stdout == "status\n"


def test_a_key_through_its_units(running: Machine) -> None:
    key(running)


def test_examples_are_installed_and_good(installed: Machine) -> None:
    examples = "/usr/share/doc/dsked/examples"
    for name in ("hub", "client"):
        installed.run("dskectl", "config", "check", f"{examples}/{name}.yaml")
        shown = installed.run("dskectl", "config", "example", name).stdout
        assert shown == (installed.root / f"{examples[1:]}/{name}.yaml").read_text()
    for path in ("prometheus/dsked-alerts.yaml", "grafana/dsked-dashboard.json"):
        assert (installed.root / examples[1:] / path).is_file()


def test_links_of_documents_lead_somewhere(installed: Machine) -> None:
    """Also those to files that stand elsewhere in a package than in the sources."""
    documents = installed.root / "usr/share/doc/dsked"
    links = [
        (path, link)
        for path in documents.rglob("*.md")
        for link in re.findall(r"\]\(([^)#:\s]+)[)#]", path.read_text())
    ]
    assert len(links) > 100
    dead = [
        f"{path.relative_to(documents)}: {link}"
        for path, link in links
        if not (installed.root / link[1:] if link.startswith("/") else path.parent / link).exists()
    ]
    assert dead == []


def test_the_wireshark_dissector_is_there(installed: Machine) -> None:
    there = installed.root / "usr/share/dsked/wireshark"
    assert {path.name for path in there.iterdir()} == {"dske.lua", "dske.colorfilters", "sample.pcap"}


def test_operators_see_what_runs(running: Machine) -> None:
    for name in (*HUBS, *CLIENTS):
        assert name in running.run("dskectl", "status", "--table", "--node", name).stdout
    wait_until(lambda: verdict(running) != "fault", "the doctor sees no fault, once all hubs are connected")
    read = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9464/metrics').read().decode())"
    assert f'version="{version(running)}"' in running.run("python3", "-I", "-c", read).stdout


def test_audit_logs_are_rotated_and_their_chain_goes_on(running: Machine) -> None:
    log = "/var/log/dsked/carol.audit"
    key(running)
    running.run("logrotate", "--force", "/etc/logrotate.d/dsked")
    wait_until(lambda: (running.root / log[1:]).exists(), "the node has reopened its log")
    key(running)
    running.run("dskectl", "audit", "verify", f"{log}.1", log)
    for part in (f"{log}.1", log):
        assert "established" in running.run("dskectl", "audit", "show", part).stdout


def test_a_laboratory_starts_from_it(installed: Machine) -> None:
    """`dskectl start` makes processes of its own, which must find the same libraries."""
    example = "/usr/share/doc/dsked/examples/dske-config.yaml"
    laboratory = ("dskectl", "--config", example, "--hub", "hank")
    installed.run(*laboratory, "start", "--log-dir", "/srv")
    (hank,) = json.loads(installed.run(*laboratory, "status", "--json").stdout)["nodes"]
    assert hank["running"]
    installed.run(*laboratory, "stop")


def test_an_upgrade_goes_on_with_the_same_pools_and_restarts_what_runs(running: Machine) -> None:
    running.run("systemctl", "stop", "dsked-hub@helen")
    before, processes = pools(running), {node: running.main_pid(node) for node in NODES}
    dpkg(running, "--install", "/srv/newer.deb")
    assert version(running) == NEWER and pools(running) == before
    for node in set(NODES) - {"dsked-hub@helen"}:
        running.wait_for(node, ActiveState="active", StatusText="ready")
        assert running.main_pid(node) not in (0, processes[node])
    assert running.main_pid("dsked-hub@helen") == 0, "it was stopped by hand"
    key(running, down=("helen",))


def test_an_upgrade_takes_a_hub_that_hangs_and_a_client_that_waits(running: Machine) -> None:
    hub, client = "dsked-hub@hank", "dsked-client@carol"
    running.run("systemctl", "stop", "dsked-hub@hilary", client)
    soon = running.root / f"run/systemd/system/{hub}.service.d/soon.conf"
    soon.parent.mkdir(parents=True)
    soon.write_text("[Service]\nTimeoutStopSec=2s\n")
    running.run("systemctl", "daemon-reload")
    os.kill(running.main_pid(hub), signal.SIGSTOP)
    running.run("systemctl", "start", "--no-block", client)
    wait_until(lambda: running.main_pid(client), "the client runs")
    processes = {node: running.main_pid(node) for node in (hub, client)}
    running.wait_for(client, ActiveState="activating")
    dpkg(running, "--install", "/srv/newer.deb")
    for node, process in processes.items():
        running.wait_for(node, ActiveState="active", StatusText="ready")
        assert running.main_pid(node) not in (0, process)


def test_removal_stops_nodes_and_leaves_their_state_to_the_next_installation(running: Machine) -> None:
    before = pools(running)
    dpkg(running, "--remove", "dsked")
    assert [node for node in NODES if running.main_pid(node)] == []
    assert not (running.root / "usr/lib/dsked").exists()
    assert pools(running) == before
    dpkg(running, "--install", "/srv/dsked.deb")
    running.run("systemctl", "start", *NODES)
    key(running)


def test_a_purge_keeps_what_knows_which_random_data_is_used_up(running: Machine) -> None:
    """Also where it is a mount, which cannot be removed."""
    before = pools(running)
    running.run("mount", "--bind", STATE, STATE)
    said = dpkg(running, "--purge", "dsked")
    assert f"{STATE} is kept" in said
    assert pools(running) == before and (running.root / "etc/dsked/network.yaml").exists()
    assert list((running.root / "etc/systemd/system").glob("*.wants/dsked-*")) == []
