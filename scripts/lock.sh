#!/bin/bash
# Writes requirements.lock anew from pyproject.toml: every package that development and the tests need,
# at one version, with the hashes of its files. `--upgrade` takes newer versions; without it, versions
# stay unless pyproject.toml demands otherwise. Run with Python 3.11, the oldest that is supported.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check pip-tools
CUSTOM_COMPILE_COMMAND="make lock" "$tools/bin/pip-compile" --quiet --generate-hashes --allow-unsafe \
    --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
    --extra dev --output-file requirements.lock "$@" pyproject.toml
