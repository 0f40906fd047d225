"""Attacks on real daemons and on the engines: what must never happen is tried very often.

`attacks.py NAME` runs one with its long amount, `attacks.py all` every one, `attacks.py list` tells which
there are. Exits 0 only if everything held. See docs/testing.md.
"""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

from attacking.attack import ATTACKS, Attack, Broken, load
from attacking.record import Piece, Record, Records
from torturing.progress import Progress, progress


def run_piece(attack: Attack, seed: str, piece: Piece, before: int, shown: Progress) -> None:
    """Run a piece to its end; what did not hold stands in it."""
    begin = time.monotonic()
    try:
        piece.figures = attack.run(
            f"{seed}.{piece.number}", piece.amount, lambda done: shown.update(before + done)
        )
    except Broken as broken:
        piece.failure = str(broken)
    except Exception:  # an error that nobody has declared is a finding, too
        piece.failure = traceback.format_exc()
    piece.seconds = round(time.monotonic() - begin, 3)


def run(attack: Attack, records: Records, state: Path | None, only: int | None) -> None:
    """The pieces of an attack that are not behind us, or one of them; ends at the first that fails."""
    record = records.attacks[attack.name]
    pieces = record.to_do(attack.piece)
    if only is not None:
        pieces = [piece for piece in pieces if piece.number == only]
    with progress(record.amount, attack.unit) as shown:
        for piece in pieces:
            run_piece(attack, records.seed, piece, record.done, shown)
            record.pieces.append(piece)
            shown.update(record.done)
            shown.tell(described(attack, piece))
            if state is not None:
                records.save(state)
            if piece.failure:
                return


def described(attack: Attack, piece: Piece) -> str:
    """A piece in a line."""
    end = "FAILED" if piece.failure else "held"
    return f"{attack.name} {piece.number}: {piece.amount} {attack.unit} in {piece.seconds:.1f} s: {end}"


def conclusion(attack: Attack, records: Records) -> str:
    """A run for people."""
    found = records.attacks[attack.name].summary(attack)
    lines = [
        f"{attack.name}: {found['amount']} {attack.unit} in {found['seconds']:.0f} s, seed {records.seed}"
    ]
    lines += [f"  {name}: {value}" for name, value in found["figures"].items()]
    amount = records.attacks[attack.name].amount
    for number, failure in found["failures"].items():
        again = f"attacks.py {attack.name} --seed {records.seed} --amount {amount} --piece {number}"
        lines += [f"FAILED in piece {number} (again: {again}):", failure]
    return "\n".join(lines)


def listing(attacks: Iterable[Attack]) -> str:
    """All attacks for people."""
    lines = (f"{one.name:<12} {one.what} ({one.full:,} / {one.long:,} {one.unit})" for one in attacks)
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument(
        "name", choices=[*ATTACKS, "all", "list"], metavar="NAME", help="an attack, or all, or list"
    )
    parser.add_argument("--amount", type=int, help="how much of it (default: that of the long run)")
    parser.add_argument("--seed", help="what is done follows from it (default: a random one)")
    parser.add_argument("--piece", type=int, help="only the piece of this number, from 0")
    parser.add_argument("--state", type=Path, help="keeps progress; a run of the same file goes on")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    if options.amount is not None and (options.amount < 1 or options.name == "all"):
        parser.error("--amount is a number from 1 on, of one attack")
    if options.piece is not None and (options.piece < 0 or options.name == "all"):
        parser.error("--piece is a number from 0 on, of one attack")
    if options.state is not None and not options.state.absolute().parent.is_dir():
        parser.error(f"--state: there is no directory {options.state.parent}")
    return options


def records_of(options: argparse.Namespace) -> Records:
    """A new run, or the one that the state file tells of. Raises ValueError."""
    if options.state is None or not options.state.exists():
        return Records(options.seed or str(secrets.randbelow(2**32)))
    records = Records.load(options.state)
    if options.seed not in (None, records.seed):
        raise ValueError(f"{options.state} has seed {records.seed}, not {options.seed}")
    return records


def check_piece(attack: Attack, options: argparse.Namespace) -> None:
    """Raises ValueError where the attack has no such piece."""
    pieces = -(-(options.amount or attack.long) // attack.piece)
    if options.piece is not None and options.piece >= pieces:
        raise ValueError(f"{attack.name} has {pieces} pieces, numbered from 0")


def attack_all(attacks: list[Attack], records: Records, options: argparse.Namespace) -> bool:
    """Run these one after the other; True where all held."""
    for attack in attacks:
        record = records.attacks.setdefault(attack.name, Record(0))
        record.amount = options.amount or attack.long
        run(attack, records, options.state, options.piece)
        if not options.json:
            print(conclusion(attack, records), flush=True)
    found = {attack.name: records.attacks[attack.name].summary(attack) for attack in attacks}
    if options.json:
        print(json.dumps({"seed": records.seed, "attacks": found}, indent=2))
    if options.piece is not None:
        return not any(one["failures"] for one in found.values())
    return all(one["passed"] for one in found.values())


def main() -> int:
    options = parse()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell has it ignored
    signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    attacks = [load(name) for name in (ATTACKS if options.name in ("all", "list") else [options.name])]
    if options.name == "list":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
        print(listing(attacks))
        return 0
    try:
        records = records_of(options)
        check_piece(attacks[0], options)
    except (OSError, ValueError) as error:
        print(f"attacks: {error}", file=sys.stderr)
        return 2
    return 0 if attack_all(attacks, records, options) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # SIGINT, SIGTERM
        print("attacks: interrupted", file=sys.stderr)
        sys.exit(130)  # 128 + SIGINT
