"""`dskectl psrd`: pre-shared random data on media, from a hub to a client."""

from __future__ import annotations

import click

from dsked.cli.lazy_group import Lazy, LazyGroup
from dsked.cli.target import Target

_COMMANDS = {
    "generate": Lazy("dsked.cli.psrd_generate", "generate", "Prepare blocks at a hub, for clients."),
    "split": Lazy("dsked.cli.psrd_files", "split", "Cut a file of several bundles."),
    "import": Lazy("dsked.cli.psrd_import", "import_", "Take a bundle in, at its client."),
    "verify": Lazy("dsked.cli.psrd_inspect", "verify", "Check bundles or pools against their checksums."),
    "list": Lazy("dsked.cli.psrd_inspect", "list_", "Show what bundles or pools hold."),
    "erase": Lazy("dsked.cli.psrd_files", "erase", "Overwrite bundles, or the pools of a pair."),
}

_EPILOG = """
The hub prepares blocks with 'generate' and keeps its own copy of them; the bundle is carried to the
client's host, and the client takes it in with 'import'. Both nodes may go on running. A file with
bundles for several clients is cut by 'split' first.

Run these commands on the host of the node, as root or as the node's own user. The node's state is
where --state-dir in front of 'psrd', the topology file or the defaults say; see: dskectl --help
"""


@click.group(
    "psrd",
    cls=LazyGroup,
    lazy=_COMMANDS,
    epilog=_EPILOG,
)
@click.pass_obj
def psrd(target: Target) -> None:
    """Generate, carry, import and look after pre-shared random data (PSRD)."""
    if target.filtered():
        raise click.UsageError(
            "--client and --hub in front of the command choose nodes to start, stop or show; say them "
            "behind: dskectl psrd COMMAND --hub NAME --client NAME ..."
        )
