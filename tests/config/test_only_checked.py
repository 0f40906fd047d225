"""`dsked --check-config` makes nothing, and does not ask whose directories are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dsked.config import merge
from dsked.config.options import Options
from dsked.errors import ConfigurationError

HUB = "hub: hank\nlisten: '127.0.0.1:7100'\nx_coordinate: 1\npsrd: media\nclients: [{name: carol}]\n"


def options(directory: Path, only_checked: bool) -> Options:
    (directory / "hank.yaml").write_text(HUB)
    return Options(
        name="hank",
        config=directory / "hank.yaml",
        runtime_dir=str(directory / "run"),
        state_dir=str(directory / "state"),
        only_checked=only_checked,
    )


def test_a_check_makes_no_directory(tmp_path: Path) -> None:
    merge.hub_settings(options(tmp_path, only_checked=True))
    assert [path.name for path in tmp_path.iterdir()] == ["hank.yaml"]


def test_a_check_passes_where_a_start_would_refuse_a_directory(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    merge.hub_settings(options(tmp_path, only_checked=True))
    with pytest.raises(ConfigurationError, match="everybody can write there"):
        merge.hub_settings(options(tmp_path, only_checked=False))


def test_a_check_makes_no_gate_keys(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text(
        "hubs: [{name: hank}, {name: helen}]\nclients: [{name: carol}]\npsrd: simulated\nmin_nr_shares: 2\n"
    )
    lab = replace(options(tmp_path, only_checked=True), config=tmp_path / "lab.yaml")
    before = sorted(tmp_path.iterdir())
    assert set(merge.hub_settings(lab).gate_keys) == {"carol"}
    assert sorted(tmp_path.iterdir()) == before
