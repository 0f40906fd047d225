#!/bin/bash
# Writes requirements.lock anew from pyproject.toml: every package that development and the tests need,
# at one version, with the hashes of its files, and the assets of /docs; and requirements-tests.lock,
# requirements-fuzz.lock, requirements-bench.lock, requirements-binary.lock and requirements-node.lock, the same of the
# programs that tests run, of what only make fuzz, make bench-docs and make binary need, and of Node. `--upgrade` takes newer versions; without it, versions stay unless
# pyproject.toml demands otherwise. Run with Python 3.11, the oldest that is supported.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check pip-tools

compile() {
    CUSTOM_COMPILE_COMMAND="make lock" "$tools/bin/pip-compile" --quiet --generate-hashes --allow-unsafe \
        --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@"
}

compile --extra dev --extra docs --output-file requirements.lock "$@" pyproject.toml
# The extras alone: the rest is locked above.
for extra in tests fuzz bench binary node; do
    python3 -c 'import sys, tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")' \
        "$extra" |
        compile --constraint requirements.lock --output-file "requirements-$extra.lock" "$@" -
done
