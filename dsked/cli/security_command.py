"""`dskectl security`: how sure keys are, in powers of two, for a topology or any n and k."""

from __future__ import annotations

import re
import shutil
import sys
from typing import Any

import click

from dsked import limits
from dsked.cli.output import json_option, show
from dsked.cli.target import Target
from dsked.config import rules
from dsked.errors import ConfigurationError, ExitStatus
from dsked.sharing.terms import Party

_DEFAULT_KEYS = "2^30"
_NUMBER = re.compile(r"(\d{1,30})(?:\^(\d{1,3}))?", re.ASCII)
_MOST = 2**128


class _Number(click.ParamType):  # type: ignore[type-arg]  # click before 8.3 has none
    """A whole number from 1 on, also as a power: 2^40."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _NUMBER.fullmatch(str(value))
        number = int(found[1]) ** int(found[2] or 1) if found else 0
        if not 1 <= number <= _MOST:
            self.fail(f"{value!r}: expected a whole number from 1 to 2^128, such as 1000000 or 2^40")
        return number


@click.command()
@click.option("--hubs", "n", type=int, metavar="N", help="Hubs, in place of a topology file.")
@click.option("--min-nr-shares", "k", type=int, metavar="K", help="Shares that rebuild a key.")
@click.option("--size", type=int, default=limits.DEFAULT_KEY_SIZE_BITS, metavar="BITS",
              show_default=True, help="Key size in bits.")  # fmt: skip
@click.option("--keys", type=_Number(), default=_DEFAULT_KEYS, metavar="NUMBER", show_default=True,
              help="Keys in all, such as 1000000 or 2^40.")  # fmt: skip
@click.option("--responders", type=click.IntRange(1, limits.MAX_RESPONDERS), default=1, metavar="NUMBER",
              show_default=True, help="Encryptors that each key names.")  # fmt: skip
@click.option("--years", type=float, default=10.0, metavar="YEARS", show_default=True,
              help="For how long frames may be forged.")  # fmt: skip
@click.option("--attempts", type=_Number(), metavar="NUMBER",
              help="Forged frames in all.  [default: what back-off leaves time for]")  # fmt: skip
@json_option
@click.pass_obj
def security(
    target: Target, n: int | None, k: int | None, size: int, keys: int, responders: int, years: float,
    attempts: int | None, as_json: bool,
) -> int:  # fmt: skip
    """Show what may go wrong by chance, and how many hubs may fail or lie.

    For the topology file, or for --hubs N with --min-nr-shares K. Every line is an upper bound with its
    formula and source, for fewer than K hubs that lie or leak, and whatever computing power they have.
    """
    from dsked.cli import security_figures as figures  # the sharing loads OpenSSL

    if size % 8 or not limits.MIN_KEY_SIZE_BITS <= size <= limits.MAX_KEY_SIZE_BITS:
        raise click.BadParameter(
            f"{size} bits; expected a multiple of 8 from {limits.MIN_KEY_SIZE_BITS} to "
            f"{limits.MAX_KEY_SIZE_BITS}",
            param_hint="--size",
        )
    if not 0 < years <= 1_000_000:
        raise click.BadParameter(f"{years:g}; expected a number above 0", param_hint="--years")
    target.no_filter("security")
    parties: list[Party] = []
    clients = 1 + responders
    if n is None:
        n, k, parties, clients = _of_topology(target, k, responders)
    elif k is None:
        raise click.UsageError("--hubs stands with --min-nr-shares.")
    _check_counts(n, k)
    terms = figures.longest_terms(n, k, size, responders, parties, clients)
    if attempts is None:
        attempts = figures.possible_attempts(n, clients, years)
    document = figures.document(figures.Question(terms, clients, keys, years, attempts))
    if as_json:
        show(document, as_json)
    else:
        _print(document)
    return ExitStatus.OK


def _of_topology(target: Target, k: int | None, responders: int) -> tuple[int, int, list[Party], int]:
    """n, the hubs of the client that has most, k, all parties and the number of clients.

    Raises ConfigurationError.
    """
    network = target.topology()
    parties = [Party(client.name, one.name) for client in network.clients for one in client.encryptors]
    if len(parties) < 1 + responders:
        raise ConfigurationError(
            f"{network.path}: it has {len(parties)} encryptors; a key with {responders} responders names "
            f"{1 + responders}: give --hubs and --min-nr-shares, or fewer --responders"
        )
    n = max(len(client.hubs) for client in network.clients)
    return n, k or network.min_nr_shares, parties, len(network.clients)


def _check_counts(n: int, k: int) -> None:
    if not 2 <= n <= limits.MAX_HUBS:
        raise click.BadParameter(f"{n}; expected 2 to {limits.MAX_HUBS} hubs", param_hint="--hubs")
    fault = rules.min_nr_shares_fault(k, n)
    if fault:
        raise click.BadParameter(fault, param_hint="--min-nr-shares")


# --- for people ---


def _print(document: dict[str, Any]) -> None:
    """Tables; in colour on a terminal."""
    from dsked.cli.security_figures import number

    _say(
        f"{document['k']} of {document['n']} hubs; {number(document['keys'])} keys of "
        f"{document['key_size']} bits, for {document['responders']} responder(s) each; "
        f"{number(document['attempts'])} forged frames, in {document['years']:g} years"
    )
    sources = list(dict.fromkeys(row["source"] for row in document["bounds"]))
    at_most = [("0" if row["log2"] is None else f"2^{row['log2']:.1f}", row) for row in document["bounds"]]
    _table(
        f"Fewer than {document['k']} hubs lie or leak, with any computing power",
        ("event", "at most", "formula", "source"),
        [(row["event"], shown, row["formula"], f"[{sources.index(row['source']) + 1}]")
         for shown, row in at_most],
    )  # fmt: skip
    for place, source in enumerate(sources, 1):
        _say(f"[{place}] {source}")
    _table(
        "Keys still come, the right ones, with so many liars among the hubs that answer",
        ("hubs down", "answer", "liars found by decoding", "liars found by search"),
        [tuple(str(value) for value in row.values()) for row in document["tolerance"]],
    )
    _table(
        "PSRD for each key at each hub, both pools together, in bytes",
        ("keys asked for at once", "with the initiator", "with each responder"),
        [(what, str(row["initiator"]), str(row["responder"]))
         for what, row in document["psrd_bytes_per_key"].items()],
    )  # fmt: skip
    click.echo()
    for condition in document["conditions"]:
        _say(f"- {condition}")
    warning = rules.min_nr_shares_warning(document["k"], document["n"])
    if warning:
        click.secho(_fitted(f"- {warning}"), fg="yellow")


def _say(text: str) -> None:
    click.echo(_fitted(text))


def _fitted(text: str) -> str:
    """Broken between words on a terminal, as it is elsewhere."""
    if not sys.stdout.isatty():
        return text
    return click.wrap_text(text, shutil.get_terminal_size().columns, subsequent_indent="  ")


def _table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    click.echo()
    if not sys.stdout.isatty():
        from dsked.cli.psrd_documents import table

        click.echo("\n".join([title, *table(head, rows)]))
        return
    from rich.console import Console  # 0.1 s that only those pay who see it
    from rich.markup import escape
    from rich.table import Table

    shown = Table(title=title, title_justify="left", title_style="bold")
    for column in head:
        shown.add_column(column, style="green" if column == "at most" else None)
    for row in rows:
        shown.add_row(*map(escape, row))
    Console().print(shown)
