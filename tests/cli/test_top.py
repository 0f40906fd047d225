"""`dskectl top`: rates, what fits on the screen, and the command on a real terminal; `status` on one, too."""

from __future__ import annotations

import io
import json
import sys

import pytest
from rich.console import Console
from rich.text import Text

from dsked.cli import top_view
from dsked.cli.cells import ASCII, UNICODE
from dsked.cli.status_nodes import NodeState
from dsked.cli.status_table import Rates

from . import documents as d
from .conftest import Dskectl
from .running import pids
from .terminal import Terminal

DSKECTL = (sys.executable, "-P", "-m", "dsked.cli.dskectl")


def made(number: int, given: int = 0, errors: int = 0, name: str = "carol") -> NodeState:
    keys = {
        "initiator": {"nr_keys": number, "failures": {"limit": errors}},
        "responder": {"nr_keys": given, "failures": {}},
    }
    return d.client(name, [], keys=keys)


def stored(number: int) -> NodeState:
    return d.hub("hank", [], shares={"nr_stored": number})


def test_rates_are_differences_over_time() -> None:
    history = top_view.History()
    history.take([stored(5), made(100, 10, 1), made(0, name="celia")], 50.0)
    assert (history.rates, history.sums) == ({}, (0.0, 0.0, 0.0))
    history.take([stored(25), made(130, 10, 2), made(4, 6, name="celia")], 52.0)
    assert history.rates == {
        "hub hank": Rates(10, 0),
        "client carol": Rates(15, 0),
        "client celia": Rates(2, 3),
    }
    assert history.sums == (17, 3, 0.5)
    assert list(history.made) == [0, 17]


def test_a_node_that_was_started_anew_has_no_negative_rate() -> None:
    history = top_view.History()
    history.take([made(100)], 1.0)
    history.take([made(3)], 2.0)
    assert history.rates == {"client carol": Rates(0, 0)}
    history.take([d.down("client", "carol")], 3.0)
    history.take([made(50)], 4.0)
    assert history.rates == {}, "what it did while it was not looked at is no rate"


def screen(page: object, first: int, rows: int) -> tuple[list[str], top_view.Window]:
    out, window = io.StringIO(), top_view.Window(page, first)  # type: ignore[arg-type]
    console = Console(file=out, width=80, height=rows)
    console.print(window)
    return out.getvalue().splitlines(), window


def test_a_page_that_is_too_long_is_moved_through() -> None:
    page = Text("\n".join(map(str, range(10))))
    lines, window = screen(page, 0, 5)
    assert lines == ["0", "1", "2", "3", "q ends; 6 more lines below: arrows, PgUp, PgDn"]
    assert [window.moved(by) for by in (1, -1, 100)] == [1, 0, 6]
    lines, window = screen(page, 6, 5)
    assert lines == ["6", "7", "8", "9", "q ends"]
    assert window.moved(-2) == 4
    lines, _ = screen(page, 9, 5)
    assert lines[0] == "6", "the screen has grown meanwhile"
    lines, _ = screen(Text("one"), 0, 5)
    assert lines == ["one", "q ends"]


def test_the_curve_of_rates() -> None:
    history = top_view.History()
    for number, now in ((0, 0.0), (0, 1.0), (10, 2.0), (15, 3.0), (25, 4.0)):
        history.take([made(number)], now)
    for signs, curve in ((UNICODE, "  █▄█"), (ASCII, "  %=%")):
        out = io.StringIO()
        Console(file=out, width=120).print(
            top_view.view("lab", [made(25)], history, signs, "12:00:00"), no_wrap=True
        )
        assert out.getvalue().splitlines()[0] == (
            f"12:00:00   keys made 10.0/s   keys given 0.0/s   errors 0.0/s   {curve}"
        )


# --- on a terminal ---


def test_top_shows_nodes_that_come_and_go_until_it_is_ended(stand_ins: Dskectl) -> None:
    assert stand_ins("--client", "carol", "--client", "curtis", "start").status == 0
    with Terminal((*DSKECTL, "top", "--interval", "0.2"), columns=130) as terminal:
        first = terminal.wait_for("5 nodes, 2 running, 2 ready")
        assert "\x1b[?1049h" in first, "the alternate screen"
        terminal.wait_for("q ends")
        assert stand_ins("--client", "curtis", "stop").status == 0
        terminal.wait_for("5 nodes, 1 running, 1 ready")
        terminal.press("j")  # moves, and does not end
        terminal.wait_for("5 nodes, 1 running")
        terminal.press("q")
        assert terminal.end() == 0
        assert "\x1b[?1049l" in terminal.shown
        assert terminal.settings_now() == terminal.settings


@pytest.mark.parametrize("key", ["\x03", "\x04", "Q"], ids=["ctrl-C", "ctrl-D", "Q"])
def test_top_leaves_the_terminal_as_it_was(stand_ins: Dskectl, key: str) -> None:
    assert stand_ins("--client", "carol", "start").status == 0
    with Terminal((*DSKECTL, "top", "--node", "carol")) as terminal:
        terminal.wait_for("client carol, process")
        terminal.wait_for("q ends")
        terminal.press(key)
        assert terminal.end() == 0
        assert terminal.settings_now() == terminal.settings


def test_top_of_nodes_that_do_not_run(stand_ins: Dskectl) -> None:
    with Terminal((*DSKECTL, "--client", "carol", "top")) as terminal:
        assert terminal.end() == 3
        assert "client carol on port 8103 is not running" in terminal.shown
    with Terminal((*DSKECTL, "top", "--node", "carol")) as terminal:
        assert terminal.end() == 3


def test_top_needs_a_terminal(stand_ins: Dskectl) -> None:
    ran = stand_ins("top")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "dskectl: top needs a terminal; use status. See: dskectl top --help\n"


def test_status_on_a_terminal_is_tables_in_colour(stand_ins: Dskectl) -> None:
    assert stand_ins("--client", "carol", "start").status == 0
    with Terminal((*DSKECTL, "--client", "carol", "--hub", "hank", "status")) as terminal:
        assert terminal.end() == 3
        assert "2 nodes, 1 running, 1 ready" in terminal.shown
        assert "\x1b[32m● ready" in terminal.shown
        assert "\x1b[31m○ not running" in terminal.shown
        assert "dskectl: start it with: dskectl --client carol --hub hank start" in terminal.shown
    with Terminal((*DSKECTL, "status", "--node", "carol", "--json")) as terminal:
        assert terminal.end() == 0
        assert json.loads(terminal.shown)["name"] == "carol"


def test_tables_on_request_where_there_is_no_terminal(stand_ins: Dskectl) -> None:
    assert stand_ins("--client", "carol", "start").status == 0
    pid = pids(stand_ins)["carol"]
    ran = stand_ins("status", "--node", "carol", "--table")
    assert ran.status == 0
    assert ran.lines[0] == f"client carol, process {pid}, dsked 9.9.9"
    assert "\x1b" not in ran.out
    ran = stand_ins("status", "--json", "--table")
    assert (ran.status, ran.out) == (2, "")
