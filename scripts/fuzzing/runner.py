"""Runs targets under atheris, each piece in a process of its own, and reads what libFuzzer prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .check import Fault
from .record import Result
from .target import Target

_WORKER = Path(__file__).with_name("worker.py")
_STATUS = re.compile(r"^#(\d+)\s.*\bcov: (\d+) .*\bcorp: (\d+)/.*\brss: (\d+)Mb")
_FAULT = re.compile(r"Fault: (.*)")
_FAULT_LINES = 3
_ARTIFACTS = ("crash-", "timeout-", "oom-", "leak-")
_LAST_LINES = 30
#: Where decoders find their files: written and read for every input.
_MEMORY = Path("/dev/shm")  # noqa: S108, a directory of a fresh name is made in it


class Run:
    """One piece of one target under way."""

    def __init__(
        self, target: Target, runs: int, seed: int, corpus: Path, table: str = "fuzzing.targets"
    ) -> None:
        """`corpus`: an existing directory; inputs that fell over are put beside it.

        `table`: the module whose TARGETS the target stands in.
        """
        self._target = target
        self._beside = corpus.parent
        self._began = time.monotonic()
        self._said: list[str] = []
        self.result = Result()
        self._files = tempfile.TemporaryDirectory(
            prefix="dsked-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None
        )
        command = [sys.executable, str(_WORKER), table, target.name, str(runs), str(seed), str(corpus)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            errors="replace", env={**os.environ, "TMPDIR": self._files.name},
        )  # fmt: skip

    def wait(self, told: Callable[[int], None]) -> Result:
        """Until it ends; `told` gets the number of runs now and then."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said = [*self._said[-_LAST_LINES:], line.rstrip("\n")]
            self._take(line, told)
        status = self._process.wait()
        self._process.stderr.close()
        self._files.cleanup()
        self.result.seconds = round(time.monotonic() - self._began, 3)
        if status:
            self.result.failure = self._failure(status)
        return self.result

    def end(self) -> None:
        """Ends it, whatever it does; whoever waits for it goes on."""
        self._process.kill()

    def _take(self, line: str, told: Callable[[int], None]) -> None:
        status = _STATUS.match(line)
        if status:
            result = self.result
            result.runs, result.coverage, result.corpus, peak = map(int, status.groups())
            result.peak_mib = max(result.peak_mib, peak)
            told(result.runs)

    def _failure(self, status: int) -> str:
        """What did not hold; where the process itself fell over, the input that it left."""
        for number, line in enumerate(self._said):
            found = _FAULT.search(line)
            if found:
                return "\n".join([found[1], *self._said[number + 1 : number + _FAULT_LINES]])
        for left in sorted(self._beside.iterdir()):
            if left.name.startswith(_ARTIFACTS):
                kind = left.name.partition("-")[0]
                return str(
                    Fault(self._target, left.read_bytes(), f"the process ended: {kind}, status {status}")
                )
        return f"{self._target.name}: the process ended with status {status}\n" + "\n".join(self._said)
