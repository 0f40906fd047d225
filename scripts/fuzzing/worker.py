"""One target under atheris, in a process of its own: runs inputs until a number is reached or one falls over.

`python worker.py TABLE TARGET RUNS SEED CORPUS`: only runner.py calls it, and reads what libFuzzer prints.
"""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path

import atheris

_SCRIPTS = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(_SCRIPTS), str(_SCRIPTS.parent)]
with atheris.instrument_imports(include=["dsked"]):
    table = importlib.import_module(sys.argv[1])
    from fuzzing.check import Fault, check
    from fuzzing.mutation import mutate
    from fuzzing.target import Target

#: One input, all its cuttings together, and the whole process.
_LIMIT_S = 60
_LIMIT_MIB = 2048


class Mutator:
    """Half of the inputs are libFuzzer's own work, half are changed by what is known of the format."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pool = target.examples

    def __call__(self, data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.randrange(2):
            return bytes(atheris.Mutate(data, max_size))
        return mutate(self._target, data, rng, self._pool)[:max_size]


def _one(target: Target, data: bytes) -> None:
    try:
        check(target, data)
    except Fault as fault:
        print(f"Fault: {fault}", file=sys.stderr, flush=True)
        raise


def main() -> None:
    name, runs, seed, corpus = sys.argv[2:]
    target: Target = table.TARGETS[name]
    for number, example in enumerate(target.examples):
        (Path(corpus) / f"example-{number:03}").write_bytes(example[: target.max_bytes])
    arguments = [
        sys.argv[0], f"-runs={runs}", f"-seed={seed}", f"-max_len={target.max_bytes}", f"-timeout={_LIMIT_S}",
        f"-rss_limit_mb={_LIMIT_MIB}", "-len_control=0", "-print_final_stats=1",
        f"-artifact_prefix={corpus}/../", corpus,
    ]  # fmt: skip
    atheris.Setup(arguments, lambda data: _one(target, data), custom_mutator=Mutator(target))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
