"""Nodes that dskectl has started, or their stand-ins."""

from __future__ import annotations

import json

import pytest

from dsked.cli import process

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


#: Stand-ins that do not stop when they are asked to.
_UNWILLING = {"stubborn", "deaf", "immortal"}


def mood(monkeypatch: pytest.MonkeyPatch, **moods: str) -> None:
    """How stand-ins misbehave; those that would not stop are soon pressed, and no others."""
    monkeypatch.setenv("STAND_IN", json.dumps(moods))
    if _UNWILLING.intersection(moods.values()):
        monkeypatch.setattr(process, "STOP_GRACE_S", 0.3)
        monkeypatch.setattr(process, "TERMINATE_GRACE_S", 0.3)


def pids(call: Dskectl) -> dict[str, int]:
    nodes = json.loads(call("status", "--json").out)["nodes"]
    return {node["name"]: node["status"]["pid"] for node in nodes if node["running"]}
