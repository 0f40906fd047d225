"""Nodes that dskectl has started, or their stand-ins."""

from __future__ import annotations

import json

import pytest

from .conftest import Dskectl

START = """\
Waiting for all nodes to be stopped
Starting hub hank on port 8100
Starting hub helen on port 8101
Starting hub hugo on port 8102
Starting client carol on port 8103
Starting client curtis on port 8104
Waiting for all nodes to be started
"""
STOP = """\
Stopping client curtis on port 8104
Stopping client carol on port 8103
Stopping hub hugo on port 8102
Stopping hub helen on port 8101
Stopping hub hank on port 8100
Waiting for all nodes to be stopped
"""


def mood(monkeypatch: pytest.MonkeyPatch, **moods: str) -> None:
    monkeypatch.setenv("STAND_IN", json.dumps(moods))


def pids(call: Dskectl) -> dict[str, int]:
    nodes = json.loads(call("status", "--json").out)["nodes"]
    return {node["name"]: node["status"]["pid"] for node in nodes if node["running"]}
