#!/bin/bash
# Runs the tests of SKIP and of mutual TLS with a Python that has TLS-PSK, 3.13 or later, in an environment of its
# own (.venv-psk). PYTHON names the interpreter. With --if-possible it is content where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."

has_psk() { "$1" -c 'import ssl, sys; sys.exit(not getattr(ssl, "HAS_PSK", False))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 $HOME/.pyenv/versions/3.1[3-9]*/bin/python}; do
        if has_psk "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

if ! python=$(find_python); then
    echo "test-psk: not run: TLS-PSK needs Python 3.13, and there is none here; PYTHON=... names one" >&2
    [ "${1:-}" = --if-possible ]
    exit
fi
VENV=.venv-psk PYTHON=$python scripts/setup.sh --tests
.venv-psk/bin/python -m pytest -n 2 tests/delivery/test_skip*.py tests/delivery/test_tls_*.py tests/system/test_skip.py
