"""What people see of what `dskectl doctor` has found."""

from __future__ import annotations

import pytest

from dsked.cli.cells import ASCII
from dsked.cli.doctor_view import _MOST_LINES, page
from dsked.doctor.finding import Finding, fault, good, warning


def shown(findings: list[Finding], *, verbose: bool = False) -> list[str]:
    return [line.plain for line in page(findings, ASCII, verbose=verbose)]


def ready(about: str) -> Finding:
    return good("node", about, "is ready (version 1.2, process 7)", version="1.2", pid=7)


def connected(about: str) -> Finding:
    return good("node", about, "is connected")


def stock(about: str, left: int, days: float | None = None) -> Finding:
    return good("pools", about, f"{left} bytes left", bytes_left=left, days_left=days, order_bytes=None)


def way(hub: str, *milliseconds: float) -> Finding:
    latency = {f"192.0.2.{number}": one for number, one in enumerate(milliseconds)}
    return good("reachability", f"hub {hub}", f"answers in {milliseconds}", latency_ms=latency)


WELL = [
    good("clock", "host", "synchronized"),
    way("hank", 0.1, 7.0),
    way("helen", 2.0),
    ready("hub hank"),
    connected("hub hank, client carol"),
    connected("hub hank, client curtis"),
    stock("hub hank, client carol", 900),
    stock("hub hank, client curtis", 100),
    ready("client carol"),
    connected("client carol, hub hank"),
    connected("client carol, hub helen"),
    stock("client carol, hub hank", 10),
    stock("client carol, hub helen", 900, days=3.0),
    good("positions", "client carol, hub hank", "both sides agree"),
    good("positions", "client carol, hub helen", "both sides agree"),
]


def test_what_is_well_is_summed_up() -> None:
    assert shown(WELL) == [
        "+ clock         host: synchronized",
        "+ reachability  2 of 2 hubs; the slowest, hub hank: answers in (0.1, 7.0)",
        "+ node          hub hank: is ready, 2 of 2 clients connected (version 1.2, process 7)",
        "+ node          client carol: is ready, 2 of 2 hubs connected (version 1.2, process 7)",
        "+ pools         3 of 3 pairs of client and hub; the least, client carol, hub helen: 900 bytes left",
        "+ positions     2 of 2 pairs of client and hub: both sides agree",
        "",
        "Verdict: all is well.",
    ]


def test_everything_is_listed_where_that_is_asked_for() -> None:
    lines = shown(WELL, verbose=True)
    assert lines[:-2] == [f"+ {one.check:<12}  {one.about}: {one.text}" for one in WELL]


def test_what_is_not_good_comes_last_and_faults_behind_warnings() -> None:
    lines = shown([
        ready("hub hank"),
        fault("node", "hub hank, client carol", "cloned"),
        connected("hub hank, client curtis"),
        warning("node", "hub hank", "takes no new shares"),
        ready("hub helen"),
        warning("node", "hub helen, client carol", "is not connected"),
        connected("hub helen, client curtis"),
        ready("hub hilary"),
        connected("hub hilary, client carol"),
    ])  # fmt: skip
    assert lines == [
        "X node  hub hank: is ready, 1 of 2 clients connected (version 1.2, process 7)",
        "! node  hub helen: is ready, 1 of 2 clients connected (version 1.2, process 7)",
        "+ node  hub hilary: is ready, 1 of 1 clients connected (version 1.2, process 7)",
        "",
        "! warning  node  hub hank: takes no new shares",
        "! warning  node  hub helen, client carol: is not connected",
        "",
        "X fault    node  hub hank, client carol: cloned",
        "",
        "Verdict: not well: 1 fault, 2 warnings.",
    ]


def test_a_client_that_is_not_ready_says_how_many_hubs_it_has() -> None:
    lines = shown([
        fault("node", "client carol", "is not ready: 1 of 3 hubs", version="1.2", pid=7),
        fault("node", "client carol, hub hank", "is not connected"),
        connected("client carol, hub helen"),
    ])  # fmt: skip
    assert lines[0] == "X node  client carol: is not ready, 1 of 2 hubs connected (version 1.2, process 7)"
    assert lines[-3] == "X fault    node  client carol, hub hank: is not connected"


def test_of_pools_that_nobody_uses_the_emptiest_is_told() -> None:
    pools = [stock("client carol, hub hank", 10), stock("client carol, hub helen", 9)]
    assert shown(pools)[0].endswith("the least, client carol, hub helen: 9 bytes left")


def test_nothing_good_is_said_of_what_is_not() -> None:
    lines = shown([
        fault("node", "hub hank", "is not running"),
        fault("reachability", "hub hank", "cannot be reached"),
        fault("reachability", "hub helen", "cannot be reached"),
        warning("positions", "client carol, hub hank", "were both asked at the same time?"),
    ])  # fmt: skip
    assert [line[:1] for line in lines] == ["", "!", "", "X", "X", "X", "", "V"]


def test_a_few_of_a_group_are_counted() -> None:
    lines = shown([
        way("hank", 1.0),
        fault("reachability", "hub helen", "cannot be reached"),
        warning("pools", "hub hank, client carol", "low", bytes_left=1, days_left=1.0, order_bytes=0),
        stock("hub hank, client curtis", 900),
        good("positions", "client carol, hub hank", "agree"),
        fault("positions", "client carol, hub helen", "apart"),
    ])  # fmt: skip
    assert lines[:3] == [
        "X reachability  1 of 2 hubs; the slowest, hub hank: answers in (1.0,)",
        "! pools         1 of 2 pairs of client and hub; the least, hub hank, client curtis: 900 bytes left",
        "X positions     1 of 2 pairs of client and hub: agree",
    ]


@pytest.mark.parametrize("verbose", [False, True])
def test_nothing_that_a_terminal_obeys_is_shown(verbose: bool) -> None:
    lines = shown(
        [good("node", "hub \x1b[2Jhank", "a\nb"), fault("node", "hub \x1b[2Jhelen", "a\nb")], verbose=verbose
    )
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 5


def test_of_very_many_nodes_the_good_ones_are_counted() -> None:
    many = [ready(f"client c{number}") for number in range(_MOST_LINES + 1)]
    assert shown([*many, warning("clock", "host", "wrong")]) == [
        f"{len(many)} things are good, and are not listed.",
        "",
        "! warning  clock  host: wrong",
        "",
        "Verdict: it works, with 1 warning.",
    ]
    assert len(shown(many, verbose=True)) == len(many) + 2
