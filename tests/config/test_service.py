"""A node as a unit of systemd: where its files are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dsked.config import document, merge, service
from dsked.config.options import Options
from dsked.errors import ConfigurationError

TOPOLOGY = {
    "psrd": "media",
    "hubs": [{"name": "hank"}, {"name": "helen"}],
    "min_nr_shares": 2,
    "clients": [{"name": "carol"}],
}


@pytest.fixture
def unit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where systemd has made the directories of hub hank; pytest's own paths are too long for sockets."""
    with tempfile.TemporaryDirectory(prefix="dsked-test-") as directory:
        monkeypatch.setenv("STATE_DIRECTORY", f"{directory}/lib/hub-hank")
        monkeypatch.setenv("RUNTIME_DIRECTORY", f"{directory}/run/hub-hank")
        yield Path(directory)


def options(directory: Path, state_dir: str | None = None, runtime_dir: str | None = None) -> Options:
    config = directory / "hank.yaml"
    config.write_text(yaml.safe_dump(TOPOLOGY))
    return Options(name="hank", config=config, state_dir=state_dir, runtime_dir=runtime_dir)


def test_a_unit_uses_the_directories_that_systemd_has_made(unit: Path) -> None:
    settings = merge.hub_settings(options(unit))
    assert settings.state_dir == unit / "lib/hub-hank"
    assert settings.control.path == unit / "run/hub-hank/hub-hank.sock"


def test_what_the_operator_names_comes_before(unit: Path) -> None:
    named = merge.hub_settings(options(unit, str(unit / "state"), str(unit / "s")))
    assert named.state_dir == unit / "state/hub-hank"
    assert named.control.path.parent.parent == unit / "s"
    (unit / "hank.yaml").write_text(yaml.safe_dump({**TOPOLOGY, "state_dir": "elsewhere"}))
    written = merge.hub_settings(Options(name="hank", config=unit / "hank.yaml"))
    assert written.state_dir == unit / "elsewhere/hub-hank"


@pytest.mark.parametrize(
    "value", ["", "/var/lib/other", "/var/lib/dsked/hub-helen", "hub-hank", "/var/lib/dsked/client-hank"]
)
def test_directories_of_another_service_are_none_of_this_node(value: str, monkeypatch) -> None:
    """`dskectl start`, called by some service, has that one's environment."""
    monkeypatch.setenv("STATE_DIRECTORY", value)
    monkeypatch.setenv("RUNTIME_DIRECTORY", value)
    assert service.state_directory("hub", "hank") is None
    assert service.runtime_directory("hub", "hank") is None


def test_of_several_directories_the_node_takes_its_own(monkeypatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/other:/var/lib/dsked/hub-hank")
    assert service.state_directory("hub", "hank") == Path("/var/lib/dsked/hub-hank")


def test_a_path_may_be_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = document.Document(tmp_path / "hank.yaml", {}, {})
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    written = "$CREDENTIALS_DIRECTORY/tls-key"
    assert found.beside((), written) == tmp_path / written, "nobody gives any: the error will name it"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/dsked-client@carol.service")
    assert found.beside((), written) == Path("/run/credentials/dsked-client@carol.service/tls-key")
    assert found.beside((), "$HOME/tls-key") == tmp_path / "$HOME/tls-key", "no other variable counts"


@pytest.mark.parametrize("as_its_unit", [True, False])
@pytest.mark.parametrize("only_checked", [True, False])
def test_gate_keys_are_not_made_where_a_credential_is_to_be(
    unit: Path, monkeypatch: pytest.MonkeyPatch, as_its_unit: bool, only_checked: bool
) -> None:
    """On loopback they are made elsewhere; here somebody has forgotten to bring them."""
    given = unit / "credentials"
    given.mkdir()
    if as_its_unit:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    content = {**TOPOLOGY, "psrd": "simulated", "gate_keys": "$CREDENTIALS_DIRECTORY/gate-keys"}
    config = unit / "hank.yaml"
    config.write_text(yaml.safe_dump(content))
    said = "the unit was given no such credential: bring /etc/credstore/dsked.NAME.gate-keys, and start"
    with pytest.raises(ConfigurationError, match=rf"hank.yaml:\d+: gate_keys: .*gate-keys: .*; {said}"):
        merge.hub_settings(Options(name="hank", config=config, only_checked=only_checked))
    assert sorted(path.name for path in unit.iterdir() if path.name != "run") == ["credentials", "hank.yaml"]
    assert list(given.iterdir()) == []
