"""Status as people see it: what stands where, in which colour, and nothing that a terminal would obey."""

from __future__ import annotations

import copy
import io
import math
import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from dsked.cli import cells, status_pools, status_table, top_view
from dsked.cli.cells import ASCII, UNICODE, Signs
from dsked.cli.status_nodes import NodeState

from . import documents as d

RED, YELLOW, GREEN = "\x1b[31m", "\x1b[33m", "\x1b[32m"


def shown(
    *states: NodeState, colour: bool = False, width: int = 140, signs: Signs = UNICODE, **more: Any
) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colour, color_system="standard" if colour else None
    )
    console.print(status_table.page("lab.yaml", states, signs, **more))
    return out.getvalue()


def line(page: str, *words: str) -> str:
    """The only line that has all of these words."""
    [found] = [line for line in page.splitlines() if all(word in line for word in words)]
    return found


def test_a_topology_at_a_glance() -> None:
    page = shown(d.hub("hank", [d.client_of_hub("carol")]), d.client("carol", [d.hub_of_client("hank")]))
    assert page.splitlines()[0] == "lab.yaml: 2 nodes, 2 running, 2 ready"
    assert line(page, "hank", "8100").split("│")[1:-1] == [
        " hank ", " 8100 ", " ● ready ", " 1 of 1  ", "    7 ", "  4,321 ", "       0 ", "       0 "
    ]  # fmt: skip
    assert [cell.strip() for cell in line(page, "carol", "8105").split("│")[1:-1]] == [
        "carol", "8105", "● ready", "1 of 1 (2)", "of-carol", "1,234", "56", "none"
    ]  # fmt: skip
    assert [cell.strip() for cell in line(page, "│ hank", "B").split("│")[1:-1]] == [
        "hank", "▇▇▇▇▇▇▇▇▇░ 900,000 B", "▇▇▇▇▇░░░░░ 500,000 B", "●"
    ]  # fmt: skip


def test_one_node_tells_its_process_and_version() -> None:
    assert shown(d.client("carol", [])).startswith("client carol, process 4711, dsked 9.9.9\n")


def test_nodes_that_do_not_run_or_answer_are_said_to() -> None:
    page = shown(d.down("hub", "hank"), d.silent("hub", "helen"), d.client("carol", [], reason="0 of 2 hubs"))
    assert page.splitlines()[0] == "lab.yaml: 3 nodes, 1 running, 0 ready"
    assert "○ not running" in line(page, "│ hank")
    assert "○ no answer" in line(page, "│ helen")
    assert "○ not ready" in line(page, "│ carol")
    assert page.splitlines()[-3:] == [
        "hub hank on port 8100 is not running",
        "the node did not answer within 3 s",
        "client carol is not ready: 0 of 2 hubs",
    ]


def test_a_hub_that_drains_is_not_as_one_that_is_ready() -> None:
    held = {"shares": {"nr_pending": 3}}
    states = [
        d.hub("hank", [], draining=True, **held),
        d.hub("helen", [], draining=False, **held),
        d.hub("hilary", [], draining=True, shares={"nr_pending": 0}),
    ]
    page = shown(*states, colour=True)
    assert page.splitlines()[0].endswith(
        "\x1b[1;33m: 3 nodes, 3 running, 3 ready, 1 drained, 1 draining\x1b[0m"
    )
    assert f"{YELLOW}○ draining" in line(page, "hank")
    assert f"{GREEN}● ready" in line(page, "helen")
    assert f"{YELLOW}○ drained" in line(page, "hilary")
    view = top_view.view("lab.yaml", states, top_view.History(), UNICODE, "14:05:31")
    out = io.StringIO()
    Console(file=out, width=140).print(view)
    assert "○ draining" in line(out.getvalue(), "hank")


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (None, "hub hank: 2 lines of its audit log could not be written"),
        ("No space left", "hub hank: audit log /a.log: No space left"),
    ],
)
def test_an_audit_log_that_cannot_be_written(problem: str | None, said: str) -> None:
    page = shown(d.hub("hank", [], audit_log={"path": "/a.log", "nr_lost": 2, "problem": problem}))
    assert page.splitlines()[-1] == said


@pytest.mark.parametrize(
    ("changes", "remark", "colour"),
    [
        ({}, "●", GREEN),
        ({"wrapped": True}, "● wrapped", GREEN),
        ({"wrapped": True, "late": True}, "○ late", YELLOW),
        ({"registered": False, "problem": "connection refused"}, "○ connection refused", RED),
        ({"registered": False}, "○ not registered", RED),
        ({"late": True}, "○ late", YELLOW),
        ({"draining": True}, "○ takes no new shares", YELLOW),
        ({"psrd_low": True}, "○ PSRD low", "\x1b[1;33m"),
        ({"peer_pool": {**d.pool(5, 5), "days_left": 12.4}}, "○ PSRD for 12 days", YELLOW),
        ({"restored_state_seen": True, "late": True}, "○ restored state, late", "\x1b[1;31m"),
        ({"mismatches": {"carol": 2, "celia": 1}}, "○ 3 wrong shares", "\x1b[1;31m"),
        ({"set_aside": True, "set_aside_for": ["carol"]}, "○ set aside", "\x1b[1;31m"),
        ({"set_aside_for": ["a", "b", "c", "d"]}, "○ set aside for a, b, c, ...", "\x1b[1;31m"),
    ],
)
def test_what_is_wrong_with_a_hub(changes: dict[str, Any], remark: str, colour: str) -> None:
    state = d.client("carol", [d.hub_of_client("hank", **changes)])
    assert line(shown(state), "│ hank").split("│")[-2].strip() == remark
    assert f"{colour}{remark.split()[0]}" in shown(state, colour=True)


def test_a_hubs_view_of_its_clients() -> None:
    clients = [d.client_of_hub("carol"), d.client_of_hub("celia", connected=False, registered=False)]
    page = shown(d.hub("hank", clients, nr_registered=1, closed_pools={"cindy": "a file is damaged"}))
    assert line(page, "│ carol").split("│")[4].strip() == "7"
    assert "○ not connected" in line(page, "celia")
    assert "1 of 2" in line(page, "│ hank", "8100")
    assert page.splitlines()[-1] == "hub hank: pools with cindy are closed: a file is damaged"


@pytest.mark.parametrize(
    ("left", "used", "bar", "colour"),
    [
        (100, 0, "▇▇▇▇▇▇▇▇▇▇", GREEN),
        (25, 75, "▇▇░░░░░░░░", GREEN),
        (24, 76, "▇▇░░░░░░░░", YELLOW),
        (1, 9999, "▇░░░░░░░░░", YELLOW),
        (0, 100, "░░░░░░░░░░", ""),
    ],
)
def test_a_bar_is_what_is_left_of_what_was_delivered(left: int, used: int, bar: str, colour: str) -> None:
    state = d.client("carol", [d.hub_of_client("hank", local_pool=d.pool(left, used))])
    assert bar in line(shown(state), "│ hank")
    assert not colour or f"{colour}▇" in shown(state, colour=True)


def test_simulated_pools_are_measured_by_the_blocks_that_are_here() -> None:
    simulated = {**d.pool(2000, 0, window=None), "position": 10**9}
    state = d.client("carol", [d.hub_of_client("hank", local_pool=simulated)])
    assert "▇▇▇▇▇▇▇▇▇▇   2,000 B" in shown(state)


def test_pools_that_are_not_there() -> None:
    nothing = {
        "blocks": [],
        "nr_blocks": 0,
        "owner": "local",
        "position": 0,
        "nr_unused_bytes": 0,
        "window": None,
    }
    page = shown(d.client("carol", [d.hub_of_client("hank", local_pool=nothing, peer_pool=nothing)]))
    assert [cell.strip() for cell in line(page, "│ hank").split("│")[2:4]] == ["none", "none"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(999_999, "999,999 B"), (1_000_000, "1.0 MiB"), (2**30 - 1, "1,024.0 MiB"), (5 * 2**29, "2.5 GiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert f" {text:>9} " in shown(d.client("carol", [d.hub_of_client("hank", local_pool=d.pool(count, 0))]))


def test_errors_of_both_halves_by_how_often_they_came() -> None:
    keys = {
        "initiator": {"nr_keys": 0, "failures": {"too_few_hubs": 2, "limit": 1}},
        "responder": {"nr_keys": 0, "failures": {"unknown_key": 1000, "limit": 1500}},
    }
    page = shown(d.client("carol", [], keys=keys), width=160)
    assert "1,501 limit, 1,000 unknown key, 2 too few hubs" in line(page, "│ carol")


def test_stored_keys() -> None:
    place = {
        "initiator": "sam",
        "responder": "sunny",
        "size_bits": 256,
        "stored_key_count": 3,
        "max_key_count": 8,
        "problem": "PSRD of hub hank runs low",
    }
    page = shown(d.client("carol", [], stored_keys=[place]))
    cells = [cell.strip() for cell in line(page, "sunny").split("│")[1:-1]]
    assert cells == ["carol", "sam", "sunny", "256", "3 of 8", "PSRD of hub hank runs low"]


def test_of_many_pairs_those_with_trouble_come_first() -> None:
    peers = [d.client_of_hub(f"client{number}") for number in range(status_pools.MOST_ROWS + 5)]
    peers[-1]["psrd_low"] = True
    page = shown(d.hub("hank", peers, nr_peer_clients=10_000))
    last = status_pools.MOST_ROWS + 4
    assert "PSRD low" in line(page, f"client{last} ")
    assert page.index(f"client{last} ") < page.index("client0 ")
    assert f"{10_000 - status_pools.MOST_ROWS:,} more" in page


def test_nothing_that_a_node_says_is_markup_or_moves_the_cursor() -> None:
    evil = "[red]x[/]\x1b[2J\r\n\x9b31m\u202e"
    state = d.client(
        "carol",
        [d.hub_of_client(evil, registered=False, problem=evil, mismatches={evil: 1})],
        reason=evil,
        encryptor_names=[evil],
        closed_pools={evil: evil},
    )
    page = shown(state, colour=True, width=300)
    for sign in ("\x1b[2J", "\r", "\x9b", "\u202e"):
        assert sign not in page
    assert "[red]x[/]" in page


def test_a_terminal_without_unicode_gets_ascii() -> None:
    out = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    console = Console(file=out, width=120)
    assert cells.signs(console) == ASCII
    assert cells.signs(Console(file=io.TextIOWrapper(io.BytesIO(), "utf-8"))) == UNICODE
    state = d.client("carol", [d.hub_of_client("hank", late=True)])
    console.print(status_table.page("", [state], ASCII))
    out.seek(0)
    assert "| ! late" in out.read()


def test_what_a_terminal_has_no_sign_for_is_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", out)
    console = cells.console()
    console.width = 30
    console.print(status_table.page("", [d.client("SÜD-" * 20, [d.hub_of_client("hank")])], ASCII))
    out.seek(0)
    assert "S?D" in out.read()


@pytest.mark.parametrize("width", [20, 40, 80])
def test_narrow_terminals_get_no_longer_lines(width: int) -> None:
    page = shown(
        d.hub("hank", []), d.client("carol", [d.hub_of_client("hank", problem="x " * 60)]), width=width
    )
    assert max(map(len, page.splitlines())) <= width


def test_days_that_are_left_are_told_where_they_are_known() -> None:
    pools = [{**d.pool(900, 100), "days_left": days} for days in (None, 1234.4, 55.5)]
    hubs = [
        d.hub_of_client("hank", local_pool=pools[0], peer_pool=pools[1]),
        d.hub_of_client("helen", local_pool=pools[1], peer_pool=pools[2]),
        d.hub_of_client("hugo", local_pool=pools[0], peer_pool=pools[0]),
    ]
    page = shown(d.client("carol", hubs))
    days = [line(page, f"│ {name}").split("│")[4].strip() for name in ("hank", "helen", "hugo")]
    assert days == ["1,234", "56", ""]
    assert "days left" not in shown(d.client("carol", hubs[2:]))


def test_two_nodes_are_told_apart_and_one_needs_no_name_in_each_row() -> None:
    hubs = [d.hub_of_client("hank"), d.hub_of_client("hugo")]
    one = shown(d.client("carol", hubs))
    assert line(one, "│ hank").startswith("│ hank")
    two = shown(d.client("carol", hubs), d.client("celia", hubs))
    rows = [row.split("│")[1:3] for row in two.splitlines() if " B " in row]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["carol", "hank"],
        ["", "hugo"],
        ["celia", "hank"],
        ["", "hugo"],
    ]


def test_a_live_view_has_rates_in_place_of_counts() -> None:
    states = d.hub("hank", []), d.client("carol", [], encryptor_names=["sunny", "susan"])
    rates = {"hub hank": status_table.Rates(12.34, 0), "client carol": status_table.Rates(5, 6)}
    page = shown(*states, rates=rates, width=80)
    assert "12.3" in line(page, "│ hank")
    cells = [cell.strip() for cell in line(page, "│ carol").split("│")[1:-1]]
    assert cells == ["carol", "● ready", "0 of 0 (2)", "sunny, susan", "5.0", "6.0", "none"]


def _somewhere_else(value: Any, chance: random.Random) -> Any:
    """The value with parts of it replaced by what no node gives."""
    if chance.random() < 0.1:
        nonsense = [None, "\x1b]0;x\x07", -1, 10**300, math.inf, math.nan, {"a": []}, [["b"]], True]
        return chance.choice(nonsense)
    if isinstance(value, dict):
        return {key: _somewhere_else(part, chance) for key, part in value.items()}
    if isinstance(value, list):
        return [_somewhere_else(part, chance) for part in value]
    return value


@pytest.mark.parametrize("seed", range(40))
def test_a_node_that_says_nonsense_hides_no_other(seed: int) -> None:
    good = d.hub("helen", [d.client_of_hub("carol")])
    for liar in (d.hub("hank", [d.client_of_hub("carol")]), d.client("curtis", [d.hub_of_client("helen")])):
        assert isinstance(liar.answer, dict)
        status = _somewhere_else(liar.answer["status"], random.Random(seed))
        lying = liar._replace(answer={**liar.answer, "status": status if isinstance(status, dict) else {}})
        history = top_view.History()
        for at in range(2):
            history.take([lying, good], float(at))
        for page in (shown(lying, good), shown(lying, good, rates=history.rates)):
            assert line(page, "helen", "ready") and page.replace("\n", "").isprintable()


def test_no_value_speaks_to_a_terminal_wherever_it_stands() -> None:
    """Each leaf of a status in turn."""
    for node in (d.hub("hank", [d.client_of_hub("carol")]), d.client("carol", [d.hub_of_client("hank")])):
        assert isinstance(node.answer, dict)
        for path in _leaves(node.answer["status"]):
            answer = copy.deepcopy(node.answer)
            place = answer["status"]
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = "\x1b]0;x\x07"
            assert shown(node._replace(answer=answer)).replace("\n", "").isprintable(), path


def _leaves(value: Any) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in inner:
        yield (step,)
        yield from ((step, *rest) for rest in _leaves(part))
