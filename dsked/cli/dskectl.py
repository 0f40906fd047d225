"""`dskectl`: the command line of topologies and of single nodes.

Commands load when they are called, each with its own subject's modules: `dskectl get-key`, which
an encryptor may call for every key, must not pay for those that start topologies.
"""

from __future__ import annotations

import atexit
import gc
import resource
from typing import Any

import click

from dsked import __version__
from dsked.cli import completing, environment, errors
from dsked.cli.lazy_group import Lazy, LazyGroup
from dsked.cli.target import Target
from dsked.cli.values import not_empty

_COMMANDS = {
    "start": Lazy("dsked.cli.topology_commands", "start", "Start hubs and clients."),
    "stop": Lazy("dsked.cli.topology_commands", "stop", "Stop hubs and clients."),
    "status": Lazy("dsked.cli.status_command", "status", "Show what nodes say about themselves."),
    "top": Lazy("dsked.cli.top_command", "top", "Watch nodes live."),
    "drain": Lazy("dsked.cli.drain_command", "drain", "Have a hub take no new shares, before it is stopped."),
    "etsi-qkd": Lazy("dsked.cli.etsi_commands", "etsi_qkd", "Keys and status over ETSI GS QKD 014."),
    "get-key": Lazy("dsked.cli.key_commands", "get_key", "Establish a key at one client."),
    "get-key-with-key-ids": Lazy(
        "dsked.cli.key_commands", "get_key_with_key_ids", "Fetch keys at one client by their IDs."
    ),
    "psrd": Lazy("dsked.cli.psrd_commands", "psrd", "Bring pre-shared random data to nodes, on media."),
    "config": Lazy("dsked.cli.config_command", "config", "Check configuration files, and show examples."),
    "certs": Lazy("dsked.cli.certs_command", "certs", "Look into certificates, or make a laboratory's."),
    "audit": Lazy("dsked.cli.audit_command", "audit", "Check and read audit logs."),
    "doctor": Lazy("dsked.cli.doctor_command", "doctor", "Look for what is wrong, or will be."),
    "completion": Lazy("dsked.cli.completion_command", "completion", "Print a shell's completion."),
    "security": Lazy("dsked.cli.security_command", "security", "Show how sure keys are, in powers of two."),
}

_EPILOG = """
The configuration file, a topology's or one node's own, is the one named with --config, else
./dske-config.yaml, else /etc/dsked/dske-config.yaml, else /etc/dsked/dsked.yaml.

Logs: 'start' writes hub-NAME.out and client-NAME.out to the current directory, or to --log-dir.

State (PSRD from media, gate keys) is in --state-dir, else $DSKED_STATE_DIR, else state_dir of the
file, else /var/lib/dsked/TOPOLOGY for root or ~/.local/state/dsked/TOPOLOGY; of it the
directory ROLE-NAME is one node's own. Control sockets are
TOPOLOGY/ROLE-NAME.sock in --runtime-dir, else $DSKED_RUNTIME_DIR, else /run/dsked for root,
$XDG_RUNTIME_DIR/dsked or /tmp/dsked-UID. TOPOLOGY is the file's name with a hash of its path.

Exit status: 0 done; 1 it failed; 2 wrong command line or file; 3 the node is not running;
4 the request was refused, and asking again will not help.
"""


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="dskectl")
@click.option(
    "--config",
    metavar="FILE",
    help="Configuration file.  [default: see below]",
    shell_complete=completing.files,
)
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="NAME",
    help="Only this client; repeatable.",
    shell_complete=completing.clients,
)
@click.option(
    "--hub",
    "hubs",
    multiple=True,
    metavar="NAME",
    help="Only this hub; repeatable.",
    shell_complete=completing.hubs,
)
@click.option(
    "--state-dir",
    callback=not_empty,
    metavar="DIR",
    help="Where state is kept; see below.",
    shell_complete=completing.directories,
)
@click.option(
    "--runtime-dir",
    callback=not_empty,
    metavar="DIR",
    help="Where control sockets are; see below.",
    shell_complete=completing.directories,
)
@click.pass_context
def dskectl(ctx: click.Context, /, **values: Any) -> None:
    """Start, stop and inspect DSKE hubs and clients, get keys from them, and bring them PSRD on media."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # keys and pads pass through these processes
    environment.warn("dskectl")
    ctx.obj = Target(**values)


def main() -> None:
    """The console script."""
    atexit.register(gc.freeze)  # a process would end with a search for garbage: an eighth of a key request
    errors.run("dskectl", dskectl)


if __name__ == "__main__":
    main()
