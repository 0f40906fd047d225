"""The description of the ETSI interface holds against real daemons."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.laboratory import Laboratory

from .support import small, started, wait_for_hubs

HUBS = ["hank", "helen", "hilary"]
#: So small that every schema-valid number and size may be asked for together.
LIMITS = {"max_keys_per_request": 16, "max_key_size_bits": 1024}


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with started(small(HUBS, k=2) | {"limits": LIMITS}) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        yield lab


#: A slave that is there, or nothing would be accepted. Not all is accepted that is right by its schema: keys
#: that are asked for by their IDs are not there, nor are a body's further slaves, and 2.0 is no integer here.
_SETTINGS = """
parameters = {slave_SAE_ID = "sunny"}

[[operations]]
include-path-regex = "/dec_keys$"
[operations.checks.positive_data_acceptance]
enabled = false

[[operations]]
include-operation-id = "postForKey"
[operations.checks.positive_data_acceptance]
enabled = false
"""

#: Leaning towards what is accepted would take most of the time, and more of it with every further request.
_HOOKS = """
import hypothesis

hypothesis.target = lambda *_arguments, **_options: 0.0
"""


def requests_that_hold(lab: Laboratory, directory: Path, number: int) -> Counter[tuple[str, int]]:
    """Send about so many requests for each method; by its name, replies of each status.

    All checks of schemathesis hold: no server error; statuses, types and bodies as described; what does not
    fit the schemas is refused, what fits them is taken; other HTTP methods are refused.
    """
    settings, report = directory / "schemathesis.toml", directory / "requests.har"
    settings.write_text(_SETTINGS)
    (directory / "hooks.py").write_text(_HOOKS)
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", settings, "run",
            f"http://127.0.0.1:{lab.port('carol')}/openapi.json", f"--max-examples={number}", "--no-color",
            "--report=har", f"--report-har-path={report}",
        ],
        cwd=directory, env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    entries: list[dict[str, Any]] = json.loads(report.read_text())["log"]["entries"]
    return Counter((_method(entry["request"]), entry["response"]["status"]) for entry in entries)


def _method(request: dict[str, Any]) -> str:
    return f"{request['method']} {request['url'].partition('?')[0].rpartition('/')[2]}"


def test_the_description_holds(lab: Laboratory, tmp_path: Path) -> None:
    replies = requests_that_hold(lab, tmp_path, 25)
    assert replies.total() >= 150
    for method in ("GET status", "GET enc_keys", "POST enc_keys"):
        assert replies[method, 200] >= 5, replies


@pytest.mark.full
def test_the_description_holds_in_ten_thousand_requests(lab: Laboratory, tmp_path: Path) -> None:
    assert requests_that_hold(lab, tmp_path, 2600).total() >= 10_000
