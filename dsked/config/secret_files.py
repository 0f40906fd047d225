"""Who may read a file of secrets."""

from __future__ import annotations

import os
import stat


def open_to(status: os.stat_result) -> int:
    """The bits of its mode by which others than the daemon may use the file; 0 where it is private.

    What is root's may be readable for a group: that of the daemon is a common way, and systemd's credentials
    look like that (an access control list shows as the group's bits).
    """
    bits = stat.S_IMODE(status.st_mode) & 0o077
    return bits & ~stat.S_IRGRP if status.st_uid == 0 else bits
