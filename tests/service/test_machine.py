"""The tests' machines do not disturb each other: several run at once, with nodes of the same names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from .machine import Machine, why_not

_UNIT = """
[Service]
Type=exec
ExecStartPre=/bin/true
ExecStart=/bin/sleep infinity
"""
_ROUNDS = 20


def _has_a_unit(machine: Machine) -> None:
    (machine.root / "etc/systemd/system/same.service").write_text(_UNIT)


def _start_and_stop(machine: Machine) -> None:
    for _ in range(_ROUNDS):
        machine.run("systemctl", "start", "same")
        machine.run("systemctl", "stop", "same")


def test_units_of_one_name_in_two_machines() -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    # In control groups that both have, nearly every second start finds them removed by the other's stop.
    with Machine(_has_a_unit) as one, Machine(_has_a_unit) as other, ThreadPoolExecutor(2) as at_once:
        list(at_once.map(_start_and_stop, (one, other)))
