"""A topology whose PSRD comes on media, and commands on it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Dskectl, Ran

MIB = 1024 * 1024
TOPOLOGY = """\
psrd: media
min_nr_shares: 2
hubs: [{name: hank}, {name: helen}, {name: holly, host: 192.0.2.8}]
clients:
  - {name: carol, encryptors: [{name: sam}]}
  - {name: curtis, encryptors: [{name: sunny}]}
  - {name: chloe, host: 192.0.2.7}
"""
FOR_CAROL = ["generate", "--hub", "hank", "--client", "carol"]
PASSPHRASE = "correct horse battery\n"


def generate(lab: Dskectl, *arguments: str, hub: str = "hank", client: str = "carol") -> Path:
    """The file of a bundle of 1 MiB for each pool."""
    clients = [word for name in client.split() for word in ("--client", name)]
    ran = lab("generate", "--hub", hub, *clients, "--out", "usb", "--size", "1M", "--json", *arguments)
    assert (ran.status, ran.err) == (0, "")
    return Path(json.loads(ran.out)["file"])


def refused(ran: Ran, told: str, status: int = 4) -> None:
    """One line on standard error, nothing else."""
    assert (ran.status, ran.out) == (status, "")
    assert re.fullmatch(f"dskectl: .*{told}.*\n", ran.err), ran.err
