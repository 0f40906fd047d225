"""Processes of our own beside the daemons: one command and one answer a line, JSON both ways."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvloop

_SCRIPTS = Path(__file__).resolve().parent.parent


class Child:
    """A process that runs `module`; it is ended at the end of the `with` block."""

    def __init__(self, module: str, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_SCRIPTS), *sys.path])}
        command = [sys.executable, "-m", module, *arguments]
        # In a session of its own: Ctrl-C is for those who started it.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self._module = module

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid

    def ask(self, **command: Any) -> dict[str, Any]:
        """The answer to one command. Raises RuntimeError where the process has ended instead."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._module} has ended: what it said stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def answer_commands(
    answer: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]],
    run: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run,
) -> None:
    """The other side: answer each command on standard input, until that ends. `run` brings the event loop."""

    async def serve() -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            print(json.dumps(await answer(json.loads(line))), flush=True)

    run(serve())
