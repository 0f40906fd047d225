"""What must hold of every input: declared errors only, the same outcome however it is cut, bounded cost."""

from __future__ import annotations

import logging
import random
import resource
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from .target import Given, Target

#: What one input may cost, all its cuttings together. Generous: other work may share the machine.
MAX_SECONDS = 5.0
MAX_MEMORY_KIB = 256 * 1024
#: Of an error's text, beside what it may quote of the input: six characters for a byte, as \\udcff.
MAX_TEXT = 1000
QUOTED = 6


class Fault(Exception):
    """What did not hold of a target, and for which input."""

    def __init__(self, target: Target, data: bytes, what: str) -> None:
        again = data.hex() or "''"
        super().__init__(
            f"{target.name}: {what}\n  input: {again}\n"
            f"  again: python scripts/fuzz.py {target.name} --replay {again}"
        )


class _Broken(Exception):
    pass


class _LoggedErrors(logging.Handler):
    """Whoever logs an error has caught what was not declared."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else "error"
        self.found.append(f"logged: {record.getMessage()}: {kind}")


_LOGGED = _LoggedErrors()


def check(target: Target, data: bytes) -> None:
    """Feed one input in all ways. Raises Fault."""
    try:
        with _bounded(), _quiet():
            if target.stream is None:
                _check_value(target, data)
            else:
                _check_stream(target, data)
    except _Broken as broken:
        raise Fault(target, data, str(broken)) from broken.__cause__


@contextmanager
def _bounded() -> Iterator[None]:
    began, before = time.process_time(), _peak_kib()
    yield
    seconds, grown = time.process_time() - began, _peak_kib() - before
    if seconds > MAX_SECONDS:
        raise _Broken(f"took {seconds:.1f} s")
    if grown > MAX_MEMORY_KIB:
        raise _Broken(f"took {grown // 1024} MiB of memory")


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing is logged as an error; what is, is not printed."""
    log = logging.getLogger("dsked")
    propagate, log.propagate = log.propagate, False
    _LOGGED.found.clear()
    log.addHandler(_LOGGED)
    try:
        yield
    finally:
        log.removeHandler(_LOGGED)
        log.propagate = propagate
    if _LOGGED.found:
        raise _Broken(_LOGGED.found[0])


def _declared(target: Target, data: bytes, error: Exception) -> tuple[str, str]:
    """Type and text of an error that may come out. Raises _Broken for any other."""
    kind = type(error).__name__
    if not isinstance(error, target.declared):
        raise _Broken(f"undeclared {kind}: {str(error)[:MAX_TEXT]!r}") from error
    text = target.shown(error)
    if len(text) > MAX_TEXT + QUOTED * len(data):
        raise _Broken(f"the text of {kind} has {len(text)} characters: {text[:80]!r}")
    if not text.isprintable():
        raise _Broken(f"the text of {kind} is no line that can be printed: {text!r}")
    return kind, text


def _check_value(target: Target, data: bytes) -> None:
    assert target.decode is not None
    try:
        value = target.decode(data)
    except Exception as error:
        _declared(target, data, error)
        return
    if target.encode is None:
        return
    again = target.encode(value)
    if target.exact and again != data:
        raise _Broken(f"not canonical: what it decodes to is encoded as {again.hex()}")
    if not target.exact and target.decode(again) != value:
        raise _Broken(f"encoded and decoded again it is something else: {again.hex()}")


def _check_stream(target: Target, data: bytes) -> None:
    wire = data if target.wire is None else target.wire(data)
    whole = _outcome(target, data, [wire])
    for how, pieces in (("byte by byte", _bytes_of(wire)), ("in pieces", _cut(wire))):
        outcome = _outcome(target, data, pieces)
        if outcome != whole:
            raise _Broken(f"{how} it gives {outcome!r:.500}, whole {whole!r:.500}")


def _outcome(target: Target, data: bytes, pieces: list[bytes]) -> Given:
    """All that comes out, the error at the end if there is one."""
    assert target.stream is not None
    given: Given = []
    try:
        target.stream(pieces, given)
    except Exception as error:
        given.append(_declared(target, data, error))
    return given


def _bytes_of(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def _cut(data: bytes) -> list[bytes]:
    """The input in pieces of random lengths, which follow from the input."""
    rng = random.Random(zlib.crc32(data))
    places = sorted(rng.randrange(len(data) + 1) for _ in range(min(len(data), 8)))
    return [data[one:other] for one, other in zip([0, *places], [*places, len(data)], strict=True)]
