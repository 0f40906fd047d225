#!/bin/bash
# Builds dist/dsked-VERSION-py3-none-any.whl: `make wheel`.
source "$(dirname "$0")/common.sh"

copy_source "$work/source"
"$bin/python" -m pip --quiet --disable-pip-version-check wheel --no-deps --no-build-isolation \
    --wheel-dir "$work/wheel" "$work/source"
mkdir -p "$dist"
mv "$work"/wheel/dsked-*.whl "$dist/"
say "$(cd "$dist" && sha256sum "dsked-$version"-*.whl)"
