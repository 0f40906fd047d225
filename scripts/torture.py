"""make torture: kill daemons under load, lose and cut what they send, restore and clone their state.

A peer at the wire writes down every position that any of them ever used, whether the piece arrived or not.
Exits 0 only if no byte was used twice, no more was wasted than allowed, both ends of every key held the same
value, and keys flowed again after every start. See docs/testing.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import provision
import uvloop
from laboratory import free_ports
from torturing.media_round import MediaRound
from torturing.media_world import MediaWorld
from torturing.nodes import TortureError
from torturing.progress import Progress, progress
from torturing.result import Log, Result
from torturing.round import Round
from torturing.world import MEDIA, PORTS, SIMULATED, World

LONG_FORM = 2000
ROUND_KILLS = 50
#: A round may take so long: what it waits for has limits of its own, this one is for what we forgot.
ROUND_LIMIT_S = 120.0
KILL_LIMIT_S = 6.0


def make_round(psrd: str, seed: str, base_port: int, kills: int, told: Callable[[int], None]) -> Round:
    """A round in a laboratory of its own, on PORTS free ports from `base_port` on."""
    if psrd == SIMULATED:
        return Round(World(SIMULATED, seed, base_port), seed, kills, told)
    return MediaRound(MediaWorld(seed, base_port, provision.deliver), seed, kills, told)


async def run_round(one: Round, result: Result, limit_s: float) -> None:
    """Run a round to its end; what did not hold stands in the result, and its files are kept."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        async with asyncio.timeout(limit_s):
            await one.run()
    except (TortureError, TimeoutError) as error:
        result.failure = f"{error or f'not done after {limit_s:.0f} s'}\nfiles are in {one.world.root}"
    finally:
        result.take(one)
        await one.world.close()
        if not result.failure:
            shutil.rmtree(one.world.root)


def run(log: Log, number: int, base_port: int, shown: Progress) -> Result:
    """One round of a run."""
    kills = log.plan[number]
    result = Result(number, f"{log.seed}.{number}")
    before = log.nr_kills
    one = make_round(log.psrd, result.seed, base_port, kills, lambda kills: shown.update(before + kills))
    begin = time.monotonic()
    uvloop.run(run_round(one, result, ROUND_LIMIT_S + kills * KILL_LIMIT_S))
    result.seconds = time.monotonic() - begin
    return result


def run_all(log: Log, state: Path | None, only: int | None) -> None:
    """The rounds that are not behind us, or one of them; ends at the first that fails."""
    base_port = free_ports(PORTS)
    with progress(log.kills) as shown:
        done = {one.number for one in log.rounds}
        for number in [only] if only is not None else sorted(set(range(len(log.plan))) - done):
            result = run(log, number, base_port, shown)
            log.rounds.append(result)
            shown.tell(describe(result))
            if state is not None:
                log.save(state)
            if result.failure:
                return


def describe(result: Result) -> str:
    """A round in a line."""
    return (
        f"round {result.number}: {result.kills} kills in {result.seconds:.1f} s, "
        f"{result.key_pairs} key pairs, {result.connections} connections, {result.uses} uses: "
        f"{'FAILED' if result.failure else 'held'}"
    )


def conclusion(log: Log) -> str:
    """All rounds for people."""
    found = log.summary()
    lines = [
        f"{found['kills']} kills, {found['key_pairs']} key pairs, {found['connections']} connections, "
        f"{found['uses']} uses of {found['used']} bytes, none twice; "
        f"{found['wasted_per_pool_and_kill']} bytes wasted per pool and kill",
        f"done: {found['done']}",
        f"seed {log.seed}",
    ]
    for seed, failure in found["failures"].items():
        number = seed.rpartition(".")[2]
        lines[0] = f"FAILED in round {number} of seed {log.seed} (again: --seed {log.seed} --round {number}):"
        lines.insert(1, failure)
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--kills", type=int, default=LONG_FORM, help=f"how many (default {LONG_FORM})")
    parser.add_argument("--seed", type=int, help="what is done follows from it (default: a random one)")
    parser.add_argument("--round", type=int, help="only the round of this number, from 0")
    parser.add_argument("--round-kills", type=int, default=ROUND_KILLS, help=f"(default {ROUND_KILLS})")
    parser.add_argument("--psrd", choices=(MEDIA, SIMULATED), default=MEDIA, help="(default media)")
    parser.add_argument("--state", type=Path, help="keeps progress; a run of the same file goes on")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    if options.kills < 1 or options.round_kills < 1:
        parser.error("at least one kill is expected")
    if options.state is not None and not options.state.absolute().parent.is_dir():
        parser.error(f"--state: there is no directory {options.state.parent}")
    return options


def log_of(options: argparse.Namespace) -> Log:
    """A new run, or the one that the state file tells of. Raises ValueError."""
    if options.state is None or not options.state.exists():
        seed = secrets.randbelow(2**32) if options.seed is None else options.seed
        return Log(seed, options.kills, options.psrd, options.round_kills)
    log = Log.load(options.state)
    if options.seed not in (None, log.seed):
        raise ValueError(f"{options.state} has seed {log.seed}, not {options.seed}")
    log.kills = options.kills
    return log


def main() -> int:
    options = parse()
    try:
        log = log_of(options)
    except (OSError, ValueError) as error:
        print(f"torture: {error}", file=sys.stderr)
        return 2
    run_all(log, options.state, options.round)
    print(json.dumps(log.summary(), indent=2) if options.json else conclusion(log))
    return 0 if log.passed or (options.round is not None and not log.rounds[-1].failure) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, asyncio.CancelledError):  # SIGINT, SIGTERM
        print("torture: interrupted", file=sys.stderr)
        sys.exit(130)  # 128 + SIGINT
