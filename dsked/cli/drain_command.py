"""`dskectl drain`: a hub takes no new shares, until those that it holds are fetched or have timed out."""

from __future__ import annotations

import time

import click

from dsked.cli.one_node import connect_to_one
from dsked.cli.output import json_option, one_node_options, show
from dsked.cli.target import Target
from dsked.delivery.control_client import ControlClient
from dsked.errors import ExitStatus

_POLL_S = 0.2


@click.command()
@click.option("--no-wait", is_flag=True, help="Do not wait until it holds no shares.")
@one_node_options("the hub of --hub, or of the node's own file")
@json_option
@click.pass_obj
def drain(target: Target, no_wait: bool, socket: str | None, node: str | None, as_json: bool) -> int:
    """Have one hub take no new shares, and wait until it holds none.

    Its clients are told, and go on with the other hubs: once this is done, the hub can be stopped without
    the loss of a share. Those that nobody fetches time out (share-timeout-secs, 60 s by default). A hub that
    drains does so until it is started again. Exit status 1 where shares are left (--no-wait).
    """
    with connect_to_one(target, socket, _hub(target, socket, node), ("hub",)) as hub:
        name = hub.status()["name"]
        left, seconds = hub.drain()
        if left and not as_json:
            click.echo(f"Hub {name} takes no new shares; {left} are left, for {seconds:.0f} s at most")
        if not no_wait:
            left = _wait(hub, left)
    if as_json:
        show({"name": name, "draining": True, "nr_pending_shares": left}, as_json)
    elif not left:
        click.echo(f"Hub {name} takes no new shares and holds none: it can be stopped")
    return ExitStatus.FAILURE if left else ExitStatus.OK


def _hub(target: Target, socket: str | None, node: str | None) -> str | None:
    """The name of the hub, or None where its socket is named."""
    if target.clients:
        raise click.UsageError("Clients hold no shares: only hubs are drained.")
    names = {*target.hubs, *([node] if node else [])}
    network = None if names or socket else target.known_topology()
    if network is not None and network.own and network.own.role == "hub":
        names = {network.own.name}
    if len(names) + bool(socket) != 1:
        raise click.UsageError("Say which hub: dskectl --hub NAME drain. One after the other: k must go on.")
    return names.pop() if names else None


def _wait(hub: ControlClient, left: int) -> int:
    while left:
        time.sleep(_POLL_S)
        left, _ = hub.drain()
    return left
