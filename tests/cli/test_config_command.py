"""`dskectl config check`, and nodes' own files on dskectl's command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dsked.cli.config_command import config
from dsked.cli.target import Target, select
from dsked.config import paths
from dsked.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
NOBODY = Target(None, (), (), None, None)


def check(*arguments: str, target: Target = NOBODY) -> str:
    done = CliRunner().invoke(config, ["check", *arguments], obj=target, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("hub.yaml", "the file of hub hank"),
        ("client.yaml", "the file of client carol"),
        ("dske-config.yaml", "a topology file"),
    ],
)
def test_a_file_in_order(name: str, what: str) -> None:
    path = ROOT / "configs" / name
    assert check(str(path)) == f"{path} is in order: {what}\n"
    assert check(target=NOBODY._replace(config=str(path))) == f"{path} is in order: {what}\n"


def test_a_file_with_a_fault_and_one_that_lacks_a_certificate(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "client.yaml").read_text()
    path = tmp_path / "carol.yaml"
    path.write_text(text.replace("hub1.example.net:7100", "hub1.example.net"))
    with pytest.raises(ConfigurationError, match=r"carol\.yaml:7: hubs\[0\]\.address: .*expected HOST:PORT"):
        check(str(path))
    line = text.count("\n") + 1
    tls = "etsi: {listen: 'a:1', certificate: c.pem, private_key: k.pem, client_ca: ca.pem}\n"
    path.write_text(text + tls)
    with pytest.raises(
        ConfigurationError,
        match=rf"carol\.yaml:{line}: client carol: etsi\.certificate: .*c\.pem: there is no",
    ):
        check(str(path))


def test_the_line_of_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    """The client's own key comes before that of all."""
    for name in ("c.pem", "k.pem", "ca.pem"):
        (tmp_path / name).write_text("nonsense")
    path = tmp_path / "lab.yaml"
    path.write_text(
        "psrd: simulated\nmin_nr_shares: 2\nhubs: [{name: a}, {name: b}]\n"
        "etsi:\n  certificate: c.pem\n  private_key: k.pem\n  client_ca: ca.pem\n"
        "clients:\n  - name: carol\n    etsi:\n      certificate: c.pem\n"
    )
    with pytest.raises(
        ConfigurationError, match=r"lab\.yaml:11: client carol: etsi\.certificate: .*c\.pem: exp"
    ):
        check(str(path))
    path.write_text(path.read_text().replace("    etsi:\n      certificate: c.pem\n", ""))
    with pytest.raises(ConfigurationError, match=r"lab\.yaml:5: client carol: etsi\.certificate: "):
        check(str(path))


def test_a_nodes_file_chooses_that_node_and_no_other(tmp_path: Path) -> None:
    target = NOBODY._replace(config=str(ROOT / "configs" / "client.yaml"))
    network = target.topology()
    [node] = select(network, target, tmp_path)
    assert (str(node), node.on_port, node.port) == ("client carol", "client carol", None)
    assert node.socket == paths.socket_path(tmp_path, "client", "carol")
    with pytest.raises(ConfigurationError, match="is not the file of hub hank"):
        select(network, target._replace(hubs=("hank",)), tmp_path)
