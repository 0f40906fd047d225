"""A node in service: its log, its audit log, its end, its file."""

from __future__ import annotations

from mutating.mutant import Mutant

LOGS, NODE_FILE = ("tests/daemon/test_logs.py",), ("tests/config/test_node_file.py",)
AUDIT, AUDIT_LOG = ("tests/audit/test_chain.py",), ("tests/audit/test_log.py",)
DRAINING = ("tests/engines/test_draining.py",)

MUTANTS = (
    Mutant(
        "a name makes a line of its own in the log",
        "dsked/daemon/logs.py",
        '    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in text])\n',
        "    return text\n",
        LOGS,
    ),
    Mutant(
        "a field makes a line of its own in the log",
        "dsked/daemon/logs.py",
        "(name, printable(str(event[name])))",
        "(name, str(event[name]))",
        LOGS,
    ),
    Mutant(
        "the log has no last limit",
        "dsked/daemon/logs.py",
        "    handler.addFilter(Guard())\n",
        "",
        LOGS,
    ),
    Mutant(
        "an alarm is left out with what is of less weight",
        "dsked/daemon/logs.py",
        "(record.pathname, record.lineno, record.levelno)",
        "(record.pathname, record.lineno)",
        LOGS,
    ),
    Mutant(
        "a line's hash is not over the line before",
        "dsked/audit/chain.py",
        "hashlib.sha256(before + body)",
        "hashlib.sha256(body)",
        AUDIT,
    ),
    Mutant(
        "a gap excuses whatever stands before it",
        "dsked/audit/chain.py",
        "if _is_number(torn) and len(self._unread) <= torn:",
        "if _is_number(torn):",
        AUDIT,
    ),
    Mutant(
        "an end that was kept elsewhere is not looked for",
        "dsked/audit/chain.py",
        '        if self._after is not None:\n            text = f"number',
        '        if self._after is START:\n            text = f"number',
        AUDIT,
    ),
    Mutant(
        "two nodes write to one audit log",
        "dsked/audit/log.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        AUDIT_LOG,
    ),
    Mutant(
        "an audit log is written where a link leads",
        "dsked/audit/log.py",
        "os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW",
        "os.O_RDWR | os.O_APPEND | os.O_CLOEXEC",
        AUDIT_LOG,
    ),
    Mutant(
        "a full disk stops keys",
        "dsked/audit/log.py",
        "        except OSError as error:\n            self._failed(error)\n        in_line",
        "        except MemoryError as error:\n            self._failed(error)\n        in_line",
        AUDIT_LOG,
    ),
    Mutant(
        "nobody is told that lines of the audit log are lost",
        "dsked/audit/log.py",
        "        gap = self._lost or self._end.torn\n",
        "        gap = 0\n",
        AUDIT_LOG,
    ),
    Mutant(
        "a client that comes later is not told that the hub drains",
        "dsked/hub/draining.py",
        "        if self.begun:\n            self._tell(connection)\n",
        "        if not self.begun:\n            self._tell(connection)\n",
        DRAINING,
    ),
    Mutant(
        "a hub that drains is gone before all its clients are told",
        "dsked/hub/draining.py",
        "return self.begun and not self._to_tell",
        "return self.begun",
        DRAINING,
    ),
    Mutant(
        "a hub that drains takes shares",
        "dsked/hub/share_desk.py",
        "if self.drains and not group.offset:",
        "if self.drains and group.offset:",
        DRAINING,
    ),
    Mutant(
        "a hub that is started serves whom its configuration has no longer",
        "dsked/hub/engine.py",
        "            if owners is None or client in owners:  #",
        "            if gate_keys:  #",
        ("tests/hub/test_changing_clients.py",),
    ),
    Mutant(
        "metrics are read off loopback though nobody asked for that",
        "dsked/config/node_file.py",
        "    fault = fault or rules.metrics_fault(host, file.metrics.beyond_loopback)\n",
        "",
        NODE_FILE,
    ),
    Mutant(
        "plain HTTP has files for TLS",
        "dsked/config/node_file.py",
        "        if value is not None:\n            raise plain.error((\"etsi\", key)",
        "        if value == {}:\n            raise plain.error((\"etsi\", key)",
        NODE_FILE,
    ),
    Mutant(
        "a node's file is of a hub and of a client",
        "dsked/config/node_file.py",
        "    if HUB in plain.data and CLIENT in plain.data:\n",
        "    if not plain.data:\n",
        NODE_FILE,
    ),
    Mutant(
        "a hub's file names encryptors that are nobody's",
        "dsked/config/node_file.py",
        "encryptors=[schema.EncryptorEntry(name) for name in one.encryptors]",
        "encryptors=[]",
        NODE_FILE,
    ),
)  # fmt: skip
