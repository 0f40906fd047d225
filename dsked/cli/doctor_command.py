"""`dskectl doctor`: everything that can be looked at from one host, and a plain verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from dsked.cli import status_nodes
from dsked.cli.errors import NodeNotRunningError
from dsked.cli.one_node import connect_to_one
from dsked.cli.output import json_option, key_id, one_node_options, show
from dsked.cli.target import Target, select
from dsked.cli.values import Number
from dsked.config import paths, rules
from dsked.delivery.control_client import ControlClient
from dsked.errors import NONSENSE, ConfigurationError, DskedError, ExitStatus

if TYPE_CHECKING:
    from dsked.config.topology import Topology
    from dsked.doctor.finding import Finding
    from dsked.doctor.self_test import Pair

_MAX_DAYS = 36_500
#: Before both sides are asked again where their positions do not seem to fit.
_PAUSES_S = (0.0, 0.5, 1.0)


@click.command()
@one_node_options("the nodes of the configuration file; without one, the only client here")
@click.option(
    "--self-test",
    nargs=2,
    metavar="FROM TO",
    help="Establish a key for nobody, from one encryptor to another.",
)
@click.option("--fetch", metavar="KEY_ID", help="With --self-test: only fetch this key, at the client of TO.")
@click.option(
    "--other",
    "others",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Status of the other side, as its dskectl status --json prints it, of one node or of all: compares "
    "positions; repeatable.",
)
@click.option(
    "--warn-days", type=Number(0, _MAX_DAYS), default=30.0, show_default=True, metavar="DAYS",
    help="Warn where a pool lasts less than that.",
)  # fmt: skip
@click.option(
    "--order-days", type=Number(0, _MAX_DAYS), default=365.0, show_default=True, metavar="DAYS",
    help="Tell how much to order so that pools last for so long.",
)  # fmt: skip
@click.option("--verbose", is_flag=True, help="List everything that is good; --json does so, too.")
@json_option
@click.pass_obj
def doctor(
    target: Target,
    socket: str | None,
    node: str | None,
    self_test: tuple[str, str] | None,
    fetch: str | None,
    others: tuple[Path, ...],
    warn_days: float,
    order_days: float,
    verbose: bool,
    as_json: bool,
) -> int:
    """Look at configuration, certificates, clock, hubs, pools and keys, and say what is wrong.

    Of one node, or of all nodes of the topology file on this host. Nothing is changed; --self-test takes what
    one key takes. Exit status 0 if all is well or only warned of, 1 for a fault, 2 for one of the
    configuration, 3 where no node runs.
    """
    from dsked.doctor.pools import Plan
    from dsked.doctor.self_test import Pair

    if fetch is not None and self_test is None:
        raise click.UsageError("--fetch: say whose key it is with --self-test FROM TO.")
    wanted = key_id(fetch) if fetch is not None else None
    examination = _Examination(target, socket, node, Plan(warn_days, order_days))
    examination.look(others)
    if self_test is not None:
        examination.test(Pair(*self_test), wanted)
    findings = examination.findings
    if as_json:
        show(_document(findings), as_json)
    else:
        _show(findings, verbose)
    return examination.exit_status()


class _Node(NamedTuple):
    """A node that answered."""

    socket: Path
    answer: dict[str, Any]


class _Examination:
    """What is looked at, in its order, and what was found."""

    def __init__(self, target: Target, socket: str | None, node: str | None, plan: Any) -> None:
        self._target, self._socket, self._node, self._plan = target, socket, node, plan
        self.findings: list[Finding] = []
        self._nodes: list[_Node] = []
        self._nr_down = 0
        self._misconfigured = False

    def look(self, others: tuple[Path, ...]) -> None:
        """At everything but keys."""
        from dsked.doctor import clock, other_side

        network = self._configuration()
        self.findings += clock.check()
        if network is not None:
            self._surroundings(network)
        self._ask(network)
        for one in tuple(self._nodes):
            self.findings += self._judged(one)
        read = [other_side.read(path) for path in others]
        here = [one.answer for one in self._nodes]
        self.findings += other_side.check(here, read)
        self.findings += self._positions(other_side.apart_from(here, read))

    def _judged(self, one: _Node) -> list[Finding]:
        """What a node says of itself. One that says nonsense is a fault, and nothing else is asked of it."""
        from dsked.doctor import nodes, pools
        from dsked.doctor.finding import fault

        try:
            found = [*nodes.check(one.answer), *pools.check(one.answer, self._plan)]
            list(pools.positions([one.answer], [one.answer], []))
            if one.answer["role"] == "client":
                list(one.answer["status"]["encryptor_names"])
        except NONSENSE:
            self._nodes.remove(one)
            about = f"{one.answer['role']} {one.answer['name']}"
            return [fault("node", about, "its status is not understood: is it of another version?")]
        return found

    def _positions(self, written: Sequence[Mapping[str, Any]]) -> list[Finding]:
        """What remains wrong: a node that is busy may give a status that it had made before."""
        from dsked.doctor import pools
        from dsked.doctor.finding import Outcome, fault, verdict

        before = [one.answer for one in self._nodes]
        for pause_s in _PAUSES_S:
            time.sleep(pause_s)
            try:
                found = list(pools.positions(before, list(self._asked_again()), written))
            except NONSENSE:
                text = "a node's status, or one that was given with --other, is not understood"
                return [fault("positions", "both sides", text)]
            if verdict(found) is Outcome.GOOD:
                break
        return found

    def _asked_again(self) -> Iterator[dict[str, Any]]:
        """The statuses of the same nodes, later."""
        for one in self._nodes:
            with suppress(DskedError), ControlClient(one.socket) as connection:
                yield connection.whole_status()

    def _configuration(self) -> Topology | None:
        """What the file says; None where none is named, or it says nothing that can be used."""
        from dsked.doctor.finding import fault, good, warning

        if self._target.config is None and paths.default_config() is None:
            return None
        try:
            network = self._target.topology()
        except ConfigurationError as error:
            self._misconfigured = True
            self.findings.append(fault("configuration", str(self._target.config or "default"), str(error)))
            return None
        self.findings += [warning("configuration", str(network.path), text) for text in network.warnings]
        if not network.warnings:
            self.findings.append(good("configuration", str(network.path), "is good"))
        return network

    def _surroundings(self, network: Topology) -> None:
        """Of the clients that the file is for: their certificates, and the way to the hubs."""
        clients = [name for name in network.names("client") if self._is_meant(name)]
        if not clients:
            return
        from dsked.doctor import certificates, reach

        for name in clients:
            self.findings += certificates.check(network.client(name))
        self.findings += reach.check([hub for hub in network.hubs if not rules.is_wildcard(hub.host)])

    def _is_meant(self, client: str) -> bool:
        if self._node is not None:
            return client == self._node
        return not self._target.filtered() or client in self._target.clients

    def _ask(self, network: Topology | None) -> None:
        """The nodes themselves."""
        if network is None or self._socket is not None or self._node is not None:
            self._ask_one()
            return
        directory = paths.runtime_dir(network.path, self._target.runtime_dir)
        for place in select(network, self._target, directory):
            state = status_nodes.ask(place)
            if isinstance(state.answer, DskedError):
                self._is_down(str(place), state.answer)
            else:
                self._nodes.append(_Node(place.socket, state.answer))

    def _ask_one(self) -> None:
        try:
            with connect_to_one(self._target, self._socket, self._node) as connection:
                self._nodes.append(_Node(connection.path, connection.whole_status()))
        except ConfigurationError:  # a name that the file does not have, a path that is no socket
            raise
        except DskedError as error:
            self._is_down(self._node or self._socket or "client", error)

    def _is_down(self, about: str, error: DskedError) -> None:
        from dsked.doctor.finding import fault

        down = isinstance(error, NodeNotRunningError)
        self._nr_down += down
        self.findings.append(fault("node", about, "is not running" if down else str(error)))

    def test(self, pair: Pair, fetch: bytes | None) -> None:
        """A key from one encryptor to the other, as far as their clients are here."""
        from dsked.doctor import self_test
        from dsked.doctor.finding import fault

        sender, receiver = (self._serving(name) for name in pair)
        wanted = receiver if fetch else sender
        if wanted is None:
            missing = pair.responder if fetch else pair.initiator
            self.findings.append(fault("self-test", str(pair), f"no client here serves {missing}"))
            return
        if fetch:
            with ControlClient(wanted) as client:
                self.findings.append(self_test.fetched(client, pair, fetch))
            return
        with ControlClient(wanted) as client:
            found, key = self_test.made(client, pair)
        self.findings.append(found)
        if key is not None and receiver is not None:
            with ControlClient(receiver) as client:
                self.findings.append(self_test.fetched(client, pair, key.key_id, key))

    def _serving(self, encryptor: str) -> Path | None:
        """The control socket of the client that serves it."""
        clients = (one for one in self._nodes if one.answer["role"] == "client")
        return next(
            (one.socket for one in clients if encryptor in one.answer["status"]["encryptor_names"]), None
        )

    def exit_status(self) -> ExitStatus:
        """By what was found."""
        from dsked.doctor.finding import Outcome, verdict

        if verdict(self.findings) is not Outcome.FAULT:
            return ExitStatus.OK
        if self._misconfigured:
            return ExitStatus.USAGE
        return ExitStatus.NOT_RUNNING if self._nr_down and not self._nodes else ExitStatus.FAILURE


def _show(findings: list[Finding], verbose: bool) -> None:
    from dsked.cli import cells, doctor_view

    console = cells.console()
    for line in doctor_view.page(findings, cells.signs(console), verbose=verbose):
        console.print(line, soft_wrap=not console.is_terminal)  # a file keeps long lines


def _document(findings: list[Finding]) -> dict[str, Any]:
    from dsked.doctor.finding import verdict

    return {"verdict": str(verdict(findings)), "findings": [one.document() for one in findings]}
