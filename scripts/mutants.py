"""make mutants: breaks the rules of the pools on purpose, one at a time, and shows that the tests notice.

Every mutant is one replacement in one file, in a copy of the checkout; the named tests must fail there, and
pass where nothing was changed. A mutant whose text is not found any more is an error: mend it here.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("dsked", "tests", "scripts", "proto", "configs", "pyproject.toml", "Makefile")
LIMIT_S = 300.0

POOLS = ("tests/psrd", "tests/wire/test_positions.py", "tests/wire/test_connection.py")
STORE = ("tests/storage",)


@dataclass(frozen=True)
class Mutant:
    """One fault: in `file`, the only `before` becomes `after`; some of `tests` must fail."""

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "a frame leaves before its pads are reserved",
        "dsked/psrd/pool.py",
        "                return None\n        assert end <= self.durable\n",
        "                pass\n",
        POOLS,
    ),
    Mutant(
        "a second daemon takes the state directory",
        "dsked/storage/state_dir.py",
        "if not self.files.lock(lock):",
        "if self.files.lock(lock) is None:",
        STORE,
    ),
    Mutant(
        "no window where a session begins",
        "dsked/psrd/pair.py",
        "    return window_end\n",
        "    return pool.next\n",
        POOLS,
    ),
    Mutant(
        "no limit by acks",
        "dsked/psrd/pool.py",
        "return min(self.held_end, self.acked + self.window) - reserve",
        "return self.held_end - reserve",
        POOLS,
    ),
    Mutant(
        "the position of a lost M3 is used again",
        "dsked/psrd/pool.py",
        "        return self._take(position, length)[1]\n",
        "        return self.store.read(position, length)\n",
        POOLS,
    ),
    Mutant(
        "the durable mark is taken for the exact one",
        "dsked/wire/handshake.py",
        "        peer.mark,",
        "        peer.durable,",
        POOLS,
    ),
    Mutant(
        "marks are not synced",
        "dsked/storage/marks.py",
        "        self._files.sync_data(self._file)\n",
        "        pass\n",
        STORE,
    ),
    Mutant(
        "a failed sync is tried again as if nothing had happened",
        "dsked/storage/committer.py",
        "            lost = True\n",
        "",
        STORE,
    ),
    Mutant(
        "bytes are overwritten above the durable mark",
        "dsked/storage/committer.py",
        "end = min(stream.used, stream.committed)",
        "end = stream.used",
        STORE,
    ),
    Mutant(
        "a renamed record is not synced with its directory",
        "dsked/storage/records.py",
        "    files.sync_directory(path.parent)\n",
        "",
        STORE,
    ),
    Mutant(
        "UUIDs are forgotten",
        "dsked/storage/known_uuids.py",
        "    if missing:\n",
        "    if not known:\n",
        STORE,
    ),
    Mutant(
        "a damaged chunk is used",
        "dsked/storage/durable_stream.py",
        "return checksum(chunk) == expected",
        "return True",
        STORE,
    ),
    Mutant(
        "wiped bytes are taken for pads after a start",
        "dsked/storage/durable_stream.py",
        "return _ZEROS not in chunk[self.used - start :]",
        "return True",
        STORE,
    ),
    Mutant(
        "used blocks stay on the disk",
        "dsked/storage/committer.py",
        "                self._files.remove(path)\n",
        "",
        STORE,
    ),
    Mutant(
        "a handshake leaves before its marks are durable",
        "dsked/psrd/pair.py",
        "        return not self._marks\n",
        "        return True\n",
        POOLS,
    ),
    Mutant(
        "a bundle of which blocks are missing",
        "dsked/media/bundle.py",
        "if self._body.read(DIGEST_BYTES) != self._digest.digest():",
        "if not self._body.read(DIGEST_BYTES):",
        ("tests/media",),
    ),
    Mutant(
        "a generator that is not tested after its start",
        "dsked/entropy/sources.py",
        "            self._tests.check(samples)\n",
        "            self._reader.nr_bytes_read > 1024 or self._tests.check(samples)\n",
        ("tests/entropy",),
    ),
    Mutant(
        "two hubs with one x-coordinate",
        "dsked/storage/adoption.py",
        "    if x in taken_x:\n",
        "    if x is None:\n",
        STORE,
    ),
)


@dataclass(frozen=True)
class Result:
    """What came of one: `caught` if the tests failed, as they must."""

    name: str
    caught: bool
    by: str
    seconds: float


def copy_of_checkout(directory: Path) -> Path:
    """A copy to break. Caches stay behind."""
    copy = directory / "checkout"
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy2(source, copy / name)
    return copy


def run_tests(copy: Path, tests: Sequence[str]) -> str:
    """The name of the first test that failed; empty where none did."""
    command = [
        sys.executable, "-m", "pytest", "-q", "-x", "-n", "2", "-m", "not full", "-p", "no:cacheprovider",
        "--no-header", "--tb=no", "--durations=0", *tests,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED")]
    if done.returncode and not failed:
        raise SystemExit(f"pytest's status {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return failed[0] if failed else ""


def apply(mutant: Mutant, copy: Path) -> str:
    """Breaks the copy; gives the text to put back."""
    path = copy / mutant.file
    text = path.read_text()
    if text.count(mutant.before) != 1:
        raise SystemExit(
            f"{mutant.name}: {mutant.file} holds its text {text.count(mutant.before)} times, not once"
        )
    path.write_text(text.replace(mutant.before, mutant.after))
    return text


def try_all(mutants: Sequence[Mutant], copy: Path) -> Iterator[Result]:
    """One after the other."""
    for mutant in mutants:
        before = time.monotonic()
        text = apply(mutant, copy)
        try:
            by = run_tests(copy, mutant.tests)
        finally:
            (copy / mutant.file).write_text(text)
        yield Result(mutant.name, bool(by), by, time.monotonic() - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="TEXT", help="only mutants whose name holds this")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if not options.only or options.only in mutant.name]
    with tempfile.TemporaryDirectory(prefix="dsked-mutants-") as directory:
        copy = copy_of_checkout(Path(directory))
        for tests in dict.fromkeys(mutant.tests for mutant in chosen):
            by = run_tests(copy, tests)
            if by:
                raise SystemExit(f"without any fault {by} fails already")
        results = []
        for number, result in enumerate(try_all(chosen, copy), 1):
            results.append(result)
            if not options.json:
                verdict = f"caught by {result.by}" if result.caught else "NOT NOTICED"
                print(
                    f"{number:>2}/{len(chosen)} {result.seconds:5.1f} s  {result.name}: {verdict}", flush=True
                )
    if options.json:
        print(json.dumps([result.__dict__ for result in results], indent=1))
    missed = [result.name for result in results if not result.caught]
    if missed:
        sys.exit(f"{len(missed)} of {len(results)} faults were not noticed")
    if not options.json:
        print(f"all {len(results)} faults were noticed")


if __name__ == "__main__":
    main()
