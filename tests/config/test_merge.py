"""A node's settings: what the file says, and what the command line changes."""

from pathlib import Path
from typing import Any

import pytest

from dsked.config import gate_keys, merge, paths, topology
from dsked.config.node import HubAddress
from dsked.config.options import Options
from dsked.errors import ConfigurationError

HUBS = (
    HubAddress(name="hank", host="127.0.0.1", port=8100, x=1),
    HubAddress(name="helen", host="127.0.0.1", port=8101, x=2),
    HubAddress(name="hugo", host="127.0.0.1", port=8102, x=3),
)


def test_a_hub_finds_itself_in_the_file(small: Path, directory: Path) -> None:
    settings = merge.hub_settings(Options(name="helen", config=small))
    assert (settings.name, settings.host, settings.port) == ("helen", "127.0.0.1", 8101)
    assert settings.share_timeout_s == 60.0
    assert settings.simulated
    assert settings.owners == {"carol": ("sam",), "curtis": ("sunny", "susan")}
    made = gate_keys.load(directory / "state" / "gate-keys.json")
    assert settings.gate_keys == {"carol": made["carol", "helen"], "curtis": made["curtis", "helen"]}
    assert settings.control.path == directory / "run" / paths.topology_id(small) / "hub-helen.sock"


def test_a_client_finds_itself_in_the_file(small: Path, directory: Path) -> None:
    settings = merge.client_settings(Options(name="curtis", config=small))
    assert (settings.host, settings.port, settings.etsi_plain_http) == ("127.0.0.1", 8104, True)
    assert settings.hubs == HUBS
    assert settings.min_nr_shares == 2
    assert settings.encryptors == ("sunny", "susan")
    assert settings.start_request_psrd_threshold == 500
    assert settings.stop_request_psrd_threshold == 2000
    assert settings.get_psrd_block_size == 1000
    assert settings.control.users == {"sunny": ("alice", "1001")}
    assert settings.control.groups == {"sunny": ("macsec",)}
    made = gate_keys.load(directory / "state" / "gate-keys.json")
    assert settings.gate_keys == {hub.name: made["curtis", hub.name] for hub in HUBS}


def test_both_ends_of_a_pair_get_the_same_gate_key(small: Path) -> None:
    hub = merge.hub_settings(Options(name="hugo", config=small))
    client = merge.client_settings(Options(name="carol", config=small))
    assert hub.gate_keys["carol"] == client.gate_keys["hugo"]


def test_settings_do_not_show_gate_keys(small: Path) -> None:
    hub = merge.hub_settings(Options(name="hank", config=small))
    client = merge.client_settings(Options(name="carol", config=small))
    for settings in (hub, client):
        for key in settings.gate_keys.values():
            assert key.hex() not in repr(settings)
            assert repr(key) not in repr(settings)


CLIENT_CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"port": 9999}, {"port": 9999}),
    ({"host": "127.0.0.2"}, {"host": "127.0.0.2"}),
    ({"min_nr_shares": 3}, {"min_nr_shares": 3}),
    ({"share_timeout_s": 5.5}, {"share_timeout_s": 5.5}),
    ({"start_request_psrd_threshold": 600}, {"start_request_psrd_threshold": 600}),
    ({"stop_request_psrd_threshold": 6000}, {"stop_request_psrd_threshold": 6000}),
    ({"get_psrd_block_size": 4096}, {"get_psrd_block_size": 4096}),
    ({"hubs": HUBS[:2]}, {"hubs": HUBS[:2]}),
    ({"encryptors": ("sunny", "other")}, {"encryptors": ("sunny", "other")}),
    ({"log_level": "debug"}, {"log_level": "debug"}),
    ({"wrapping": "required"}, {"wrapping": "required"}),
]


@pytest.mark.parametrize(("options", "expected"), CLIENT_CHANGES)
def test_options_win_over_the_file(small: Path, options: dict[str, Any], expected: dict[str, Any]) -> None:
    settings = merge.client_settings(Options(name="curtis", config=small, **options))
    assert {name: getattr(settings, name) for name in expected} == expected


def test_who_may_act_for_an_encryptor_stays_where_the_command_line_lists_encryptors(small: Path) -> None:
    options = Options(name="curtis", config=small, encryptors=("sunny", "other"))
    control = merge.client_settings(options).control
    assert control.users == {"sunny": ("alice", "1001")}
    assert control.groups == {"sunny": ("macsec",)}


def test_named_directories_win(small: Path, directory: Path) -> None:
    options = Options(
        name="hank", config=small, state_dir=str(directory / "s2"), runtime_dir=str(directory / "r2")
    )
    settings = merge.hub_settings(options)
    assert (directory / "s2" / "gate-keys.json").exists()
    assert settings.control.path.is_relative_to(directory / "r2")


def standalone(directory: Path, **values: Any) -> Options:
    """Everything on the command line."""
    file = directory / "pairs.json"
    gate_keys.ensure(file, [("carol", hub.name) for hub in HUBS])
    return Options(**({"psrd": "simulated", "gate_keys": file} | values))


def test_a_hub_without_a_file_takes_clients_as_they_come(directory: Path) -> None:
    settings = merge.hub_settings(standalone(directory, name="hank", port=8100))
    assert settings.owners is None
    assert list(settings.gate_keys) == ["carol"]
    assert settings.share_timeout_s == 60.0
    assert settings.control.path == directory / "run" / "no-topology" / "hub-hank.sock"


def test_a_client_without_a_file(directory: Path) -> None:
    options = standalone(directory, name="carol", hubs=HUBS, encryptors=("sam",))
    settings = merge.client_settings(options)
    assert settings.port is None
    assert not settings.etsi_plain_http
    assert settings.min_nr_shares == 3
    etsi = standalone(
        directory, name="carol", hubs=HUBS, port=8105, etsi="plain-http-on-loopback", encryptors=("sam",)
    )
    assert merge.client_settings(etsi).port == 8105


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("hub", {"name": "hank"}, "--port: missing"),
    ("hub", {"name": "ha/nk", "port": 1}, "'ha/nk' is no name for a node"),
    ("hub", {"name": "hank", "port": 0}, "--port: 0 is no TCP port"),
    ("hub", {"name": "hank", "port": 1, "host": "no host"}, "--host: 'no host' is no host name"),
    ("hub", {"name": "hank", "port": 1, "psrd": None}, "--psrd: missing"),
    ("hub", {"name": "hank", "port": 1, "host": "192.0.2.1"}, "--psrd: 'simulated' is for loopback only"),
    ("hub", {"name": "hank", "port": 1, "gate_keys": None}, "--gate-keys: missing"),
    ("hub", {"name": "other", "port": 1}, "holds no gate key for hub other"),
    ("hub", {"name": "hank", "port": 1, "share_timeout_s": -1.0}, "--share-timeout-secs: -1.0; expected"),
    ("client", {"name": "carol"}, "--hubs: missing"),
    ("client", {"name": "carol", "hubs": (HUBS[0], HUBS[0])}, "--hubs: names and x-coordinates must differ"),
    ("client", {"name": "carol", "hubs": HUBS, "port": 8105}, "--port: is the port of the ETSI interface"),
    ("client", {"name": "carol", "hubs": HUBS, "etsi": "plain-http-on-loopback"}, "--etsi: needs --port"),
    ("client", {"name": "carol", "hubs": HUBS, "min_nr_shares": 1}, "--min-nr-shares: 1 is too few"),
    ("client", {"name": "carol", "hubs": HUBS, "min_nr_shares": 4}, "--min-nr-shares: 4 shares cannot"),
    ("client", {"name": "carol", "hubs": HUBS, "encryptors": ("",)}, "--encryptors: a name of 1 to 128"),
    ("client", {"name": "carol", "hubs": HUBS, "get_psrd_block_size": 0}, "--get-psrd-block-size: 0 bytes"),
    ("client", {"name": "celia", "hubs": HUBS}, "holds no gate key for the pair celia/hank"),
]


@pytest.mark.parametrize(("role", "values", "says"), FAULTS)
def test_a_wrong_option_is_named(directory: Path, role: str, values: dict[str, Any], says: str) -> None:
    make = merge.hub_settings if role == "hub" else merge.client_settings
    with pytest.raises(ConfigurationError) as error:
        make(standalone(directory, **values))
    assert says in str(error.value)


def test_plain_http_is_refused_off_loopback_on_the_command_line(small: Path) -> None:
    with pytest.raises(ConfigurationError, match="--etsi: plain HTTP is for loopback only"):
        merge.client_settings(Options(name="carol", config=small, host="192.0.2.1"))


def test_a_node_that_is_not_in_the_file_is_told_which_are(small: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no hub 'carol'; it has hank, helen, hugo"):
        merge.hub_settings(Options(name="carol", config=small))


def test_over_a_network_no_daemon_makes_gate_keys_of_its_own(small: Path, directory: Path) -> None:
    text = small.read_text().replace("simulated", "simulated-insecure-over-the-network")
    small.write_text(text.replace("name: hank", "name: hank\n    host: 192.0.2.1"))
    with pytest.raises(ConfigurationError, match="there is no file of gate keys"):
        merge.hub_settings(Options(name="hank", config=small))
    network = topology.load(small)
    assert merge.ensure_gate_keys(network, merge.gate_key_file(network))
    assert len(merge.hub_settings(Options(name="hank", config=small)).gate_keys) == 2


def test_the_file_may_say_where_gate_keys_are(small: Path, directory: Path) -> None:
    small.write_text(small.read_text() + "gate_keys: mine.json\n")
    merge.hub_settings(Options(name="hank", config=small))
    assert (directory / "mine.json").exists()
