"""make mutants: breaks the safety rules on purpose, one at a time, and shows that the tests notice.

Every mutant breaks one rule in one file, in a copy of the checkout; the named tests must fail there, and pass
where nothing was changed. The list stands in scripts/mutating/, by subject. A mutant whose text is not found
any more is an error: mend it there.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

import mutating.certs
import mutating.client
import mutating.config
import mutating.delivery
import mutating.encryptor
import mutating.handshake
import mutating.hub
import mutating.identifiers
import mutating.pools
import mutating.proofs
import mutating.responder
import mutating.secrets
import mutating.service
import mutating.sharing
import mutating.skip
import mutating.storage
import mutating.stored
import mutating.tls
import mutating.wire
import mutating.wrapping
from mutating.mutant import Mutant

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("dsked", "tests", "scripts", "proto", "configs", "pyproject.toml", "Makefile")
LIMIT_S = 180.0  # for the tests of one mutant
ALL_LIMIT_S = 1800.0  # for all of them, where nothing was changed
HANGS = "a time-out: the tests hang"

MUTANTS = (
    *mutating.pools.MUTANTS,
    *mutating.storage.MUTANTS,
    *mutating.wire.MUTANTS,
    *mutating.wrapping.MUTANTS,
    *mutating.handshake.MUTANTS,
    *mutating.proofs.MUTANTS,
    *mutating.hub.MUTANTS,
    *mutating.identifiers.MUTANTS,
    *mutating.client.MUTANTS,
    *mutating.responder.MUTANTS,
    *mutating.stored.MUTANTS,
    *mutating.sharing.MUTANTS,
    *mutating.delivery.MUTANTS,
    *mutating.encryptor.MUTANTS,
    *mutating.skip.MUTANTS,
    *mutating.secrets.MUTANTS,
    *mutating.tls.MUTANTS,
    *mutating.certs.MUTANTS,
    *mutating.config.MUTANTS,
    *mutating.service.MUTANTS,
)


@dataclass(frozen=True)
class Result:
    """What came of one: `caught` if the tests failed, as they must."""

    name: str
    caught: bool
    by: str
    seconds: float


def copy_of_checkout(directory: Path) -> Path:
    """A copy to break. Caches stay behind; its code is compiled once, valid for exactly this content."""
    copy = directory / "checkout"
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy2(source, copy / name)
    compileall.compile_dir(copy, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    return copy


def run_tests(copy: Path, tests: Sequence[str], limit_s: float = LIMIT_S) -> str:
    """The name of the first test that failed; empty where none did."""
    workers = "2" if any((copy / test).is_dir() for test in tests) else "0"  # they take longer to start
    command = [
        sys.executable, "-m", "pytest", "-q", "-x", "-n", workers, "-m", "not full", "-p", "no:cacheprovider",
        "--no-header", "--tb=no", "--durations=0", *tests,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return HANGS
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR "))]
    if done.returncode and not failed:
        raise SystemExit(f"pytest's status {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return failed[0] if failed else ""


def try_all(mutants: Sequence[Mutant], copy: Path) -> Iterator[Result]:
    """One after the other."""
    for mutant in mutants:
        before = time.monotonic()
        path = copy / mutant.file
        text = path.read_text()
        try:
            path.write_text(mutant.applied(text))
            by = run_tests(copy, mutant.tests)
        except ValueError as error:
            raise SystemExit(str(error)) from None
        finally:
            path.write_text(text)
        yield Result(mutant.name, bool(by), by, time.monotonic() - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="TEXT", help="only mutants whose name or file holds this")
    parser.add_argument("--list", action="store_true", help="name them, and run nothing")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    chosen = [one for one in MUTANTS if not options.only or options.only in f"{one.name} {one.file}"]
    if options.list:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
        print("\n".join(f"{mutant.file}: {mutant.name}" for mutant in chosen))
        return
    if not chosen:
        sys.exit(f"no mutant is named {options.only!r}: see --list")
    results = []
    with tempfile.TemporaryDirectory(prefix="dsked-mutants-") as directory:
        copy = copy_of_checkout(Path(directory))
        by = run_tests(copy, sorted({test for mutant in chosen for test in mutant.tests}), ALL_LIMIT_S)
        if by:
            raise SystemExit(f"without any fault {by} fails already")
        for number, result in enumerate(try_all(chosen, copy), 1):
            results.append(result)
            if not options.json:
                _tell(f"{number:>3}/{len(chosen)}", result)
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    missed = [result.name for result in results if not result.caught]
    if missed:
        sys.exit(f"{len(missed)} of {len(results)} faults were not noticed")
    if not options.json:
        print(f"all {len(results)} faults were noticed")


def _tell(number: str, result: Result) -> None:
    verdict = f"caught by {result.by}" if result.caught else "NOT NOTICED"
    print(f"{number} {result.seconds:5.1f} s  {result.name}: {verdict}", flush=True)


if __name__ == "__main__":
    main()
