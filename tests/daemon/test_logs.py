"""One event, one line: in every form, whatever stands in it, and however often it comes."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsked.daemon import logs
from dsked.limits import LOG_BURST, LOG_TRACEBACK_BURST, OUTSIDER_LOG_INTERVAL_S
from dsked.notice import told_to

ROOT = Path(__file__).parents[2]
FORMS = ["text", "json", "journald"]
HEAD = {
    "text": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING client carol: ",
    "journald": r"<4>client carol: ",
}
KEY_ID = "00010203-0405-4607-8809-0a0b0c0d0e0f"
#: What others may call themselves: ends of lines of all kinds, escapes of terminals, text that runs back.
NAMES = [
    "hank\n2026-11-22T14:00:00.000Z ERROR hub hugo: forged", "hank\r<0>forged", "\x1b[2J\x1b]0;title\x07hank",
    "hank\u2028forged", "hank\x85forged", "hank\u202eknah",
    "hank\0", "hank\v\f\x1c\x1d\x1e",
]  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def set_up() -> Iterator[Callable[..., io.StringIO]]:
    """Sets the log up, in this process, and gives what is written to it."""
    root = logging.getLogger()
    before = root.level

    def begin(log_format: str, level: str = "debug", stream: io.StringIO | None = None) -> io.StringIO:
        stream = stream or io.StringIO()
        logs.set_up(log_format, level, "client", "carol", stream)
        return stream

    yield begin
    for handler in [one for one in root.handlers if one.get_name() == "dsked"]:
        root.removeHandler(handler)
    root.setLevel(before)


def log() -> logging.Logger:
    return logging.getLogger("dsked.client")


def fault(text: str = "a fault") -> None:
    """Log an exception with its traceback."""
    try:
        raise ValueError(text)
    except ValueError:
        log().exception("it failed")


@pytest.mark.parametrize("form", ["text", "journald"])
def test_a_line_has_level_node_and_what_it_is_about(set_up: Callable[..., io.StringIO], form: str) -> None:
    stream = set_up(form)
    told_to(log())(logging.WARNING, "hub hank: 5% lost", peer="hank", key_id=KEY_ID)
    assert re.fullmatch(f"{HEAD[form]}hub hank: 5% lost key_id={KEY_ID}\n", stream.getvalue())


def test_as_json_each_field_stands_alone(set_up: Callable[..., io.StringIO]) -> None:
    stream = set_up("json")
    told_to(log())(logging.WARNING, "hub hank: 5% lost", peer="hank", key_id=KEY_ID)
    event = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("time"))
    assert event == {
        "level": "warning", "role": "client", "node": "carol", "logger": "dsked.client",
        "event": "hub hank: 5% lost", "peer": "hank", "key_id": KEY_ID,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "peer", "repeated"),
    [
        ("hub hank is gone", "hank", False),
        ("hub hank: gone", "hank", False),
        ("hub hank.", "hank", False),
        ("hub hank2 is gone", "hank", True),
        ("hub a.hank is gone", "hank", True),
        ("all is well", "a", True),
    ],
)
def test_a_field_is_added_where_the_text_does_not_name_it(
    set_up: Callable[..., io.StringIO], text: str, peer: str, repeated: bool
) -> None:
    stream = set_up("text")
    log().info(text, extra={"peer": peer})
    assert stream.getvalue().endswith(f"{text} peer={peer}\n" if repeated else f"{text}\n")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_name_makes_a_line_of_its_own(set_up: Callable[..., io.StringIO], form: str, name: str) -> None:
    stream = set_up(form)
    log().warning("hub %s is gone", name, extra={"peer": name + "!"})
    fault(name)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.isprintable()
    if form == "json":
        assert json.loads(lines[0])["peer"] == name + "!"


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_on_a_terminal_a_traceback_has_lines_that_look_like_no_event(
    set_up: Callable[..., io.StringIO], name: str
) -> None:
    stream = set_up("text", stream=Terminal())
    fault(name)
    first, *others = stream.getvalue().splitlines()
    assert "\x1b[31mERROR\x1b[0m client carol: it failed" in first
    assert others[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") and line.isprintable() for line in others)


@pytest.mark.parametrize("form", FORMS)
def test_what_has_no_utf_8_is_written_all_the_same(form: str) -> None:
    """A lone surrogate, out of a name in a URL, say. (pytest's own capture could not hand that on.)"""
    made = logs.formatter(form, "client", "carol", io.StringIO())
    line = made.format(logging.LogRecord("dsked", logging.INFO, "", 1, "hub %s is gone", ("\ud800",), None))
    assert line.encode().count(b"\\ud800") == 1


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_are_for_those_who_want_them(
    set_up: Callable[..., io.StringIO], monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.setattr(logs._is_for_people, "__defaults__", (environment,))
    stream = set_up("text", stream=Terminal())
    log().info("it is well")
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("form", FORMS)
def test_a_traceback_stays_in_the_line(set_up: Callable[..., io.StringIO], form: str) -> None:
    stream = set_up(form)
    fault()
    [line] = stream.getvalue().splitlines()
    assert "Traceback (most recent call last)" in line
    assert "ValueError: a fault" in line


@pytest.mark.parametrize(
    ("level", "priority"),
    [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 2)],
)
def test_journald_gets_priorities_of_syslog(
    set_up: Callable[..., io.StringIO], level: str, priority: int
) -> None:
    stream = set_up("journald")
    log().log(getattr(logging, level), "it is so")
    assert stream.getvalue() == f"<{priority}>client carol: it is so\n"


def test_only_fields_that_are_known_are_written(set_up: Callable[..., io.StringIO]) -> None:
    streams = []
    for form in FORMS:
        streams.append(set_up(form))
        log().info("it is so", extra={"key": "secret", "body": b"secret", "peer": "hank"})
    for stream in streams:
        assert "hank" in stream.getvalue()
        assert "secret" not in stream.getvalue()


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_nothing_below_the_level_is_written(set_up: Callable[..., io.StringIO], level: str) -> None:
    stream = set_up("text", level)
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log().log(number, "it is so")
    names = ["DEBUG", "INFO", "WARNING", "ERROR"]
    written = [line.split()[1] for line in stream.getvalue().splitlines()]
    assert written == names[names.index(level.upper()) :]


def test_who_logs_beside_dsked_is_named(set_up: Callable[..., io.StringIO]) -> None:
    stream = set_up("text")
    logging.getLogger("asyncio").warning("it is slow")
    assert stream.getvalue().endswith(" WARNING client carol [asyncio]: it is slow\n")


def test_set_up_again_it_is_still_one_line(set_up: Callable[..., io.StringIO]) -> None:
    first, second = set_up("text"), set_up("json", "warning")
    log().info("it is so")
    log().warning("it is so")
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["event"] == "it is so"


def test_journald_is_known_by_its_stream(tmp_path: Path) -> None:
    """As systemd.exec(5) says: a program whose standard error was redirected must not be fooled."""
    with (tmp_path / "log").open("w") as file:
        status = os.fstat(file.fileno())
        assert logs.goes_to_journald(file, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not logs.goes_to_journald(file, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"})
        assert not logs.goes_to_journald(file, {})
    assert not logs.goes_to_journald(io.StringIO(), {"JOURNAL_STREAM": "1:2"})
    assert not logs.goes_to_journald(file, {"JOURNAL_STREAM": "1:2"}), "it is closed"


def test_auto_asks_where_the_stream_leads(tmp_path: Path) -> None:
    program = (
        "import logging, os, sys; from dsked.daemon import logs; s = os.fstat(2)\n"
        "if sys.argv[1] == 'journal': os.environ['JOURNAL_STREAM'] = f'{s.st_dev}:{s.st_ino}'\n"
        "logs.set_up('auto', 'info', 'hub', 'hank'); logging.getLogger('dsked').info('it is so')"
    )
    said = {}
    for where in ("journal", "file"):
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, where], cwd=ROOT, capture_output=True, text=True,
            check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        said[where] = done.stderr
    assert said["journal"] == "<6>hub hank: it is so\n"
    assert re.fullmatch(r"\S+Z INFO hub hank: it is so\n", said["file"])


class Clock:
    """The time of log records."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        before = logging.getLogRecordFactory()

        def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = before(*args, **kwargs)
            record.created = self.now
            return record

        monkeypatch.setattr(logging, "_logRecordFactory", made)


@pytest.mark.parametrize("form", FORMS)
def test_whatever_outsiders_cause_is_limited(
    set_up: Callable[..., io.StringIO], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    clock, stream = Clock(monkeypatch), set_up(form)
    for number in (*range(5 * LOG_BURST), -1):
        if number == -1:
            clock.now += OUTSIDER_LOG_INTERVAL_S
        log().warning("client %d came", number)
    lines = stream.getvalue().splitlines()
    assert len(lines) == LOG_BURST + 1
    assert f"client -1 came ({4 * LOG_BURST} more like this)" in lines[-1]


def test_an_alarm_is_not_left_out_because_of_what_is_of_less_weight(
    set_up: Callable[..., io.StringIO],
) -> None:
    stream, tell = set_up("text"), told_to(log())
    for level in (*[logging.INFO] * 2 * LOG_BURST, logging.ERROR):
        tell(level, "all through one place")
    assert stream.getvalue().splitlines()[-1].endswith("ERROR client carol: all through one place")


def test_places_are_told_apart(set_up: Callable[..., io.StringIO]) -> None:
    stream = set_up("text")
    for _ in range(2 * LOG_BURST):
        log().info("here")
    log().info("there")
    assert stream.getvalue().splitlines()[-1].endswith("there")


def test_tracebacks_are_longer_and_come_more_seldom(set_up: Callable[..., io.StringIO]) -> None:
    stream = set_up("text")
    for _ in range(2 * LOG_TRACEBACK_BURST):
        fault()
    assert len(stream.getvalue().splitlines()) == LOG_TRACEBACK_BURST


def test_at_level_debug_all_is_told(set_up: Callable[..., io.StringIO]) -> None:
    stream = set_up("text")
    for _ in range(2 * LOG_BURST):
        log().debug("a request")
    assert len(stream.getvalue().splitlines()) == 2 * LOG_BURST


def test_no_node_loads_rich_for_its_log() -> None:
    program = "import sys; from dsked.daemon import logs\n"
    program += "print('rich' in sys.modules, 'structlog' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == "False True\n"
