"""The log of a node: one line for each event, readable, as JSON, or with journald's priorities.

All of dsked tells its events to the standard library's loggers. Here structlog's formatter makes lines of
them, each with the node, and with the peer and the key's ID where there are such (`LOG_FIELDS`). A line stays
one line, whatever names stand in it: what is not printable is escaped. And what repeats itself without end
does not fill a disk: see `Guard`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

from dsked.config import rules
from dsked.limits import LOG_BURST, LOG_TRACEBACK_BURST, OUTSIDER_LOG_INTERVAL_S
from dsked.notice import LOG_FIELDS
from dsked.seldom import Seldom, more


@contextlib.contextmanager
def _without_rich() -> Iterator[None]:
    """structlog imports rich where that is installed: 80 ms and 27 MB of every node, for nothing."""
    before = sys.modules.get("rich")
    sys.modules["rich"] = None  # type: ignore[assignment]  # so that importing it fails
    try:
        yield
    finally:
        if before is None:
            del sys.modules["rich"]
        else:
            sys.modules["rich"] = before


with _without_rich():
    from structlog.processors import JSONRenderer, format_exc_info
    from structlog.stdlib import ExtraAdder, ProcessorFormatter

_Event = MutableMapping[str, Any]
#: Priorities of syslog(3), which journald reads at the beginning of a line: see sd-daemon(3).
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_COLOURS = {"DEBUG": "\x1b[2m", "INFO": "\x1b[32m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m"}
_CRITICAL, _DIM, _PLAIN = "\x1b[1;31m", "\x1b[2m", "\x1b[0m"


def set_up(log_format: str, level: str, role: str, name: str, stream: TextIO | None = None) -> None:
    """Log to `stream`, standard error unless it is told, as this node. Again: in another format, or level."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.set_name("dsked")
    handler.setFormatter(formatter(log_format, role, name, stream))
    handler.addFilter(Guard())
    root = logging.getLogger()
    for old in [one for one in root.handlers if one.get_name() == "dsked"]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())


def formatter(log_format: str, role: str, name: str, stream: TextIO) -> ProcessorFormatter:
    """Makes lines of what one node logs to `stream`; `log_format` is one of rules.LOG_FORMATS."""
    chosen = "journald" if log_format == rules.LOG_AUTO and goes_to_journald(stream) else log_format
    if chosen == "json":
        render: list[Any] = [_Json(role, name), JSONRenderer(json.dumps)]
    elif chosen == "journald":
        render = [_Journald(role, name)]
    else:
        render = [_Terminal(role, name) if _is_for_people(stream) else _Text(role, name)]
    return ProcessorFormatter(
        foreign_pre_chain=[ExtraAdder(allow=LOG_FIELDS)], processors=[format_exc_info, *render]
    )


def goes_to_journald(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether journald reads what is written to `stream`: systemd.exec(5), $JOURNAL_STREAM."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file, or closed
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _is_for_people(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Colours, as https://no-color.org has it."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def printable(text: str) -> str:
    """`text` in one line, with an escape for whatever is not printable: nobody writes lines of their own."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in text])


def _names(text: str, value: str) -> bool:
    """Whether `value` stands in `text` already, as a word."""
    return re.search(rf"(?<![\w.-]){re.escape(value)}(?![\w-])", text) is not None


class Guard(logging.Filter):
    """The last limit on lines: of one place in the code and one level, those that are too many are left out.

    What outsiders can cause has limits of its own, which are lower. DEBUG has none: who wants it wants all.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = Seldom(OUTSIDER_LOG_INTERVAL_S, LOG_BURST)
        self._tracebacks = Seldom(OUTSIDER_LOG_INTERVAL_S, LOG_TRACEBACK_BURST)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it becomes a line."""
        if record.levelno < logging.INFO:
            return True
        seldom = self._tracebacks if record.exc_info else self._lines
        left_out = seldom.may_tell((record.pathname, record.lineno, record.levelno), record.created)
        if left_out:
            record.msg, record.args = f"{record.getMessage()}{more(left_out)}", ()
        return left_out is not None


class _Lines:
    """What the forms have in common. Each is a processor of structlog's."""

    def __init__(self, role: str, name: str) -> None:
        self._role = role
        self._name = name

    def _time(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC)
        return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z"

    def _message(self, event: _Event) -> str:
        """What happened, and behind it the fields that it does not name itself."""
        text = printable(str(event["event"]))
        fields = [(name, printable(str(event[name]))) for name in LOG_FIELDS if name in event]
        return " ".join([text, *(f"{name}={value}" for name, value in fields if not _names(text, value))])

    def _line(self, event: _Event) -> str:
        """The same with whose event it is and, in the same line, the traceback of a fault."""
        record = event["_record"]
        where = "" if record.name.startswith("dsked") else f" [{record.name}]"
        traceback = f" | {printable(event['exception'])}" if "exception" in event else ""
        return f"{self._role} {self._name}{where}: {self._message(event)}{traceback}"


class _Text(_Lines):
    def __call__(self, _logger: Any, _method: str, event: _Event) -> str:
        record = event["_record"]
        return f"{self._time(record)} {record.levelname} {self._line(event)}"


class _Terminal(_Lines):
    """In colour; a traceback has lines of its own, set in so that they look like no event."""

    def __call__(self, _logger: Any, _method: str, event: _Event) -> str:
        record = event["_record"]
        traceback = str(event.pop("exception", ""))
        lines = [f"    {printable(line)}" for line in traceback.splitlines()]
        colour = _COLOURS.get(record.levelname, _CRITICAL)
        head = f"{_DIM}{self._time(record)}{_PLAIN} {colour}{record.levelname}{_PLAIN}"
        return "\n".join([f"{head} {self._line(event)}", *lines])


class _Journald(_Lines):
    """journald has the time itself, and of a message in several lines would make several."""

    def __call__(self, _logger: Any, _method: str, event: _Event) -> str:
        return f"<{_PRIORITIES.get(event['_record'].levelno, 5)}>{self._line(event)}"


class _Json(_Lines):
    def __call__(self, _logger: Any, _method: str, event: _Event) -> _Event:
        record = event["_record"]
        fields = {name: event[name] for name in (*LOG_FIELDS, "exception") if name in event}
        return {
            "time": self._time(record),
            "level": record.levelname.lower(),
            "role": self._role,
            "node": self._name,
            "logger": record.name,
            "event": event["event"],
            **fields,
        }
