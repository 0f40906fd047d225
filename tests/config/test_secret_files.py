from __future__ import annotations

import os
import stat

import pytest

from dsked.config import secret_files

DAEMON = 995


@pytest.mark.parametrize(
    ("owner", "mode", "open_to"),
    [
        (DAEMON, 0o600, 0),
        (DAEMON, 0o400, 0),
        (DAEMON, 0o640, 0o040),
        (DAEMON, 0o604, 0o004),
        (0, 0o600, 0),
        (0, 0o640, 0),  # root:dsked
        (0, 0o440, 0),  # a credential
        (0, 0o660, 0o020),
        (0, 0o644, 0o004),
        (0, 0o650, 0o010),
    ],
)
def test_who_else_may_use_a_file(owner: int, mode: int, open_to: int) -> None:
    status = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, owner, 0, 0, 0, 0, 0))
    assert secret_files.open_to(status) == open_to
