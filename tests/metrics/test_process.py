"""What is told of the process, also where a service sees nothing of /proc but its own processes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsked.metrics.families import OF_PROCESS, Scrape
from dsked.metrics.of_process import OwnProcess

ROOT = Path(__file__).parents[2]


def gathered(process: OwnProcess) -> dict[str, float]:
    scrape = Scrape()
    list(process.gather(scrape))
    return {name: value for name, [(_, value)] in scrape.values.items()}


def test_it_is_this_process() -> None:
    process = OwnProcess()
    gc.collect()  # what other tests have left open is not closed meanwhile
    before = gathered(process)
    assert set(before) == {family.name for family in OF_PROCESS}
    with Path(os.devnull).open():
        after = gathered(process)
    assert after["process_open_fds"] == before["process_open_fds"] + 1
    assert after["process_start_time_seconds"] == before["process_start_time_seconds"] < time.time()
    assert 0 < before["process_cpu_seconds_total"] <= after["process_cpu_seconds_total"]
    assert 1e6 < before["process_resident_memory_bytes"] < before["process_virtual_memory_bytes"]


def test_the_start_is_when_the_process_was_made() -> None:
    program = "import time; from dsked.metrics.of_process import _started; print(_started(), time.time())"
    before = time.time()
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    started, ended = map(float, ran.stdout.split())
    assert before - 0.02 <= started <= ended  # ticks of 10 ms


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_service_that_sees_its_own_processes_alone_tells_all() -> None:
    """ProcSubset=pid of the units."""
    program = (
        "from dsked.metrics.families import Scrape; from dsked.metrics.of_process import OwnProcess\n"
        "import pathlib\n"
        "assert not pathlib.Path('/proc/stat').exists()\n"
        "scrape = Scrape(); list(OwnProcess().gather(scrape)); print(len(scrape.values))"
    )
    mounted = f'mount -t proc -o subset=pid proc /proc && exec {sys.executable} -c "$0"'
    command = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", mounted, program]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (ran.returncode, ran.stdout.strip()) == (0, str(len(OF_PROCESS))), ran.stderr
