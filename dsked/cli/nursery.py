"""The process from which `dskectl start` forks nodes: the daemon is imported once, not once per node.

`python -P -m dsked.cli.nursery` has one end of a socket pair as its standard input. dskectl sends it JSON
objects, and it answers each with one:

    {"load": PART}      import what a node of this kind runs on (dsked.daemon.loading.load); answer {}
    {"program": [WORD, ...], "arguments": [WORD, ...], "notify": PATH}, with the log's descriptor
                        fork a node; answer {"pid": N}, or {"errno": N} where the system makes no process

It ends with that socket. It has no event loop, no thread, no descriptor but 0 to 2, and reads no file but
Python's modules: nothing in it is secret, and nothing must not be shared. A node is then what it would
be if it were started alone: it has a session, a log and (in ps) a command line of its own, and nothing of the
nursery's open; it runs the daemon's main function at the bottom of its stack, and ends as any Python program.
Where that cannot be had (the command line has no room, an import has started a thread) it is executed anew.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

MAX_MESSAGE_BYTES = 64 * 1024
#: Where proc(5) has arg_start and arg_end in /proc/PID/stat, counted from behind the command's name.
_ARG_START, _ARG_END = 48 - 3, 49 - 3


class _Node(NamedTuple):
    """What a fork is to be. `alone`: whether the nursery has one thread, so that a fork of it is whole."""

    program: list[str]
    arguments: list[str]
    notify: str
    log: int
    alone: bool


def serve(daemon: Callable[[], object], load: Callable[[str], None]) -> None:
    """Serves dskectl until it goes; in a node: runs `daemon`, which finds its words in sys.argv."""
    gc.disable()  # what is imported stays
    with socket.socket(fileno=os.dup(0)) as dskectl:
        node = _until_node(dskectl, load)
    if node is None:
        os._exit(0)  # there is nothing to clean up, and dskectl waits
    _become(node)
    daemon()


def _until_node(dskectl: socket.socket, load: Callable[[str], None]) -> _Node | None:
    """Answers dskectl. Returns None when it has gone, and in every fork what the node is to be."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(dskectl, MAX_MESSAGE_BYTES, 1)
        if not message:
            return None
        request = json.loads(message)
        if "load" in request:
            load(request["load"])
            _answer(dskectl, load=0)
            continue
        node = _Node(**request, log=descriptors[0], alone=len(list(Path("/proc/self/task").iterdir())) == 1)
        if _fork(dskectl) == 0:
            return node
        os.close(node.log)


def _fork(dskectl: socket.socket) -> int:
    """0 in the node. Here dskectl is told the process; where it has gone, nobody waits for the node."""
    gc.freeze()  # else the first collection of every node would copy all pages
    try:
        pid = os.fork()
    except OSError as error:
        _answer(dskectl, errno=error.errno or 0)
        return -1
    if pid and not _answer(dskectl, pid=pid):
        os.kill(pid, signal.SIGKILL)
    return pid


def _answer(dskectl: socket.socket, **answer: int) -> bool:
    try:
        dskectl.send(json.dumps(answer).encode())
    except OSError:  # the next message will be its end
        return False
    return True


def _become(node: _Node) -> None:
    """Leaves all that was the nursery's. Does not return where the node must be executed anew."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((null, node.log, node.log)):
        os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ["NOTIFY_SOCKET"] = node.notify
    words = [*node.program, *node.arguments]
    if not node.alone or not take_command_line(words):
        os.execv(words[0], words)  # noqa: S606  our own daemon
    sys.orig_argv[:] = words
    sys.argv[:] = [node.program[-1], *node.arguments]
    gc.enable()


def take_command_line(words: list[str]) -> bool:
    """Makes `words` the command line of this process, as ps and /proc show it. False where it has no room.

    They are written over the words that it was executed with, as setproctitle(3) does, each ended by a zero.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    line = b"".join(os.fsencode(word) + b"\0" for word in words)
    before = Path("/proc/self/cmdline").read_bytes()
    if len(line) > len(before) or ctypes.string_at(start, end - start) != before:
        return False
    ctypes.memmove(start, line.ljust(len(before), b"\0"), len(before))
    return True


def main() -> None:
    """The nursery of real nodes."""
    from dsked.cli import dsked
    from dsked.daemon import daemon, loading  # noqa: F401  nodes find the daemon imported

    serve(dsked.main, loading.load)


if __name__ == "__main__":
    main()
