"""`dskectl audit` on files that whoever may write them has made for whoever reads them."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dsked.audit.chain import START, append
from dsked.cli.audit_command import audit as command
from dsked.errors import ConfigurationError

TIME = "2026-11-22T14:05:01.123Z"
TITLE = "\x1b]0;x\x07"


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False)
    return done.return_value, done.output


def opened(path: Path, *more: bytes) -> str:
    _, line = append(START, TIME, "opened", {"previous": START.head.hex(), "node": TITLE})
    path.write_bytes(b"".join([line, *more]))
    return str(path)


def test_neither_names_of_files_nor_lines_speak_to_a_terminal(tmp_path: Path) -> None:
    file = opened(tmp_path / f"{TITLE}.audit", b"nonsense\n")
    for arguments in (("verify", file), ("show", file)):
        _status, said = run(*arguments)
        assert said.replace("\n", "").isprintable()


def test_a_line_deeper_than_programs_can_go(tmp_path: Path) -> None:
    deep = b"[" * 600 + b"]" * 600
    body = b'{"number":2,"time":"%b","event":"x","deep":%b,"one":{"client":%b}}' % (TIME.encode(), deep, deep)
    line = body[:-1] + b',"hash":"%b"}\n' % hashlib.sha256(body).hexdigest().encode()
    status, said = run("show", opened(tmp_path / "log", line))
    assert status == 0 and said.endswith(" x deep=... one=.../None\n")


def test_a_compressed_file_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(TIME.encode() * 1000)[:20] + b"\xff" * 200)
    with pytest.raises(ConfigurationError, match=r"log\.gz: "):
        run("verify", str(path))


@pytest.mark.parametrize("after", ["foo", "1:abc", f"x:{'0' * 64}"])
def test_an_end_that_is_none_is_bad_usage(tmp_path: Path, after: str) -> None:
    with pytest.raises(click.BadParameter, match="expected NUMBER:HASH") as error:
        run("verify", opened(tmp_path / "log"), "--after", after)
    assert (error.value.exit_code, error.value.param_hint) == (2, "--after")
