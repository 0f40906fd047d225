"""make bench: key pairs per second through the control sockets, beside the floor of the same run.

Topologies of real daemons run on loopback; a process that is none of them asks carol for keys and curtis for
the same keys by their IDs, and compares both values. The floor is what the machine does with the same frames,
echoed bare between two processes, and with the bare compute of the same keys, one after the other. See
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
from benching.matrix import Matrix, steps
from benching.records import Crowds, Document
from benching.tables import Table, as_markdown, heading, put_into, tables
from torturing.progress import progress

#: The rows of a full run take three times as long, with their floors and all else: twelve minutes.
SECONDS, QUICK_SECONDS = 2.5, 1.0
_FILE_WIDTH = 120

_Result = TypeVar("_Result", Document, Crowds)


def main() -> int:
    """Measure, or take an earlier result; show it. Interrupted, it leaves nothing behind."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(options)
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    draw = _drawing(options.plot)
    page = _page(options.into)
    file = None if options.json in (None, "-") else _opened(Path(options.json))
    crowds = _read(options.clients, Crowds).crowds if options.clients else None
    found = _read(options.earlier, Document) if options.earlier else _measure(options)
    found.crowds = found.crowds if crowds is None else crowds
    if file is not None:
        file.write_text(_json(found) + "\n")
    if options.into:
        options.into.write_text(put_into(page, as_markdown(found)))
    _show(found, options)
    for path in draw(found):
        print(f"wrote {path}", file=sys.stderr)


# What may be missing is looked for before anything is measured.


def _drawing(directory: Path | None) -> Callable[[Document], Iterable[Path]]:
    if directory is None:
        return lambda found: ()
    try:
        from benching.plots import draw  # matplotlib: only those pay who want plots
    except ModuleNotFoundError as error:
        raise SystemExit(f"bench: {error.name} is missing: scripts/setup.sh --bench installs it") from None
    return partial(draw, directory=directory)


def _page(path: Path | None) -> str:
    """The text of the page that gets tables."""
    if path is None:
        return ""
    try:
        page = path.read_text()
        put_into(page, "")
    except (OSError, ValueError) as error:
        raise SystemExit(f"bench: {path}: {error}") from None
    return page


def _opened(path: Path) -> Path:
    """A file that can be written, in a directory that is made where it is missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        raise SystemExit(f"bench: {path}: {error.strerror}") from None
    return path


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--seconds", type=float, help=f"of each load [{SECONDS}, with --quick {QUICK_SECONDS}]"
    )
    parser.add_argument("--quick", action="store_true", help="what tells most, in under a minute")
    parser.add_argument("--from", dest="earlier", type=Path, metavar="FILE", help="show an earlier result")
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="one JSON document, or to FILE")
    parser.add_argument(
        "--clients", type=Path, metavar="FILE", help="take in what bench_clients.py --json told"
    )
    parser.add_argument("--markdown", action="store_true", help="the tables as in docs/benchmarks.md")
    parser.add_argument(
        "--into", type=Path, metavar="FILE", help="put the tables into this page, in place of its old"
    )
    parser.add_argument("--plot", type=Path, metavar="DIR", help="write the plots (SVG) to a directory")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> Document:
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    with progress(steps(options.quick), "steps") as shown:
        matrix = Matrix(seconds, shown)
        if options.quick:
            matrix.quick()
        else:
            matrix.full()
    return matrix.document


def _read(path: Path, kind: type[_Result]) -> _Result:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        raise SystemExit(f"bench: {path} holds no result of a benchmark: {error}") from None


def _json(found: Document) -> str:
    return msgspec.json.format(msgspec.json.encode(found), indent=1).decode()


def _show(found: Document, options: argparse.Namespace) -> None:
    if options.json == "-":
        print(_json(found))
    elif options.markdown:
        print(as_markdown(found))
    else:
        _print(heading(found), tables(found))


def _print(head: str, made: list[Table]) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    console.print(head, highlight=False)
    for one in made:
        console.print()
        console.print(one.title, style="bold")
        shown = RichTable(box=None, pad_edge=False)
        for place, column in enumerate(one.columns):
            shown.add_column(column, justify="right" if place else "left", no_wrap=not place)
        for row in one.rows:
            shown.add_row(*row)
        console.print(shown)


if __name__ == "__main__":
    sys.exit(main())
