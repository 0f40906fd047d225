"""Real daemons, watched as docs/monitoring.md says; and by Prometheus itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from dsked.delivery.control_protocol import Op
from scripts.laboratory import LIMIT_S, Laboratory, free_ports, topology, wait_until
from tests.metrics.scraping import Scraped, promtool
from tests.metrics.test_alerts import ALERTS, panels
from tests.system.support import Pipeline, etsi, fetch, key_pair

NODES = ["hub1", "hub2", "hub3", "carol", "curtis"]
CLIENTS = {"carol": ("sam",), "curtis": ("sunny", "susan")}


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    metrics = {"base_port": free_ports(len(NODES) + 1)}
    settings = {"metrics": metrics, "audit_log": "{name}.audit"}
    content = topology(3, CLIENTS, free_ports(len(NODES)), min_nr_shares=2, **settings)
    with Laboratory(content) as started:
        wait_until(lambda: whole(started), "every hub is used")
        yield started


def port(lab: Laboratory, node: str) -> int:
    return int(lab.content["metrics"]["base_port"]) + NODES.index(node)


def read(lab: Laboratory, node: str, path: str = "/metrics") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port(lab, node)}{path}", timeout=LIMIT_S) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def scrape(lab: Laboratory, node: str) -> Scraped:
    return Scraped(read(lab, node)[1])


def whole(lab: Laboratory) -> bool:
    """All nodes are ready, and every client uses every hub: one that is ready may still lack the third."""
    ready = all(read(lab, node, "/readyz")[0] == 200 for node in NODES)
    return ready and all(scrape(lab, client)("hubs_usable") == 3 for client in CLIENTS)


def draining(lab: Laboratory, client: str) -> bool:
    """Whether a client knows that hub3 drains."""
    return scrape(lab, client)("peer_draining", peer="hub3") == 1


def test_every_node_of_a_topology_is_watched(lab: Laboratory) -> None:
    key_pair(lab)
    for node in NODES:
        assert read(lab, node, "/healthz") == (200, "ok\n")
        assert read(lab, node, "/readyz") == (200, "ready\n")
        status, text = read(lab, node)
        assert status == 200
        assert f'node="{node}"' in text
        checked = promtool("check", "metrics", text=text)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        assert "\nprocess_start_time_seconds " in text
        assert Scraped(text)("audit_log_failing") == 0


def test_what_encryptors_and_users_do_is_counted(lab: Laboratory) -> None:
    def counted(before: Scraped, after: Scraped, name: str, **labels: str) -> float:
        return after(name, **labels) - before.samples.get((f"dsked_{name}", frozenset(labels.items())), 0)

    before = scrape(lab, "carol")
    keys = key_pair(lab, number=2)
    assert etsi(lab, "carol", "sunny/enc_keys", sae="sam").status == 200
    assert etsi(lab, "carol", "sunny/enc_keys", sae="mallory").status == 401
    with suppress(Exception):
        fetch(lab, "sunny", "sam", keys)
    with Pipeline(lab.socket("client", "carol")) as carol:
        carol.answers(Op.GET_KEYS, [[["sunny"], 1, 77, "sam"]])
    wait_until(lambda: scrape(lab, "carol").text != before.text, "a new scrape")
    after = scrape(lab, "carol")
    assert counted(before, after, "keys_established_total") == 3
    assert counted(before, after, "http_replies_total", interface="etsi", code="200") == 1
    refused = {"interface": "etsi", "reason": "unauthorized"}
    assert counted(before, after, "authentication_failures_total", **refused) == 1
    assert counted(before, after, "control_errors_total", reason="bad_key_size") == 1
    assert counted(before, after, "key_request_failures_total", half="initiator", reason="bad_key_size") == 1


def test_a_hub_that_drains_is_ready_and_says_so(lab: Laboratory) -> None:
    lab.run("--hub", "hub3", "drain", "--no-wait")
    try:
        wait_until(lambda: scrape(lab, "hub3")("draining") == 1, "the hub's metrics tell")
        assert read(lab, "hub3", "/readyz") == (200, "ready\n")
        assert scrape(lab, "hub3")("ready") == 1
        for client in CLIENTS:
            told = partial(draining, lab, client)
            wait_until(told, f"{client}'s tell, too")
        assert scrape(lab, "carol")("peer_usable", peer="hub3") == 0
        document = json.loads(lab.run("doctor", "--json").stdout)
        found = {one["about"] for one in document["findings"] if "no new shares" in one["text"]}
        assert {"hub hub3", "client carol, hub hub3", "client curtis, hub hub3"} == found
    finally:
        lab.stop("hub3")
        lab.start("hub3")
        wait_until(lambda: whole(lab), "every hub is used again")


def test_a_client_without_its_hubs_is_healthy_and_not_ready(lab: Laboratory) -> None:
    lab.stop("hub1", "hub2")
    try:
        wait_until(lambda: read(lab, "carol", "/readyz")[0] == 503, "carol is not ready")
        assert "1 of 3 hubs" in read(lab, "carol", "/readyz")[1]
        assert read(lab, "carol", "/healthz")[0] == 200
        wait_until(lambda: scrape(lab, "carol")("hubs_usable") == 1, "carol's metrics tell of one hub")
        assert scrape(lab, "carol")("ready") == 0
        with pytest.raises(OSError):
            read(lab, "hub1")
    finally:
        lab.start("hub1", "hub2")
        wait_until(lambda: whole(lab), "every hub is used again")


# --- with Prometheus ---


@contextmanager
def prometheus(lab: Laboratory, directory: Path) -> Iterator[str]:
    """Prometheus with the alert rules, which scrapes every second; gives its address."""
    config = yaml.safe_load(ALERTS.with_name("prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    targets = [f"127.0.0.1:{port(lab, node)}" for node in NODES]
    config["scrape_configs"][0]["static_configs"] = [{"targets": targets}]
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
    shutil.copy(ALERTS, directory)
    listen = f"127.0.0.1:{lab.content['metrics']['base_port'] + len(NODES)}"
    command = [
        "prometheus",
        f"--config.file={directory}/prometheus.yaml",
        f"--storage.tsdb.path={directory}/data",
    ]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={listen}"], stderr=log)
        try:
            yield f"http://{listen}"
        finally:
            process.terminate()
            process.wait(LIMIT_S)


def ask(address: str, path: str, **arguments: str) -> Any:
    """`data` of an answer of Prometheus's, None where there is none yet."""
    url = f"{address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
    with suppress(urllib.error.URLError), urllib.request.urlopen(url, timeout=LIMIT_S) as reply:
        return json.load(reply)["data"]
    return None


@pytest.mark.full
def test_every_panel_of_the_dashboard_has_something_to_show(lab: Laboratory, tmp_path: Path) -> None:
    """But for those of what has not happened here; and no alert begins where all is well."""
    empty = {"First pool used up in", "Days left of each pool on media"}
    with prometheus(lab, tmp_path) as address:

        def lacking() -> set[str]:
            key_pair(lab)
            found = set()
            for panel in panels():
                for target in panel.get("targets", ()):
                    query = target["expr"].replace("$__rate_interval", "10s").replace("$instance", ".*")
                    data = ask(address, "query", query=query)
                    if not data or not data["result"]:
                        found.add(panel["title"])
            return found - empty

        wait_until(lambda: not lacking(), "every panel has data")
        alerts = {alert["labels"]["alertname"] for alert in ask(address, "alerts")["alerts"]}
        assert alerts <= {"DskedAuthenticationFailures"}  # of a test before


@pytest.mark.full
def test_an_alert_begins_for_real(lab: Laboratory, tmp_path: Path) -> None:
    with prometheus(lab, tmp_path) as address:
        usable = partial(ask, address, "query", query="dsked_hubs_usable == 3")
        wait_until(lambda: (data := usable()) and len(data["result"]) == len(CLIENTS), "metrics are there")
        lab.stop("hub1")
        try:

            def begun() -> set[str]:
                return {alert["labels"]["alertname"] for alert in ask(address, "alerts")["alerts"]}

            wanted = {"DskedNodeDown", "DskedHubDown", "DskedNoHubToSpare"}
            wait_until(lambda: wanted <= begun(), "alerts are pending")
        finally:
            lab.start("hub1")
            wait_until(lambda: whole(lab), "every hub is used again")
