"""make sim: whole topologies in one process, each from one seed: a storm, a calm, and an oracle over both.

Network, clocks, disks, lying hubs and hostile clients are simulated; the engines and the store are the real
ones. Exits 0 only if all that must hold held in every seed. See docs/testing.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simulating.results import Results
from simulating.running import Outcome, run_seed
from torturing.progress import Progress, progress

LONG_FORM = 20_000
_SAVED_EVERY_S = 5.0
_CHUNK = 4  # seeds that a process takes at once


def outcome_of(seed: int) -> Outcome:
    """One seed, in a process of its own."""
    return run_seed(str(seed))


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # it ends us by this one


@contextmanager
def outcomes(seeds: range, jobs: int) -> Iterator[Iterator[Outcome]]:
    """The outcomes of the seeds in their order, run by so many processes."""
    if jobs == 1:
        yield map(outcome_of, seeds)
        return
    with multiprocessing.Pool(jobs, _leave_signals_to_the_parent) as pool:
        yield pool.imap(outcome_of, seeds, chunksize=_CHUNK)


def run_all(results: Results, jobs: int, state: Path | None, shown: Progress) -> None:
    """The seeds that are not done; ends at the first that fails."""
    seen = saved = time.monotonic()
    with outcomes(range(results.next_seed, results.first + results.seeds), jobs) as found:
        for outcome in found:
            results.take(outcome)
            now = time.monotonic()
            results.wall_s += now - seen
            seen = now
            shown.update(results.done)
            if state is not None and (now - saved > _SAVED_EVERY_S or results.passed or outcome.failure):
                results.save(state)
                saved = now
            if outcome.failure:
                return


def conclusion(results: Results) -> str:
    """All seeds for people."""
    counts = results.counts
    lines = [
        f"{results.done} seeds held, {results.seeds_per_minute:.0f} a minute: {results.events} events in "
        f"{results.simulated_s / 3600:.1f} simulated hours, {counts.get('keys delivered', 0)} keys delivered"
        f", {counts.get('pieces under pads', 0)} uses of pads, none twice",
        "in so many of them: " + ", ".join(f"{name} {number}" for name, number in _storms(results)),
    ]
    if results.failure:
        replay = f"{sys.executable} scripts/sim.py --seed {results.failed_seed} --trace"
        lines.append(f"FAILED in seed {results.failed_seed}: {results.failure}\nagain: {replay}")
    return "\n".join(lines)


def _storms(results: Results) -> list[tuple[str, int]]:
    kinds = ("fault: ", "world: ", "wire: ")
    return sorted((name, number) for name, number in results.seeds_with.items() if name.startswith(kinds))


def run_one(seed: int, *, trace: bool, as_json: bool) -> int:
    """One seed alone, with its trace where that is wanted."""
    outcome = run_seed(str(seed), print if trace and not as_json else None)
    results = Results(seed, 1)
    results.take(outcome)
    if as_json:
        print(json.dumps({**results.summary(), "digest": outcome.digest}, indent=2))
    else:
        print(conclusion(results))
        print(f"trace {outcome.digest}")
    return 0 if results.passed else 1


def parse() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--seeds", type=int, default=LONG_FORM, help=f"how many (default {LONG_FORM})")
    parser.add_argument("--first", type=int, help="the first one (default 1)")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: print the events")
    parser.add_argument("--state", type=Path, help="keeps progress; a run of the same file goes on")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument(
        "--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes (default: all cores)"
    )
    options = parser.parse_args()
    if options.seeds < 1 or options.jobs < 1:
        parser.error("at least one seed and one process are expected")
    if options.seed is not None and (options.state, options.first) != (None, None):
        parser.error("--seed runs one seed alone: without --first and --state")
    if options.trace and options.seed is None:
        parser.error("--trace is of one seed: give --seed as well")
    if options.state is not None and not options.state.absolute().parent.is_dir():
        parser.error(f"--state: there is no directory {options.state.parent}")
    return options


def results_of(options: argparse.Namespace) -> Results:
    """A new run, or the one that the state file tells of. Raises ValueError."""
    if options.state is None or not options.state.exists():
        return Results(1 if options.first is None else options.first, options.seeds)
    results = Results.load(options.state)
    if options.first not in (None, results.first):
        raise ValueError(f"{options.state} begins with seed {results.first}, not {options.first}")
    results.seeds = options.seeds
    return results


def main() -> int:
    options = parse()
    if options.seed is not None:
        return run_one(options.seed, trace=options.trace, as_json=options.json)
    try:
        results = results_of(options)
    except (OSError, ValueError) as error:
        print(f"sim: {error}", file=sys.stderr)
        return 2
    try:
        with progress(results.seeds, "seeds") as shown:
            run_all(results, options.jobs, options.state, shown)
    except KeyboardInterrupt:
        if options.state is not None:
            results.save(options.state)
        raise
    print(json.dumps(results.summary(), indent=2) if options.json else conclusion(results))
    return 0 if results.passed else 1


def _terminated(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("sim: interrupted", file=sys.stderr)
        sys.exit(130)  # 128 + SIGINT
