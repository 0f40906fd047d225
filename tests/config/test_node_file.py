"""The file of one node: the same settings as from a topology file, and errors that name its own places."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsked.config import document, paths, schema, topology
from dsked.config.merge import client_settings, hub_settings
from dsked.config.node import HubAddress, MetricsSettings
from dsked.config.options import Options
from dsked.errors import ConfigurationError

HUB = """\
hub: hank
listen: "0.0.0.0:7100"
x_coordinate: 3
psrd: media
clients:
  - name: carol
    encryptors: [sam, serena]
  - name: curtis
metrics: {listen: "127.0.0.1:9464"}
logging: {format: json, level: debug}
audit_log: log/{name}.audit
limits: {max_connections: 7}
"""
CLIENT = """\
client: carol
psrd: media
hubs:
  - {name: hank, address: "hub1.example.net:7100", x_coordinate: 3}
  - {name: helen, address: "[2001:db8::2]:7100", x_coordinate: 1}
min_nr_shares: 2
encryptors:
  - name: sam
    users: [1001]
    stored_keys: [{responder: sunny, count: 2}]
control_group: "0"
etsi: {listen: "127.0.0.1:8443", mode: plain-http-on-loopback}
skip: {listen: "127.0.0.2:8444", system_ids: {there: sunny}}
limits: {max_keys_per_request: 5}
"""


def file(directory: Path, text: str, name: str = "node.yaml") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def test_a_hub(directory: Path) -> None:
    config = file(directory, HUB)
    settings = hub_settings(Options(name="hank", config=config))
    assert (settings.host, settings.port, settings.simulated) == ("0.0.0.0", 7100, False)
    assert settings.owners == {"carol": ("sam", "serena"), "curtis": ()}
    assert settings.metrics == MetricsSettings(host="127.0.0.1", port=9464)
    assert (settings.log_format, settings.log_level) == ("json", "debug")
    assert settings.audit_log == directory / "log/hank.audit"
    assert settings.limits.max_connections == 7
    assert settings.state_dir == directory / "state/hub-hank"
    assert settings.control.path == directory / "run/hub-hank/hub-hank.sock"
    assert topology.load(config).hub("hank").x == 3


def test_a_client(directory: Path) -> None:
    settings = client_settings(Options(name="carol", config=file(directory, CLIENT)))
    assert settings.hubs == (
        HubAddress(name="hank", host="hub1.example.net", port=7100, x=3),
        HubAddress(name="helen", host="2001:db8::2", port=7100, x=1),
    )
    assert (settings.host, settings.port, settings.etsi_plain_http) == ("127.0.0.1", 8443, True)
    assert settings.skip is not None
    assert (settings.skip.host, settings.skip.port) == ("127.0.0.2", 8444)
    assert settings.skip.system_ids == {"sam": "sam", "there": "sunny"}
    assert [one.responder for one in settings.stored_keys] == ["sunny"]
    assert settings.control.users == {"sam": ("1001",)}
    assert settings.limits.max_keys_per_request == 5
    assert settings.control.path == directory / "run/client-carol/client-carol.sock"
    assert (settings.metrics, settings.audit_log, settings.log_format) == (None, None, "auto")


def test_a_client_that_serves_nobody_over_the_network(directory: Path) -> None:
    text = CLIENT.partition("control_group")[0] + "etsi: off\n"
    settings = client_settings(Options(name="carol", config=file(directory, text)))
    assert (settings.port, settings.skip) == (None, None)


def test_options_go_before_the_file(directory: Path) -> None:
    options = Options(
        name="hank", config=file(directory, HUB), host="*", port=7, log_format="text", log_level="error",
        metrics=MetricsSettings(host="::1", port=1), audit_log=Path("/a"),
    )  # fmt: skip
    settings = hub_settings(options)
    assert (settings.host, settings.port, settings.log_format, settings.log_level) == (
        "*",
        7,
        "text",
        "error",
    )
    assert (settings.metrics, settings.audit_log) == (options.metrics, Path("/a"))


@pytest.mark.parametrize("text", [CLIENT.replace("client:", "clinet:"), HUB.replace("hub: hank\n", "")])
def test_a_file_that_does_not_say_whose_it_is_is_told_how(directory: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"of one node has a line 'hub: NAME' or 'client: NAME'$"):
        topology.load(file(directory, text))
    with pytest.raises(ConfigurationError, match=r"host, port, x_coordinate, limits$"):
        topology.load(file(directory, "hubs: [{name: hank, color: red}]\nclients: []\n"))


def test_one_who_is_asked_to_be_another_refuses(directory: Path) -> None:
    config = file(directory, HUB)
    with pytest.raises(ConfigurationError, match="is the file of hub hank, not of client hank"):
        client_settings(Options(name="hank", config=config))
    with pytest.raises(ConfigurationError, match="is the file of hub hank, not of client eve"):
        client_settings(Options(name="eve", config=config))


def changed(text: str, **keys: Any) -> str:
    data = {**yaml.safe_load(text), **keys}
    return yaml.safe_dump({key: value for key, value in data.items() if value is not ...}, sort_keys=False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HUB.replace("0.0.0.0:7100", "7100"), ":2: listen: '7100' is no address; expected HOST:PORT"),
        (HUB.replace("0.0.0.0:7100", "::1:7100"), ":2: listen: '::1:7100' is no address"),
        (HUB.replace("7100", "71000"), ":2: listen: 71000 is no TCP port"),
        (HUB.replace("0.0.0.0", "a b"), ":2: listen: 'a b' is no host name"),
        (HUB.replace("x_coordinate: 3", "x_coordinate: 256"), ":3: x_coordinate: 256 is no x-coordinate"),
        (HUB.replace("x_coordinate: 3\n", ""), ":1: the key 'x_coordinate' is missing"),
        (HUB.replace("psrd: media\n", ""), ":1: psrd: missing"),
        (HUB.replace("serena", "sam"), ":7: clients[0].encryptors[1]: the name 'sam' stands"),
        (HUB.replace("curtis", "hank"), ":8: clients[1].name: the name 'hank' stands at hub already"),
        (HUB.replace("max_connections", "max_http_connections"), ":12: limits.max_http_connections: is no"),
        (HUB.replace("127.0.0.1:9464", "0.0.0.0:9464"), ":9: metrics.listen: 0.0.0.0 is not on loopback"),
        (HUB.replace("json", "xml"), ":10: logging.format: 'xml' is not known; expected 'auto', "),
        (HUB.replace("{name}", "{node}"), ":11: audit_log: '{node}' in "),
        (HUB.replace("psrd: media", "psrd: simulated"), ":4: psrd: 'simulated' is for loopback only"),
        (HUB + "client: carol\n", ":13: client: a node is a hub or a client"),
        (HUB + "hubs: []\n", ":13: hubs: unknown key; expected one of "),
        ("{hub: hank, listen: 'a:1', x_coordinate: 1, clients: [{name: c}], psrd: media}", ":1: hub: "),
        (CLIENT.replace("hub1.example.net:7100", "hub1"), ":4: hubs[0].address: 'hub1' is no address"),
        (CLIENT.replace("hub1.example.net", "0.0.0.0"), ":4: hubs[0].address: 0.0.0.0 is no"),
        (CLIENT.replace("x_coordinate: 1", "x_coordinate: 3"), ":5: hubs[1].x_coordinate: hubs[0] has"),
        (CLIENT.replace("min_nr_shares: 2", "min_nr_shares: 3"), ":6: min_nr_shares: 3 shares cannot come"),
        (CLIENT.replace("name: sam", "name: ' '"), ":8: encryptors[0].name: ' ': control characters"),
        (CLIENT.replace("sunny, count", "sam, count"), ":10: encryptors[0].stored_keys[0].responder: 'sam'"),
        (CLIENT.replace("127.0.0.1:8443", "0.0.0.0:8443"), ":12: etsi.listen: plain HTTP is for"),
        (CLIENT.replace("127.0.0.2:8444", "*:8444"), ":13: skip.listen: plain HTTP is for loopback only"),
        (CLIENT.replace("127.0.0.2:8444", "127.0.0.1:8443"), ":13: skip.listen: port 8443 on"),
        (CLIENT.replace("there: sunny", "sam: sunny"), ":13: skip.system_ids.sam: the system ID 'sam' or"),
        (CLIENT.replace("mode: plain-http-on-loopback", "crl: x"), ":12: etsi: the key 'certificate'"),
        (CLIENT.replace("loopback}", "loopback, crl: x}"), ":12: etsi.crl: is for TLS, and mode: plain-http"),
        (CLIENT.replace("mode: plain", "mode: plan"), ":12: etsi: 'plan-http-on-loopback' is not known"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_where_it_is_written(directory: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        topology.load(file(directory, text))
    assert str(error.value).startswith(f"{directory / 'node.yaml'}{says}")


def test_a_topology_with_a_line_of_a_nodes_file_is_refused(directory: Path) -> None:
    text = 'state_dir: "x\n\n\nhub: hank\n\n"\npsrd: media\nmin_nr_shares: 2\n'
    text += "hubs: [{name: hank}, {name: helen}]\nclients: [{name: carol}]\n"
    with pytest.raises(ConfigurationError, match="a line begins with 'hub:'"):
        topology.load(file(directory, text))


def test_a_file_of_one_node_is_for_that_node_alone(directory: Path) -> None:
    network = topology.load(file(directory, HUB))
    assert (network.names("hub"), network.names("client")) == (["hank"], [])
    assert topology.load(file(directory, CLIENT)).names("client") == ["carol"]


def test_nodes_with_files_of_their_own_share_the_systems_directories(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DSKED_STATE_DIR")
    monkeypatch.setattr(paths, "SYSTEM_STATE_DIR", directory / "lib")
    monkeypatch.setattr(paths.os, "geteuid", lambda: 0)
    assert paths.state_dir(file(directory, HUB)) == directory / "lib"
    assert paths.topology_id(file(directory, CLIENT)) == "client-carol"


KEYS = st.sampled_from(
    [
        *yaml.safe_load(HUB),
        *yaml.safe_load(CLIENT),
        *schema.FileEntry.__struct_fields__,
        "name",
        "listen",
        "address",
    ]
)
LOOKS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
    st.sampled_from(["1.2.3.4:5", "[::1]:1", "off", "media", "simulated", "{name}", "hank", "*:1"]),
)  # fmt: skip
VALUES = st.recursive(
    LOOKS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | KEYS, inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("listen", "port", "other", "refused"),
    [
        ("*", 7100, "127.0.0.1", True),
        ("*", 7100, "::1", True),
        ("0.0.0.0", 7100, "127.0.0.1", True),
        ("::", 7100, "::1", True),
        ("*", 7100, "localhost", True),
        ("::", 7100, "127.0.0.1", False),
        ("0.0.0.0", 7100, "::1", False),
        ("*", 7101, "127.0.0.1", False),
    ],
)
def test_all_addresses_and_one_of_them_on_the_same_port(
    tmp_path: Path, listen: str, port: int, other: str, refused: bool
) -> None:
    path = tmp_path / "hank.yaml"
    names = [f"[{one}]" if ":" in one else one for one in (listen, other)]
    text = HUB.replace("0.0.0.0:7100", f"{names[0]}:{port}").replace("127.0.0.1:9464", f"{names[1]}:7100")
    path.write_text(text)
    if not refused:
        topology.load(path)
        return
    expected = (
        f"hank.yaml:9: metrics.listen: port 7100 on {other} is taken by hank, which listens on {listen};"
    )
    with pytest.raises(ConfigurationError, match=re.escape(expected)):
        topology.load(path)


def test_other_machines_may_have_the_port_that_is_taken_on_all_addresses_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "carol.yaml"
    tls = "etsi: {listen: '*:7100', certificate: c.pem, private_key: k.pem, client_ca: ca.pem}\n"
    text = re.sub("(etsi|skip): .*\n", "", CLIENT) + tls
    path.write_text(text)
    assert topology.load(path).clients[0].port == 7100
    path.write_text(text.replace("hub1.example.net", "127.0.0.1"))
    with pytest.raises(ConfigurationError, match=r"port 7100 on 127\.0\.0\.1 is taken by carol, which"):
        topology.load(path)


def test_a_key_says_nothing_to_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hank.yaml"
    path.write_text(HUB.replace("max_connections:", r'"\e]0;x\a":'))
    with pytest.raises(ConfigurationError, match=r"hank\.yaml:12: limits.*\\x1b\]0;x\\x07") as caught:
        topology.load(path)
    assert str(caught.value).isprintable()


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text in a new checkout takes some seconds
@given(st.sampled_from([HUB, CLIENT]), st.dictionaries(KEYS, VALUES, max_size=4), st.sets(KEYS, max_size=2))
def test_whatever_a_file_says_it_loads_or_is_refused_with_its_place(
    tmp_path_factory: pytest.TempPathFactory, text: str, other: dict[str, Any], without: set[str]
) -> None:
    data = {**yaml.safe_load(text), **other}
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_text(yaml.safe_dump({key: one for key, one in data.items() if key not in without}))
    try:
        network = topology.load(path)
    except ConfigurationError as error:
        assert str(error).startswith(f"{path}:")
        assert str(error).isprintable()
        return
    assert network.own is None or paths.node_of(path) == network.own[:2]
    assert document.load(path).path == network.path
