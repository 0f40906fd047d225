"""Clients of a topology file that share PSRD with some of its hubs only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dsked.config import gate_keys, merge, topology
from dsked.config.options import Options
from dsked.errors import ConfigurationError

HEAD = (
    "psrd: simulated\nmin_nr_shares: 3\nhubs: [{name: h1}, {name: h2}, {name: h3}, {name: h4}, {name: h5}]\n"
)
TWO = """clients:
  - name: carol
    encryptors: [{name: sam}]
    hubs: [h1, h2, h3, h4]
  - name: curtis
    encryptors: [{name: sunny}]
    hubs: [h5, h4, h3, h2]
"""


def write(directory: Path, clients: str = TWO) -> Path:
    path = directory / "lab.yaml"
    path.write_text(HEAD + clients)
    return path


def test_a_client_has_the_hubs_that_it_names_and_else_all(tmp_path: Path) -> None:
    network = topology.load(write(tmp_path, TWO + "  - name: celia\n"))
    assert {client.name: [(hub.name, hub.x) for hub in client.hubs] for client in network.clients} == {
        "carol": [("h1", 1), ("h2", 2), ("h3", 3), ("h4", 4)],
        "curtis": [("h2", 2), ("h3", 3), ("h4", 4), ("h5", 5)],
        "celia": [("h1", 1), ("h2", 2), ("h3", 3), ("h4", 4), ("h5", 5)],
    }
    assert [client.name for client in network.clients_of("h1")] == ["carol", "celia"]
    assert network.warnings == ()


def test_both_sides_of_a_pair_are_told_of_it_and_nobody_else(tmp_path: Path) -> None:
    path = write(tmp_path)

    def options(name: str) -> Options:
        return Options(name=name, config=path, state_dir=str(tmp_path), runtime_dir=str(tmp_path))

    carol = merge.client_settings(options("carol"))
    assert [(hub.name, hub.x, hub.port) for hub in carol.hubs][-1] == ("h4", 4, 8103)
    assert set(carol.gate_keys) == {"h1", "h2", "h3", "h4"}
    first, second = merge.hub_settings(options("h1")), merge.hub_settings(options("h2"))
    assert first.owners == {"carol": ("sam",)}
    assert set(first.gate_keys) == {"carol"}
    assert second.owners == {"carol": ("sam",), "curtis": ("sunny",)}
    pairs = gate_keys.load(merge.gate_key_file(topology.load(path), state_dir=str(tmp_path)))
    assert len(pairs) == 8
    assert not {("carol", "h5"), ("curtis", "h1")} & set(pairs)


@pytest.mark.parametrize(
    ("hubs", "error"),
    [
        ("[h1, h2, h9]", "7: clients[0].hubs[2]: there is no hub 'h9'; it has h1, h2, h3, h4, h5"),
        ("[h1, h2, h3, h2]", "7: clients[0].hubs[3]: h2 is named twice; remove one"),
        (
            "[h1, h2]",
            "7: clients[0].hubs: min_nr_shares: 3 shares cannot come from 2 hubs; expected 2 to the "
            "number of hubs",
        ),
        ("[]", "7: clients[0].hubs: min_nr_shares: 3 shares cannot come from 0 hubs"),
        ("h1", "7: clients[0].hubs: "),
        ("[{name: h1}]", "7: clients[0].hubs[0]: "),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path: Path, hubs: str, error: str) -> None:
    path = write(tmp_path, f"clients:\n  - name: carol\n    encryptors: []\n    hubs: {hubs}\n")
    with pytest.raises(ConfigurationError, match=re.escape(f"{path}:{error}")):
        topology.load(path)


def test_clients_with_too_few_hubs_in_common_are_warned_of(tmp_path: Path) -> None:
    path = write(
        tmp_path, TWO.replace("[h5, h4, h3, h2]", "[h5, h4, h3]") + "  - {name: celia, hubs: [h5, h4, h3]}\n"
    )
    assert topology.load(path).warnings == (
        f"{path}:10: clients[1].hubs: curtis and carol have 2 hubs in common (h3, h4); keys between them "
        "need min_nr_shares: 3",
    )


def test_a_small_majority_of_a_clients_own_hubs_is_warned_of(tmp_path: Path) -> None:
    text = HEAD.replace("min_nr_shares: 3", "min_nr_shares: 2") + TWO
    path = tmp_path / "t.yaml"
    path.write_text(text.replace("{name: h5}", "{name: h5}, {name: h6}"))
    texts = topology.load(path).warnings
    assert any(
        f"{path}:7: clients[0].hubs: min_nr_shares: 2 of 4 hubs is not a majority" in text for text in texts
    )


def test_many_clients_each_with_hubs_of_its_own_are_looked_at_in_good_time(tmp_path: Path) -> None:
    """And a few are told of."""
    hubs = [f"h{number}" for number in range(60)]
    lists = [[hubs[i], *hubs[j : j + 2]] for i in range(40) for j in range(41, 58)]
    clients = "".join(
        f"  - {{name: c{number}, hubs: [{', '.join(own)}]}}\n" for number, own in enumerate(lists)
    )
    named = ", ".join(f"{{name: {hub}}}" for hub in hubs)
    path = tmp_path / "t.yaml"
    path.write_text(f"psrd: simulated\nmin_nr_shares: 3\nhubs: [{named}]\nclients:\n{clients}")
    assert len(topology.load(path).warnings) == 1 + 20
