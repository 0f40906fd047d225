"""`dsked`: the daemon's command line."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from dsked import __version__
from dsked.cli import environment, errors, variables
from dsked.cli.interface_options import INTERFACE_OPTIONS, etsi_mode, interface_options
from dsked.cli.options import ManyValuesCommand, hub_addresses, limit_values, metrics_address, read_by
from dsked.cli.values import not_empty
from dsked.cli.variables import Variables
from dsked.config import merge, origins, paths, rules
from dsked.config.node import ClientSettings, NodeSettings
from dsked.config.options import Options
from dsked.config.origins import named
from dsked.errors import ConfigurationError, ExitStatus

_EPILOG = """
With --config a node finds its settings in its own file, which says its role and name as well, or by
its name in the topology file; options win over the file. Without, a hub needs --port, a client
--hubs, and both --psrd and (simulated) --gate-keys. A hub whose PSRD comes on media needs --config.

Every option may be given in the environment as well, say DSKED_LOG_LEVEL=debug for --log-level
debug, of several values with spaces between them; DSKED_NAME for NAME. The command line wins over
the environment, and the environment over the file.

State (PSRD from media, gate keys) is in --state-dir, else $DSKED_STATE_DIR, else state_dir of the
file, else /var/lib/dsked/TOPOLOGY for root or ~/.local/state/dsked/TOPOLOGY. Of it the directory
ROLE-NAME is this node's own, as long as it runs. The control socket is TOPOLOGY/ROLE-NAME.sock in
--runtime-dir, else $DSKED_RUNTIME_DIR, else /run/dsked for root, $XDG_RUNTIME_DIR/dsked or
/tmp/dsked-UID. TOPOLOGY is the file's name with a hash of its path; with the node's own file there
is none for its state, and for its socket it is ROLE-NAME. The log goes to standard error.
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
@click.argument("name", required=False, metavar="NAME")
@click.option("--role", type=click.Choice(paths.ROLES), help="What this node is.")
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="Topology file, or the node's own."
)
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
    callback=read_by(hub_addresses),
    metavar="NAME=HOST:PORT[,x=X] ...",
    help="Client: the hubs. X is the hub's x-coordinate, the same at every client.  [default: by order]",
)
@click.option("--encryptors", multiple=True, metavar="NAME ...", help="Client: its encryptors (SAE IDs).")
@click.option("--psrd", type=click.Choice(rules.PSRD_MODES), help="Where pre-shared random data comes from.")
@click.option(
    "--wrapping",
    type=click.Choice(rules.WRAPPING_MODES),
    help=f"Encrypt whole messages between clients and hubs.  [default: {rules.WRAPPING_OFF}]",
)
@interface_options
@click.option(
    "--gate-keys", type=click.Path(path_type=Path), metavar="FILE", help="Gate keys of the pairs (mode 0600)."
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    callback=read_by(limit_values),
    metavar="NAME=VALUE ...",
    help="A limit, say max_connections=500; docs/limits.md tells which there are.",
)
@click.option("--state-dir", callback=not_empty, metavar="DIR", help="Where state is kept; see below.")
@click.option(
    "--runtime-dir", callback=not_empty, metavar="DIR", help="Where the control socket is; see below."
)
@click.option(
    "--log-level",
    type=click.Choice(rules.LOG_LEVELS),
    help=f"What is logged.  [default: {rules.LOG_INFO}]",
)
@click.option("--log-format", type=click.Choice(rules.LOG_FORMATS), help=f"How.  [default: {rules.LOG_AUTO}]")
@click.option(
    "--metrics",
    callback=read_by(metrics_address),
    metavar="HOST:PORT",
    help="Where metrics are read.  [default: nowhere]",
)
@click.option("--metrics-beyond-loopback", is_flag=True, help="... on an address beyond loopback.")
@click.option(
    "--audit-log", type=click.Path(path_type=Path), metavar="FILE", help="Who got which key.  [default: none]"
)
@click.option("--check-config", is_flag=True, help="Check the configuration, and start nothing.")
@click.pass_context
def dsked(
    ctx: click.Context,
    /,
    check_config: bool,
    **values: Any,
) -> int:
    """Run one node of a DSKE network: hub NAME or client NAME."""
    environment.warn("dsked")
    role, values["name"] = _node(ctx, values.pop("role"), values["name"], values["config"])
    written = variables.of(ctx)
    if role == "hub":
        _refuse_client_options(values, written)
    values["etsi"] = etsi_mode(values["etsi"], values.pop("insecure"))
    options = Options(only_checked=check_config, **values)
    settings = _settings(role, options, written)
    _warn(settings)
    if check_config:
        _check_surroundings(settings)
        return ExitStatus.OK
    from dsked.daemon import daemon  # loads the event loop: not for --help, nor for a wrong option

    return daemon.run(settings, lambda: _settings(role, options, written))


def _node(ctx: click.Context, role: str | None, name: str | None, config: Path | None) -> tuple[str, str]:
    """Role and name of this node, from its own file where the command line does not say them."""
    own = paths.node_of(config) if config else None
    found = {"name": name or (own[1] if own else None), "role": role or (own[0] if own else None)}
    for option in ctx.command.params:
        if option.name in found and not found[option.name]:
            raise click.MissingParameter(ctx=ctx, param=option)
    return str(found["role"]), str(found["name"])


def _name_environment(command: click.Command) -> None:
    """Every option's variable is named after it, not our parameter; paths.py has those of directories."""
    for option in command.params:
        if option.name not in ("state_dir", "runtime_dir", "version"):
            word = option.opts[-1].lstrip("-").replace("-", "_").upper()
            option.envvar = f"DSKED_{word}"


_name_environment(dsked)


def _settings(role: str, options: Options, written: Variables) -> NodeSettings:
    with variables.named(written):
        found = merge.hub_settings(options) if role == "hub" else merge.client_settings(options)
    origins = {key: variables.in_place(text, written) for key, text in found.origins.items()}
    return replace(found, origins=origins)


def _warn(settings: NodeSettings) -> None:
    if isinstance(settings, ClientSettings):
        text = rules.min_nr_shares_warning(settings.min_nr_shares, len(settings.hubs))
        if text:
            click.echo(f"dsked: warning: --min-nr-shares: {text}", err=True)


def _check_surroundings(settings: NodeSettings) -> None:
    """What a start would find wrong with users, groups, directories and files. Raises ConfigurationError."""
    from dsked.delivery import served_files
    from dsked.delivery.access import AccessRules, group_id

    control, audit_log, written = settings.control, settings.audit_log, settings.origins
    AccessRules.from_names(os.geteuid(), control.users, control.groups, written)
    with named(written, origins.CONTROL_GROUP):
        if control.group is not None:
            group_id(control.group)
    with named(written, origins.AUDIT_LOG):
        if audit_log is not None and not audit_log.parent.is_dir():
            raise ConfigurationError(f"audit log {audit_log}: there is no directory {audit_log.parent}")
        if audit_log is not None and audit_log.is_dir():
            raise ConfigurationError(f"audit log {audit_log}: is a directory; expected a file in one")
    if isinstance(settings, ClientSettings):
        with named(written):
            for warning in served_files.check(settings.etsi_tls, settings.skip, settings.encryptors):
                click.echo(f"dsked: warning: {warning}", err=True)


def _refuse_client_options(values: dict[str, Any], written: Variables) -> None:
    only_client = (
        "hubs",
        "encryptors",
        "min_nr_shares",
        "start_request_psrd_threshold",
        "stop_request_psrd_threshold",
        "get_psrd_block_size",
    )
    options = {name: f"--{name.replace('_', '-')}" for name in only_client} | INTERFACE_OPTIONS
    for option in [option for name, option in options.items() if values[name]]:
        raise click.UsageError(f"{written.get(option, option)} is an option of a client, not of a hub.")


def main() -> None:
    """The console script."""
    errors.run("dsked", dsked)
