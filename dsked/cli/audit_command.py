"""`dskectl audit`: follow an audit log's chain, and show what it says of a key or an encryptor."""

from __future__ import annotations

import gzip
import json
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from dsked.audit.chain import GAP, OPENED, Chain, Entry, Finding, Verifier, parse, parse_chain
from dsked.cli.errors import one_line
from dsked.cli.output import json_option
from dsked.errors import ConfigurationError, ExitStatus, RequestError
from dsked.limits import MAX_AUDIT_LINE_BYTES

_EVENTS = ("established", "delivered", "refused", "taken", "given", OPENED, GAP)
_HEAD = ("number", "time", "event", "encryptor")
_FILES = click.argument("files", nargs=-1, required=True, metavar="FILE...")


@click.group("audit")
def audit() -> None:
    """Check and read audit logs. Files that were rotated come first, the oldest one leading."""


@audit.command(short_help="Tell whether lines were changed, removed or put in.")
@_FILES
@click.option(
    "--after", metavar="NUMBER:HASH", help="A line that must be there: the end of an earlier check."
)
@json_option
def verify(files: tuple[str, ...], after: str | None, as_json: bool) -> int:
    """Follow the chain: exit status 1 where a line was changed, removed or put in.

    Who may write the file can write all of it anew. Keep the end that this prints, or that the node tells its
    log, on another machine, and give it to the next check with --after.
    """
    verifier = Verifier(_chain(after) if after is not None else None)
    findings = [*_findings(verifier, files), *verifier.end()]
    wrong = [finding for finding in findings if finding.wrong]
    if as_json:
        _show_json(verifier, findings)
    else:
        _show(verifier, findings, bool(wrong))
    return ExitStatus.FAILURE if wrong else ExitStatus.OK


def _chain(text: str) -> Chain:
    try:
        return parse_chain(text)
    except RequestError as error:
        raise click.BadParameter(str(error), param_hint="--after") from None


def _findings(verifier: Verifier, files: tuple[str, ...]) -> Iterator[Finding]:
    for file in files:
        with _opened(file) as lines:
            yield from verifier.verify(file, lines)


def _show_json(verifier: Verifier, findings: list[Finding]) -> None:
    document = {
        "whole": not any(finding.wrong for finding in findings),
        "nr_lines": verifier.nr_lines,
        "nr_lost": verifier.nr_lost,
        "end": str(verifier.chain),
        "findings": [
            {"file": one.file, "line": one.line, "text": one.text, "wrong": one.wrong} for one in findings
        ],
    }
    click.echo(json.dumps(document, separators=(",", ":")))


def _show(verifier: Verifier, findings: list[Finding], wrong: bool) -> None:
    for finding in findings:
        where = f"{finding.file}:{finding.line}: " if finding.file else ""
        click.echo(one_line(f"{where}{finding.text}"), err=finding.wrong)
    lost = f"; {verifier.nr_lost} more were lost as they could not be written" if verifier.nr_lost else ""
    verdict = "it is not as the node wrote it" if wrong else "nothing was changed"
    click.echo(f"{verifier.nr_lines} lines{lost}; {verdict}")
    click.echo(f"end: {verifier.chain}")


@audit.command()
@_FILES
@click.option("--key-id", metavar="UUID", help="Only lines about this key.")
@click.option("--encryptor", metavar="NAME", help="Only lines that name this encryptor.")
@click.option(
    "--event", type=click.Choice(_EVENTS), metavar="EVENT", help=f"Only such lines: {', '.join(_EVENTS)}."
)
@json_option
def show(
    files: tuple[str, ...], key_id: str | None, encryptor: str | None, event: str | None, as_json: bool
) -> int:
    """Print what the log says, a line for each event. The chain is not checked."""
    key = _uuid(key_id) if key_id is not None else None
    found = False
    for entry in _entries(files):
        found = True
        if _wanted(entry, key, encryptor, event):
            click.echo(json.dumps(entry.fields, separators=(",", ":")) if as_json else _words(entry))
    if not found and _hold_something(files):
        raise ConfigurationError(f"{', '.join(files)}: no line of an audit log in it")
    return ExitStatus.OK


def _entries(files: tuple[str, ...]) -> Iterator[Entry]:
    for file in files:
        with _opened(file) as lines:
            for line in lines:
                entry = parse(line)
                if entry is not None:
                    yield entry


def _hold_something(files: tuple[str, ...]) -> bool:
    for file in files:
        with _opened(file) as lines:
            if any(lines):
                return True
    return False


def _wanted(entry: Entry, key_id: str | None, encryptor: str | None, event: str | None) -> bool:
    if event is not None and entry.event != event:
        return False
    if key_id is not None and key_id not in _list(entry.fields.get("key_ids")):
        return False
    return encryptor is None or encryptor in _encryptors(entry)


def _encryptors(entry: Entry) -> set[str]:
    """Everyone whom a line names: as the caller, the initiator or a responder."""
    fields = entry.fields
    parties = [fields.get("encryptor"), fields.get("initiator"), *_list(fields.get("responders"))]
    return {str(party["encryptor"] if isinstance(party, dict) else party) for party in parties if party}


def _words(entry: Entry) -> str:
    fields = {name: value for name, value in entry.fields.items() if name not in _HEAD}
    who = f" {entry.fields['encryptor']}" if "encryptor" in entry.fields else ""
    head = f"{entry.number} {entry.fields['time']} {entry.event}{who}"
    if entry.event in (OPENED, GAP):
        fields.pop("previous", None)
    line = " ".join([head, *(f"{name}={_text(value)}" for name, value in fields.items())])
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in line])


def _text(value: Any) -> str:
    return ",".join(map(_party, value)) if isinstance(value, list) else _party(value)


def _party(value: Any) -> str:
    if isinstance(value, dict):
        return f"{_word(value.get('client'))}/{_word(value.get('encryptor'))}"
    return _word(value)


def _word(value: object) -> str:
    """Nodes write no more than that; what others have put in may be deeper than a program can go."""
    return "..." if isinstance(value, dict | list) else str(value)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no UUID", param_hint="--key-id") from None


@contextmanager
def _opened(file: str) -> Iterator[Iterator[bytes]]:
    """The lines of a file, which logrotate(8) may have compressed."""
    try:
        with gzip.open(file) if file.endswith(".gz") else open(file, "rb") as stream:  # noqa: PTH123
            yield _lines(stream)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"{file}: {getattr(error, 'strerror', None) or error}") from None


def _lines(stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """None is longer than a node writes: of another file not all is read at once."""
    while line := stream.readline(MAX_AUDIT_LINE_BYTES + 1):
        yield line
