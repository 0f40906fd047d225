"""Alert rules and the dashboard: Prometheus understands them, and they ask for nothing that no node tells."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dsked.metrics.families import ALL, Kind
from tests.metrics.scraping import promtool

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "configs/prometheus/dsked-alerts.yaml"
DASHBOARD = ROOT / "configs/grafana/dsked-dashboard.json"
PLAYED = Path(__file__).with_name("alerts.test.yaml")
LABELS = {family.name: set(family.labels) for family in ALL}
_NOT_OURS = {"up", "process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"}
_SELECTOR = re.compile(r"\b((?:dsked_|process_)[a-z_]+|up)\b(?:\{([^}]*)\})?")
_OF_SCRAPING = {"instance", "job", "le"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> Iterator[str]:
    for rule in rules():
        yield rule["expr"]
    for panel in panels():
        for target in panel.get("targets", ()):
            yield target["expr"]


def names() -> set[str]:
    """Every name that a sample of ours may have."""
    of_histograms = {
        f"{family.name}_{part}"
        for family in ALL
        for part in ("bucket", "sum", "count")
        if family.kind is Kind.HISTOGRAM
    }
    return {family.name for family in ALL if family.kind is not Kind.HISTOGRAM} | of_histograms


def test_promtool_takes_the_rules_and_the_example() -> None:
    for arguments in (
        ("check", "rules", str(ALERTS)),
        ("check", "config", str(ALERTS.with_name("prometheus.yaml"))),
    ):
        checked = promtool(*arguments)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_begins_when_it_should() -> None:
    played = promtool("test", "rules", str(PLAYED))
    assert played.returncode == 0, played.stdout + played.stderr
    text = PLAYED.read_text()
    for rule in rules():
        assert rule["alert"] in text


def test_an_alert_that_would_not_begin_is_noticed(tmp_path: Path) -> None:
    weakened = ALERTS.read_text().replace("dsked_ready == 0", "dsked_ready == 2")
    (tmp_path / "rules.yaml").write_text(weakened)
    (tmp_path / "test.yaml").write_text(
        PLAYED.read_text().replace("../../configs/prometheus/dsked-alerts.yaml", "rules.yaml")
    )
    assert promtool("test", "rules", str(tmp_path / "test.yaml")).returncode != 0


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_only_what_nodes_tell_is_asked_for(expression: str) -> None:
    found = _SELECTOR.findall(expression)
    assert found
    for name, selected in found:
        assert name in names() | _NOT_OURS
        labels = set(re.findall(r"(\w+)\s*[=!]", selected))
        family = re.sub("_(bucket|sum|count)$", "", name)
        assert labels <= LABELS.get(family, set()) | _OF_SCRAPING


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_has_its_section_in_the_operators_guide(rule: dict[str, Any]) -> None:
    guide = (ROOT / "docs/operators-guide.md").read_text()
    file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert file == "docs/operators-guide.md"
    assert anchor == rule["alert"].lower()
    # A second one would have another anchor.
    assert len(re.findall(rf"^#+ {rule['alert']}$", guide, re.M)) == 1
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}


def test_prometheus_understands_every_panel(tmp_path: Path) -> None:
    asked = [
        target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
        for panel in panels()
        for target in panel.get("targets", ())
    ]
    records = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]}))
    checked = promtool("check", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(records)} rules found" in checked.stdout


def test_panels_have_places_of_their_own() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["type"] == "row" or panel["description"]


def test_every_metric_is_explained() -> None:
    page = (ROOT / "docs/monitoring.md").read_text()
    for family in ALL:
        [line] = [line for line in page.splitlines() if line.startswith(f"| `{family.name}`")]
        for label in family.labels:
            assert f"`{label}`" in line, (family.name, label)
    told = set(re.findall(r"^\| `(dsked_[a-z_]+)`", page, re.M))
    assert told == {family.name for family in ALL}
