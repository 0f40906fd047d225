"""`dsked`: the daemon's command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dsked import __version__
from dsked.cli import errors
from dsked.cli.options import ManyValuesCommand, hub_addresses, limit_values
from dsked.config import merge, rules
from dsked.config.node import ClientSettings, NodeSettings

_EPILOG = """
With --config a node finds its settings in the topology file by its own name; options win over
the file. Without, a hub needs --port, a client --hubs, and both --psrd and (simulated) --gate-keys.
A hub whose PSRD comes on media needs --config.

State (PSRD from media, gate keys) is in --state-dir, else state_dir of the file, else
$DSKED_STATE_DIR, else /var/lib/dsked/TOPOLOGY for root or ~/.local/state/dsked/TOPOLOGY. Of it the
directory ROLE-NAME is this node's own, as long as it runs. The control socket is
TOPOLOGY/ROLE-NAME.sock in --runtime-dir, else $DSKED_RUNTIME_DIR, else /run/dsked for root,
$XDG_RUNTIME_DIR/dsked or /tmp/dsked-UID. TOPOLOGY is the file's name with a hash of its path.
The log goes to standard error.
"""


@click.command(
    cls=ManyValuesCommand,
    epilog=_EPILOG,
    context_settings={
        "help_option_names": ["-h", "--help"],
        # --start-request-psrd_threshold, as a user guide has it, is meant as it should be written.
        "token_normalize_func": lambda token: token.replace("_", "-"),
    },
)
@click.version_option(__version__, prog_name="dsked")
@click.argument("name")
@click.option("--role", type=click.Choice(["hub", "client"]), required=True, help="What this node is.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Topology file.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("-p", "--port", type=int, help="TCP port: DSKE of a hub, ETSI GS QKD 014 of a client.")
@click.option(
    "--share-timeout-secs",
    "share_timeout_s",
    type=float,
    metavar="SECONDS",
    help="Hub: deletes shares that nobody fetched in this time. Client: the time to live that it asks "
    "for its shares.  [default: 60]",
)
@click.option(
    "--start-request-psrd-threshold",
    type=int,
    metavar="BYTES",
    help="Client: a pool below this asks for PSRD.  [default: 500]",
)
@click.option(
    "--stop-request-psrd-threshold",
    type=int,
    metavar="BYTES",
    help="Client: ... until it is above this.  [default: 2000]",
)
@click.option(
    "--get-psrd-block-size",
    type=int,
    metavar="BYTES",
    help="Client: size of a block of PSRD, at least.  [default: 1000]",
)
@click.option(
    "--min-nr-shares", type=int, metavar="K", help="Client: shares that rebuild a key.  [default: 3]"
)
@click.option(
    "--hubs",
    multiple=True,
    metavar="NAME=HOST:PORT[,x=X] ...",
    help="Client: the hubs. X is the hub's x-coordinate, the same at every client.  [default: by order]",
)
@click.option("--encryptors", multiple=True, metavar="NAME ...", help="Client: its encryptors (SAE IDs).")
@click.option("--psrd", type=click.Choice(rules.PSRD_MODES), help="Where pre-shared random data comes from.")
@click.option(
    "--etsi", type=click.Choice([rules.ETSI_PLAIN_HTTP]), help="Client: serve ETSI GS QKD 014, and how."
)
@click.option(
    "--gate-keys", type=click.Path(path_type=Path), metavar="FILE", help="Gate keys of the pairs (mode 0600)."
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=VALUE ...",
    help="A limit, say max_connections=500; docs/limits.md tells which there are.",
)
@click.option("--state-dir", metavar="DIR", help="Where state is kept; see below.")
@click.option("--runtime-dir", metavar="DIR", help="Where the control socket is; see below.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is logged.",
)
def dsked(role: str, hubs: tuple[str, ...], limits: tuple[str, ...], **values: Any) -> int:
    """Run one node of a DSKE network: hub NAME or client NAME."""
    if role == "hub":
        _refuse_client_options(hubs, values)
    options = merge.Options(hubs=hub_addresses(hubs), limits=limit_values(limits), **values)
    settings = _settings(role, options)
    _warn(settings)
    from dsked import daemon  # loads the event loop: not for --help, nor for a wrong option

    return daemon.run(settings)


def _settings(role: str, options: merge.Options) -> NodeSettings:
    return merge.hub_settings(options) if role == "hub" else merge.client_settings(options)


def _warn(settings: NodeSettings) -> None:
    if isinstance(settings, ClientSettings):
        text = rules.min_nr_shares_warning(settings.min_nr_shares, len(settings.hubs))
        if text:
            click.echo(f"dsked: warning: --min-nr-shares: {text}", err=True)


def _refuse_client_options(hubs: tuple[str, ...], values: dict[str, Any]) -> None:
    only_client = (
        "encryptors",
        "min_nr_shares",
        "start_request_psrd_threshold",
        "stop_request_psrd_threshold",
        "get_psrd_block_size",
        "etsi",
    )
    for name in ["hubs"] if hubs else [name for name in only_client if values[name]]:
        raise click.UsageError(f"--{name.replace('_', '-')} is an option of a client, not of a hub.")


def main() -> None:
    """The console script."""
    errors.run("dsked", dsked)
