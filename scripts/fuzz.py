"""make fuzz: feed every decoder inputs that are found by what they reach in the code (atheris, libFuzzer).

Only declared errors may come out, within bounded time and memory, and the same however an input is cut.
`fuzz.py` runs all targets, `fuzz.py NAME ...` some, `fuzz.py --list` tells which there are, and
`fuzz.py NAME --replay HEX` feeds one input. Exits 0 only if everything held. See docs/testing.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import secrets
import signal
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Lock

from fuzzing.check import Fault, check
from fuzzing.record import SEEDS, Record, Result
from fuzzing.runner import Run
from fuzzing.targets import TARGETS
from torturing.progress import Progress, progress

LONG_FORM = 1_000_000
#: What is lost at most when a run is interrupted.
PIECE_RUNS = 250_000


class Fuzzing:
    """A run under way: several targets at once, each piece by piece."""

    def __init__(self, record: Record, options: argparse.Namespace, corpora: Path, shown: Progress) -> None:
        self._record = record
        self._options = options
        self._corpora = corpora
        self._shown = shown
        self._lock = Lock()
        self._under_way: dict[str, Run] = {}
        self._done = {name: record.of(name).runs for name in options.targets}
        self._stopped = False

    def run(self) -> None:
        """All targets that are not behind us."""
        with ThreadPoolExecutor(self._options.jobs) as pool:
            try:
                list(pool.map(self._target, self._options.targets))
            finally:
                self._stop()

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            under_way = list(self._under_way.values())
        for run in under_way:
            run.end()

    def _target(self, name: str) -> None:
        result = self._record.of(name)
        while result.runs < self._options.runs and not result.failure and not self._stopped:
            piece = self._piece(name, result)
            with self._lock:
                if self._stopped:
                    return
                result.add(piece)
                if self._options.state is not None:
                    self._record.save(self._options.state)
        if not self._stopped:
            self._shown.tell(result.line(name))

    def _piece(self, name: str, result: Result) -> Result:
        corpus = self._corpora / name / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        runs = min(PIECE_RUNS, self._options.runs - result.runs)
        with self._lock:
            if self._stopped:
                return Result()
            run = Run(TARGETS[name], runs, self._record.seed_of(result.pieces), corpus)
            self._under_way[name] = run
        before = result.runs
        return run.wait(lambda runs: self._told(name, before + runs))

    def _told(self, name: str, runs: int) -> None:
        with self._lock:
            self._done[name] = runs
            self._shown.update(sum(self._done.values()))


def fuzz(record: Record, options: argparse.Namespace) -> None:
    """Run the targets; their results stand in the record."""
    with ExitStack() as stack:
        corpora = options.corpus or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="dsked-fuzz-"))
        )
        shown = stack.enter_context(progress(len(options.targets) * options.runs, "runs"))
        Fuzzing(record, options, corpora, shown).run()


def replay(name: str, data: bytes) -> int:
    """Feed one input; 0 where all holds."""
    try:
        check(TARGETS[name], data)
    except Fault as fault:
        print(fault)
        return 1
    print(f"{name}: held")
    return 0


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="which (default: all)")
    parser.add_argument("--runs", type=int, default=LONG_FORM, help=f"of each target (default {LONG_FORM:,})")
    parser.add_argument("--seed", type=int, help="libFuzzer's, of the first piece (default: a random one)")
    parser.add_argument("--state", type=Path, help="keeps progress; a run of the same file goes on")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="keeps inputs there (default: not kept)")
    parser.add_argument("--jobs", type=int, default=1, help="targets at once (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--list", action="store_true", help="tell which targets there are")
    parser.add_argument("--replay", metavar="HEX", help="feed one input to one target")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]}; --list tells which there are")
    if options.runs < 1 or options.jobs < 1 or not 0 <= (options.seed or 0) < SEEDS:
        parser.error(f"--runs and --jobs are numbers from 1 on, --seed one from 0 to {SEEDS - 1}")
    if options.replay is not None and len(options.targets) != 1:
        parser.error("--replay is for one target")
    try:
        options.replay = None if options.replay is None else bytes.fromhex(options.replay)
    except ValueError:
        parser.error("--replay expects the input in hexadecimal digits, two for each byte")
    if options.state is not None and not options.state.absolute().parent.is_dir():
        parser.error(f"--state: there is no directory {options.state.parent}")
    options.targets = options.targets or list(TARGETS)
    return options


def record_of(options: argparse.Namespace) -> Record:
    """A new run, or the one that the state file tells of. Raises ValueError."""
    if options.state is None or not options.state.exists():
        return Record(secrets.randbelow(SEEDS) if options.seed is None else options.seed)
    record = Record.load(options.state)
    if options.seed not in (None, record.seed):
        raise ValueError(f"{options.state} has seed {record.seed}, not {options.seed}")
    return record


def conclusion(record: Record, options: argparse.Namespace) -> str:
    """A run for people."""
    found = {name: record.results[name] for name in options.targets if name in record.results}
    failures = [result.failure for result in found.values() if result.failure]
    seconds = sum(result.seconds for result in found.values())
    total = sum(result.runs for result in found.values())
    summary = f"{total:,} runs of {len(found)} targets in {seconds:,.0f} s, seed {record.seed}"
    return "\n".join([*failures, f"FAILED: {summary}" if failures else summary])


def _interrupt(number: int, frame: object) -> None:
    """Not by way of SIGINT, which shells have ignored in what they start in the background."""
    raise KeyboardInterrupt


def main() -> int:
    options = parse()
    if options.list:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
        print("\n".join(f"{target.name:<26} {target.what}" for target in TARGETS.values()))
        return 0
    if options.replay is not None:
        return replay(options.targets[0], options.replay)
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: atheris is missing; 'make fuzz' installs it", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        record = record_of(options)
    except (OSError, ValueError) as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 2
    fuzz(record, options)
    names, runs = options.targets, options.runs
    print(json.dumps(record.summary(names, runs), indent=2) if options.json else conclusion(record, options))
    return 0 if record.passed(names, runs) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # SIGINT, SIGTERM
        print("fuzz: interrupted", file=sys.stderr)
        sys.exit(130)  # 128 + SIGINT
