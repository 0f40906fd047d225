"""What `dskectl doctor` has found, for people: what is good in few lines, what is not below them, one by one.

Loads rich, as tables do. What nodes say is shown as text alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from math import inf
from typing import NamedTuple

from rich.text import Text

from dsked.cli.cells import Signs, text
from dsked.doctor.finding import Finding, Outcome, verdict

#: Of more lines about what is good people are told how many there are.
_MOST_LINES = 200
_STYLES = {Outcome.GOOD: "green", Outcome.WARNING: "yellow", Outcome.FAULT: "red"}


class _Line(NamedTuple):
    """`outcome`: the worst of all that it stands for."""

    outcome: Outcome
    check: str
    said: str


def page(findings: Sequence[Finding], signs: Signs, *, verbose: bool = False) -> Iterator[Text]:
    """What is good, then warnings, then faults, then the verdict. `verbose`: nothing is summed up."""
    good = _good(findings)
    lines = list(map(_alone, good)) if verbose else list(_summed_up(findings))
    width = max((len(one.check) for one in findings), default=0)
    if len(lines) > _MOST_LINES and not verbose:
        yield text(f"{len(good)} things are good, and are not listed.")
    else:
        yield from (_row(one, signs, f"{one.check:<{width}}") for one in lines)
    for outcome in (Outcome.WARNING, Outcome.FAULT):
        rows = [_alone(one) for one in findings if one.outcome is outcome]
        if rows:
            yield Text()
        yield from (_row(one, signs, f"{outcome:<7}  {one.check:<{width}}") for one in rows)
    yield Text()
    yield Text(f"Verdict: {_verdict(findings)}", style=f"bold {_STYLES[verdict(findings)]}")


def _row(line: _Line, signs: Signs, before: str) -> Text:
    sign = {Outcome.GOOD: signs.well, Outcome.WARNING: signs.ill, Outcome.FAULT: signs.fault}[line.outcome]
    return Text.assemble((f"{sign} ", _STYLES[line.outcome]), f"{before}  ", text(line.said))


def _alone(finding: Finding) -> _Line:
    return _Line(finding.outcome, finding.check, f"{finding.about}: {finding.text}")


# --- what is good, summed up ---


def _summed_up(findings: Sequence[Finding]) -> Iterator[_Line]:
    """Check by check, in the order in which it was looked at.

    What is not good in a group gives its line the sign; of a group without anything good nothing is said.
    """
    checks = list(dict.fromkeys(one.check for one in findings))
    for check, found in groupby(sorted(findings, key=lambda one: checks.index(one.check)), _group):
        group = list(found)
        if any(one.outcome is Outcome.GOOD for one in group):
            said = _SUMS[check[0]](group) if check[0] in _SUMS and len(group) > 1 else _alone(group[0]).said
            yield _Line(verdict(group), check[0], said)


def _group(finding: Finding) -> tuple[str, str]:
    """(its check, what of that makes one line): each node, all hubs, all pairs; else each finding."""
    if finding.check == "node":
        return finding.check, _subject(finding)
    return finding.check, "" if finding.check in _SUMS else f"{finding.about}: {finding.text}"


def _subject(finding: Finding) -> str:
    """`hub hank` of `hub hank, client carol`."""
    return finding.about.partition(", ")[0]


def _of_node(group: Sequence[Finding]) -> str:
    """`hub hank: is ready, 5 of 5 clients connected (version 0.1.0, process 15486)`."""
    own = group[0]
    state = "is ready" if own.outcome is Outcome.GOOD else "is not ready"
    pairs = [one for one in group if ", " in one.about]
    connected = f", {_good_of(pairs)} {_kind_of_peer(pairs[0])}s connected" if pairs else ""
    process = f" (version {own.values['version']}, process {own.values['pid']})" if own.values else ""
    return f"{_subject(own)}: {state}{connected}{process}"


def _kind_of_peer(pair: Finding) -> str:
    """`client` of `hub hank, client carol`."""
    return pair.about.partition(", ")[2].partition(" ")[0]


def _good_of(group: Sequence[Finding]) -> str:
    """`4 of 5`: a pair that both sides tell of is one."""
    whole, good = ({frozenset(one.about.split(", ")) for one in some} for some in (group, _good(group)))
    return f"{len(good)} of {len(whole)}"


def _good(group: Sequence[Finding]) -> list[Finding]:
    return [one for one in group if one.outcome is Outcome.GOOD]


def _of_pools(group: Sequence[Finding]) -> str:
    """With the pair whose pools end first."""
    least = min(_good(group), key=lambda one: (one.values["days_left"] or inf, one.values["bytes_left"]))
    return f"{_good_of(group)} pairs of client and hub; the least, {least.about}: {least.text}"


def _of_ways(group: Sequence[Finding]) -> str:
    """With the hub that takes longest to answer."""
    slowest = max(_good(group), key=lambda one: max(one.values["latency_ms"].values()))
    return f"{_good_of(group)} hubs; the slowest, {slowest.about}: {slowest.text}"


def _of_positions(group: Sequence[Finding]) -> str:
    return f"{_good_of(group)} pairs of client and hub: {_good(group)[0].text}"


#: How the findings of a check that belong together are told in one line.
_SUMS: dict[str, Callable[[Sequence[Finding]], str]] = {
    "node": _of_node,
    "pools": _of_pools,
    "reachability": _of_ways,
    "positions": _of_positions,
}


def _verdict(findings: Sequence[Finding]) -> str:
    counts = {kind: sum(one.outcome == kind for one in findings) for kind in ("fault", "warning")}
    words = [f"{number} {kind}{'s' * (number > 1)}" for kind, number in counts.items() if number]
    if counts["fault"]:
        return f"not well: {', '.join(words)}."
    return f"it works, with {words[0]}." if words else "all is well."
