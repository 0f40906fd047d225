"""The topology file: the example's values, and every rule's refusal with its place."""

from pathlib import Path

import pytest

from dsked.config import topology
from dsked.config.node import HubAddress
from dsked.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[2] / "configs" / "dske-config.yaml"
HEAD = "psrd: simulated\nmin_nr_shares: 2\n"
NODES = "hubs: [{name: hank}, {name: helen}, {name: hugo}]\nclients: [{name: carol}]\n"


def load(directory: Path, text: str) -> topology.Topology:
    path = directory / "t.yaml"
    path.write_text(text)
    return topology.load(path)


def test_the_example_is_the_laboratory_of_the_guide() -> None:
    network = topology.load(EXAMPLE)
    assert [(hub.name, hub.host, hub.port, hub.x) for hub in network.hubs] == [
        ("hank", "127.0.0.1", 8100, 1),
        ("helen", "127.0.0.1", 8101, 2),
        ("hilary", "127.0.0.1", 8102, 3),
        ("holly", "127.0.0.1", 8103, 4),
        ("hugo", "127.0.0.1", 8104, 5),
    ]
    served = {client.name: [one.name for one in client.encryptors] for client in network.clients}
    assert served == {
        "carol": ["sam"],
        "celia": ["serena"],
        "cindy": [],
        "connie": ["sofia"],
        "curtis": ["sunny", "susan"],
    }
    assert [client.port for client in network.clients] == [8105, 8106, 8107, 8108, 8109]
    assert (network.min_nr_shares, network.share_timeout_s) == (3, 60.0)
    assert network.start_request_psrd_threshold == 500
    assert network.stop_request_psrd_threshold == 2000
    assert network.get_psrd_block_size == 1000
    assert all(client.etsi and client.etsi.mode == "plain-http-on-loopback" for client in network.clients)
    assert network.warnings == ()


def test_the_example_documents_every_key_with_its_default(tmp_path: Path) -> None:
    """Every commented attribute of the example can be switched on as it stands there."""
    lines = EXAMPLE.read_text().splitlines()
    keys = [line[2:].split("#")[0] for line in lines if line.startswith("# ") and ": " in line.split("  ")[0]]
    attributes = [line for line in keys if line.split(":")[0].replace("_", "").isalpha()]
    assert len(attributes) == 10
    network = load(tmp_path, "\n".join([*attributes, *lines]))
    example = topology.load(EXAMPLE)
    assert network.hubs == example.hubs
    assert network.share_timeout_s == example.share_timeout_s
    assert network.control_group == "dsked"


def test_the_example_shows_tls_and_skip_as_they_can_be_switched_on(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text().splitlines()
    commented = lines[lines.index(next(line for line in lines if line.startswith("# etsi:"))) :]
    block = commented[: commented.index("")]
    kept = [line for line in lines if not line.startswith("etsi:")]
    network = load(tmp_path, "\n".join([*(line[2:] for line in block), *kept]))
    carol = network.client("carol")
    assert carol.etsi and carol.etsi.tls and carol.etsi.tls.crl == tmp_path / "certs/crl.pem"
    assert carol.etsi.encryptor_private_keys == f"{tmp_path}/certs/{{name}}.key"
    assert carol.skip and (carol.skip.port, carol.skip.tls) == (8200, carol.etsi.tls)


def test_own_hosts_ports_and_coordinates(tmp_path: Path) -> None:
    network = load(
        tmp_path,
        "psrd: simulated-insecure-over-the-network\nbase_port: 9000\nmin_nr_shares: 2\n"
        "hubs: [{name: a, host: 10.0.0.1, x_coordinate: 7}, {name: b, port: 77}, {name: c, host: '::1'}]\n"
        "clients: [{name: d, port: 9009}, {name: e}]\n",
    )
    assert network.hubs == (
        HubAddress(name="a", host="10.0.0.1", port=9000, x=7),
        HubAddress(name="b", host="127.0.0.1", port=77, x=2),
        HubAddress(name="c", host="::1", port=9002, x=3),
    )
    assert [client.port for client in network.clients] == [9009, 9004]
    assert not network.on_loopback()


def test_paths_of_the_file_start_at_the_file(tmp_path: Path) -> None:
    network = load(tmp_path, HEAD + NODES + "gate_keys: keys.json\nstate_dir: /srv/dske\n")
    assert network.gate_keys == tmp_path / "keys.json"
    assert network.state_dir == Path("/srv/dske")


def test_users_and_groups_may_be_names_or_numbers(tmp_path: Path) -> None:
    network = load(
        tmp_path,
        HEAD + "hubs: [{name: a}, {name: b}, {name: c}]\n"
        "clients: [{name: d, encryptors: [{name: s, users: [alice, 1001], groups: [wheel]}]}]\n",
    )
    assert network.clients[0].encryptors == (topology.Encryptor("s", ("alice", "1001"), ("wheel",)),)


def test_less_than_a_majority_is_allowed_with_a_warning(tmp_path: Path) -> None:
    network = load(tmp_path, HEAD + NODES.replace("{name: hugo}", "{name: h}, {name: i}"))
    assert len(network.warnings) == 1
    assert network.warnings[0].startswith(f"{tmp_path}/t.yaml:2: min_nr_shares: 2 of 4 hubs")


def test_users_without_a_control_group_are_warned_of(tmp_path: Path) -> None:
    text = HEAD + (
        "hubs: [{name: a}, {name: b}, {name: c}]\n"
        "clients:\n- name: d\n  encryptors:\n  - name: s\n    users: [alice]\n"
        "    groups: [wheel]\n  - name: t\n"
    )
    says = "has no effect for users who are not in control_group; none is set"
    assert load(tmp_path, text).warnings == (
        f"{tmp_path}/t.yaml:8: clients[0].encryptors[0].users: {says}",
        f"{tmp_path}/t.yaml:9: clients[0].encryptors[0].groups: {says}",
    )
    assert load(tmp_path, text + "control_group: dsked\n").warnings == ()


@pytest.mark.parametrize("word", ["off", "false", "no", "'off'", "null"])
def test_the_etsi_interface_may_be_written_as_off(tmp_path: Path, word: str) -> None:
    assert load(tmp_path, HEAD + NODES + f"etsi: {word}\n").interface_parts() == []


@pytest.mark.parametrize("key", ["hub", "client", "client_of"])
def test_a_name_that_is_not_there_lists_those_that_are(key: str) -> None:
    network = topology.load(EXAMPLE)
    with pytest.raises(ConfigurationError, match=r"'nobody'; it has .*(hank|carol|sam)"):
        getattr(network, key)("nobody")


def test_an_encryptor_is_found_with_its_client() -> None:
    assert topology.load(EXAMPLE).client_of("susan").name == "curtis"


def many(count: int) -> str:
    return ", ".join(f"{{name: h{number}}}" for number in range(count))


ENCRYPTOR = "hubs: [{{name: a}}, {{name: b}}]\nclients: [{{name: c, encryptors: [{}]}}]\n"

FAULTS = [
    # (text after HEAD, what the message says from the line on)
    ("hubs: []\nclients: [{name: c}]\n", "3: hubs: 1 to 255 hubs are expected, got 0"),
    (
        f"hubs: [{many(256)}]\nclients: [{{name: c}}]\nbase_port: 1\n",
        "3: hubs: 1 to 255 hubs are expected, got 256",
    ),
    ("hubs: [{name: a}, {name: b}]\nclients: []\n", "4: clients: at least one client"),
    ("hubs: [{name: a}, {name: b}]\n", "1: the key 'clients' is missing"),
    ("hubs:\nclients: [{name: c}]\n", "3: hubs: expected a list, got nothing"),
    ("hubs: 5\nclients: [{name: c}]\n", "3: hubs: expected a list, got a whole number"),
    ("hubs: [hank]\nclients: [{name: c}]\n", "3: hubs[0]: expected a mapping (key: value), got text"),
    (
        "hubs: [{nam: a}]\nclients: [{name: c}]\n",
        "3: hubs[0].nam: unknown key; expected one of name, host, port",
    ),
    ("hubs: [{host: localhost}]\nclients: [{name: c}]\n", "3: hubs[0]: the key 'name' is missing"),
    (
        "hubs: [{name: yes}]\nclients: [{name: c}]\n",
        "3: hubs[0].name: expected text, got true/false (quote it",
    ),
    (
        "hubs: [{name: 2024-01-01}]\nclients: [{name: c}]\n",
        "3: hubs[0].name: expected text, got a date (quote it",
    ),
    (NODES + "color: blue\n", "5: color: unknown key; expected one of hubs, clients, base_port"),
    (NODES + "base_port: many\n", "5: base_port: expected a whole number, got text"),
    (NODES + "base_port: 81.5\n", "5: base_port: expected a whole number, got a number"),
    (NODES + "base_port: true\n", "5: base_port: expected a whole number, got true/false"),
    (NODES + "base_port: 0\n", "5: base_port: 0 is no TCP port; expected 1 to 65535"),
    (NODES + "base_port: -8100\n", "5: base_port: -8100 is no TCP port"),
    (NODES + "base_port: 70000\n", "5: base_port: 70000 is no TCP port"),
    (NODES + "base_port: 65533\n", "5: base_port: clients[0] would get port 65536, and ports end at 65535"),
    (NODES + "share_timeout_secs: 0\n", "5: share_timeout_secs: 0; expected more than 0"),
    (NODES + "share_timeout_secs: .nan\n", "5: share_timeout_secs: nan; expected"),
    (NODES + "share_timeout_secs: .inf\n", "5: share_timeout_secs: inf; expected"),
    (NODES + "share_timeout_secs: 1 minute\n", "5: share_timeout_secs: expected a whole number or a number"),
    (
        NODES + "start_request_psrd_threshold: 2000\n",
        "1: stop_request_psrd_threshold: 2000 bytes; expected more",
    ),
    (NODES + "start_request_psrd_threshold: 3\n", "5: start_request_psrd_threshold: 3 bytes; expected 96"),
    (NODES + "stop_request_psrd_threshold: 99999999\n", "5: stop_request_psrd_threshold: 99999999 bytes"),
    (NODES + "wrapping: maybe\n", "5: wrapping: 'maybe' is not known; expected 'off', 'on' or 'required'"),
    (NODES + "wrapping: 1\n", "5: wrapping: expected"),
    (NODES + "get_psrd_block_size: 0\n", "5: get_psrd_block_size: 0 bytes; expected 96 to 262144"),
    (NODES + "get_psrd_block_size: -1\n", "5: get_psrd_block_size: -1 bytes"),
    (NODES + "etsi: plain-http\n", "5: etsi: 'plain-http' is not known; expected 'plain-http-on-loopback'"),
    (
        NODES.replace("{name: hugo}", "{name: hank}"),
        "3: hubs[2].name: the name 'hank' stands at hubs[0].name",
    ),
    (NODES.replace("carol", "hank"), "4: clients[0].name: the name 'hank' stands at hubs[0].name already"),
    (NODES.replace("carol", "''"), "4: clients[0].name: '' is no name for a node"),
    (NODES.replace("carol", "../carol"), "4: clients[0].name: '../carol' is no name for a node"),
    (NODES.replace("carol", "-carol"), "4: clients[0].name: '-carol' is no name for a node"),
    (NODES.replace("carol", "c" * 65), "4: clients[0].name: 'cccc"),
    (
        NODES.replace("{name: hank}", "{name: hank, port: 8101}"),
        "3: hubs[1].port: port 8101 on 127.0.0.1 is taken",
    ),
    (
        NODES.replace("{name: carol}", "{name: c, port: 8100, host: localhost}"),
        "4: clients[0].port: port 8100",
    ),
    (NODES.replace("{name: hank}", "{name: hank, port: 65536}"), "3: hubs[0].port: 65536 is no TCP port"),
    (
        NODES.replace("{name: hank}", "{name: a, host: 0.0.0.0}"),
        "3: hubs[0].host: 0.0.0.0 is no address that",
    ),
    (NODES.replace("{name: hank}", "{name: a, host: 'x y'}"), "3: hubs[0].host: 'x y' is no host name"),
    (NODES.replace("{name: hank}", "{name: a, host: ''}"), "3: hubs[0].host: '' is no host name"),
    (
        NODES.replace("{name: hank}", "{name: a, host: 999.0.0.0}"),
        "3: hubs[0].host: '999.0.0.0' is no host",
    ),
    (NODES.replace("{name: hank}", "{name: a, host: a..net}"), "3: hubs[0].host: 'a..net' is no host name"),
    (
        NODES.replace("{name: hank}", "{name: a, x_coordinate: 2}"),
        "3: hubs[1].x_coordinate: hubs[0] has the x-",
    ),
    (NODES.replace("{name: hank}", "{name: a, x_coordinate: 0}"), "3: hubs[0].x_coordinate: 0 is no x-coord"),
    (NODES.replace("{name: hank}", "{name: a, x_coordinate: 256}"), "3: hubs[0].x_coordinate: 256 is no"),
    (ENCRYPTOR.format("{name: s}, {name: s}"), "4: clients[0].encryptors[1].name: the name 's' stands at"),
    (ENCRYPTOR.format("{name: ''}"), "4: clients[0].encryptors[0].name: a name of 1 to 128 bytes"),
    (ENCRYPTOR.format('{name: "a\\nb"}'), "4: clients[0].encryptors[0].name: 'a\\nb': control characters"),
    (
        ENCRYPTOR.format("{name: ' a'}"),
        "4: clients[0].encryptors[0].name: ' a': control characters and spaces",
    ),
    (ENCRYPTOR.format("{name: 12}"), "4: clients[0].encryptors[0].name: expected text, got a whole number"),
    (
        ENCRYPTOR.format("{name: a, user: [b]}"),
        "4: clients[0].encryptors[0].user: unknown key; expected one of name, users",
    ),
]


@pytest.mark.parametrize(("text", "says"), FAULTS, ids=[says[:60] for _, says in FAULTS])
def test_a_fault_is_refused_with_file_line_place_and_what_is_expected(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, HEAD + text)
    assert str(error.value).startswith(f"{tmp_path}/t.yaml:{says}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("k", "says"),
    [
        ("1", "1 is too few: with 1 every single hub would know the keys; expected 2 to 3"),
        ("0", "0 is too few"),
        ("-3", "-3 is too few"),
        ("4", "4 shares cannot come from 3 hubs; expected 2 to the number of hubs"),
    ],
)
def test_k_must_be_2_to_n(tmp_path: Path, k: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"t.yaml:1: min_nr_shares: {says}"):
        load(tmp_path, f"min_nr_shares: {k}\npsrd: simulated\n{NODES}")


def test_the_default_k_needs_three_hubs(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="3 shares cannot come from 2 hubs"):
        load(tmp_path, "psrd: simulated\nhubs: [{name: a}, {name: b}]\nclients: [{name: c}]\n")


def test_psrd_must_be_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="psrd: missing: say where PSRD comes from"):
        load(tmp_path, "min_nr_shares: 2\n" + NODES)
    with pytest.raises(ConfigurationError, match=r"t\.yaml:1: psrd: 'quantum' is not known"):
        load(tmp_path, "psrd: quantum\nmin_nr_shares: 2\n" + NODES)


def test_psrd_on_media_needs_no_loopback_and_its_thresholds_only_warn(tmp_path: Path) -> None:
    nodes = NODES.replace("{name: hank}", "{name: hank, host: 192.0.2.1}", 1)
    text = "psrd: media\nmin_nr_shares: 2\nstop_request_psrd_threshold: 9999999999\n"
    network = load(tmp_path, text + nodes)
    assert network.psrd == "media"
    assert network.stop_request_psrd_threshold == 9999999999


def test_simulated_psrd_stays_on_loopback_unless_the_operator_insists(tmp_path: Path) -> None:
    nodes = NODES.replace("{name: hugo}", "{name: hugo, host: 192.0.2.7}")
    with pytest.raises(
        ConfigurationError, match=r"t.yaml:1: psrd: 'simulated' is for loopback only, and 192\.0"
    ):
        load(tmp_path, HEAD + nodes)
    text = HEAD.replace("simulated", "simulated-insecure-over-the-network")
    assert load(tmp_path, text + nodes).psrd == "simulated-insecure-over-the-network"


@pytest.mark.parametrize("host", ["192.0.2.7", "localhost.example.org", "127.example.org"])
def test_plain_http_stays_on_loopback(tmp_path: Path, host: str) -> None:
    nodes = NODES.replace("{name: carol}", f"{{name: c, host: {host}}}")
    text = HEAD + "etsi: plain-http-on-loopback\n" + nodes
    with pytest.raises(
        ConfigurationError, match=r"t.yaml:5: clients\[0\].host: plain HTTP is for loopback only"
    ):
        load(tmp_path, text)
