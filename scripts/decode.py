#!/usr/bin/env python3
"""Decode DSKE: bytes as hexadecimal text, captured TCP, bundles, and the test vectors.

    decode.py hex 0000000d93a4...          pieces of one direction (- reads standard input; of C or H: --from)
    decode.py capture FILE.pcap [--port P] every connection in a pcap or pcapng file
    decode.py session NAME [FILE]          a session of sessions.json: verified with its pools, its pads off
    decode.py bundle FILE                  header and manifest of a bundle that is not sealed
    decode.py vectors [FILE or DIRECTORY]  judges every vector, and says where it does not agree

Needs Python alone, and shares no code with dsked: written from proto/. --json gives a line of JSON for every
piece. Exit status: 0 if all is well-formed (and authentic, where keys are there to tell), 1 if not, 2 for a
wrong call.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from decoding import bundles
from decoding.capture import CaptureError, segments
from decoding.checking import CHECKS
from decoding.checking_sessions import secrets_of
from decoding.connections import Connections
from decoding.following import Conversation, Piece, sender
from decoding.packed import MalformedError
from decoding.printing import as_json, as_text, readable, tree
from decoding.values import Verdict, raw

VECTORS = Path(__file__).resolve().parent.parent / "proto" / "vectors"


def of_hex(arguments: argparse.Namespace) -> Iterator[Piece]:
    """The pieces of one direction."""
    text = sys.stdin.read() if arguments.hex == "-" else arguments.hex
    data = bytes.fromhex("".join(text.split()))
    yield from Conversation.of_one_direction(data, arguments.direction or sender(data))


def of_capture(arguments: argparse.Namespace) -> Iterator[Piece]:
    """The pieces of all connections, as they were completed."""
    connections = Connections(arguments.port)
    for segment in segments(arguments.file.read_bytes()):
        yield from connections.take(segment)
    yield from connections.end()


def of_session(arguments: argparse.Namespace) -> Iterator[Piece]:
    """The pieces of a recorded session, opened with its pools."""
    document = json.loads(arguments.file.read_text(encoding="ascii"))
    found = [case for case in document["sessions"] if case["name"] == arguments.name]
    if not found:
        names = "\n  ".join(case["name"] for case in document["sessions"])
        raise ValueError(f"no session of that name; there are\n  {names}")
    conversation = Conversation(secrets_of(found[0]))
    at = {"C": 0, "H": 0}
    for piece in found[0]["pieces"]:
        side, data = piece["direction"], raw(piece["bytes"])
        yield conversation.take(side, data, at[side])
        at[side] += len(data)


def show(found: Iterable[Piece], *, machine: bool) -> int:
    """Print pieces; 1 if any is wrong."""
    wrong = False
    for piece in found:
        print(json.dumps(as_json(piece)) if machine else as_text(piece))
        wrong = wrong or bool(piece.problem)
    return int(wrong)


def show_bundle(arguments: argparse.Namespace) -> int:
    """Print what a bundle is, and its manifest where it is not sealed."""
    told = bundles.summary(arguments.file.read_bytes())
    print(json.dumps(readable(told)) if arguments.json else "\n".join(tree(told)))
    return 0


def judge_vectors(arguments: argparse.Namespace) -> int:
    """Compare with every vector; 1 if this decoder does not agree with one."""
    place, nr_wrong = arguments.file, 0
    paths = sorted(place.glob("*.json")) if place.is_dir() else [place]
    if not paths:
        raise ValueError(f"{place}: no vectors (*.json) there")
    for path in paths:
        document = json.loads(path.read_text(encoding="ascii"))
        verdicts = judged(path.stem, document)
        bad = [(name, problem) for name, problem in verdicts if problem]
        nr_wrong += len(bad)
        if arguments.json:
            told = {"file": path.name, "cases": len(verdicts), "disagreements": [list(one) for one in bad]}
            print(json.dumps(told))
        else:
            print(f"{path.name}: {len(verdicts)} cases, {len(bad) or 'no'} disagreements")
            print("".join(f"  {name}: {problem}\n" for name, problem in bad), end="")
    return int(nr_wrong > 0)


def judged(name: str, document: Any) -> list[Verdict]:
    """What is said of the cases of a file; of the file itself, if it is none for this version."""
    if name not in CHECKS:
        return [("all", "not known here")]
    if not isinstance(document, dict) or (document.get("protocol"), document.get("version")) != ("DSKE", 1):
        return [("all", "not of DSKE, version 1")]
    found: list[Verdict] = []
    try:
        found.extend(CHECKS[name](document))
    except (LookupError, TypeError, ValueError) as error:
        found.append(("all", f"not as vectors/README.md has it: {type(error).__name__}: {error}"))
    return found or [("all", "no cases")]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="decode.py"
    )
    top.add_argument("--json", action="store_true", help="a line of JSON for each piece or file")
    kinds = top.add_subparsers(required=True, metavar="hex | capture | session | bundle | vectors")
    one = kinds.add_parser("hex", help="pieces of one direction")
    one.add_argument("hex")
    one.add_argument(
        "--from",
        dest="direction",
        choices="CH",
        help="who sent them (default: as the first one looks, else C)",
    )
    one.set_defaults(run=lambda args: show(of_hex(args), machine=args.json))
    one = kinds.add_parser("capture", help="a pcap or pcapng file")
    one.add_argument("file", type=Path)
    one.add_argument("--port", type=int, help="the hub's TCP port (default: whoever speaks first)")
    one.set_defaults(run=lambda args: show(of_capture(args), machine=args.json))
    one = kinds.add_parser("session", help="a recorded session")
    one.add_argument("name")
    one.add_argument("file", type=Path, nargs="?", default=VECTORS / "sessions.json")
    one.set_defaults(run=lambda args: show(of_session(args), machine=args.json))
    one = kinds.add_parser("bundle", help="a bundle of PSRD")
    one.add_argument("file", type=Path)
    one.set_defaults(run=show_bundle)
    one = kinds.add_parser("vectors", help="judge every vector")
    one.add_argument("file", type=Path, nargs="?", default=VECTORS)
    one.set_defaults(run=judge_vectors)
    for each in kinds.choices.values():
        each.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    return top


def main(words: list[str] | None = None) -> int:
    """Run; the exit status."""
    arguments = parser().parse_args(words)
    try:
        status: int = arguments.run(arguments)
    except BrokenPipeError:  # head(1) has seen enough
        sys.stderr.close()
        return 0
    except (MalformedError, bundles.RefusedError) as error:
        print(f"decode.py: {error}", file=sys.stderr)
        return 1
    except (CaptureError, OSError, ValueError) as error:
        print(f"decode.py: {error}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
