#!/bin/bash
# Tries the forms of dsked that lie in the directories $2...: the programs run without Python on the PATH, and the start
# time is shown. A network of the first form is tried in earnest. $1 is the version that they must have.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "smoke: $*" >&2; exit 1; }
version=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/bin"
for tool in sh tail tar gzip id stat mktemp mkdir mv rm; do
    ln -s "$(command -v "$tool")" "$work/bin/"
done
alone=(env -i "PATH=$work/bin" "HOME=$work")

# Of three starts the fastest, in ms.
start_ms() {
    local before after
    for _ in 1 2 3; do
        before=${EPOCHREALTIME/[.,]/}
        "${alone[@]}" "$@" >/dev/null
        after=${EPOCHREALTIME/[.,]/}
        echo $(((after - before) / 1000))
    done | sort -n | head -1
}

for form in "$@"; do
    for program in dsked dskectl; do
        said=$("${alone[@]}" "$form/$program" --version)
        [ "$said" = "$program, version $version" ] || fail "$form/$program --version: $said"
    done
    echo "smoke: $form: without Python on the PATH, dskectl --version in" \
        "$(start_ms "$form/dskectl" --version) ms, dsked --help in $(start_ms "$form/dsked" --help) ms"
done
"${alone[@]}" "$1/dskectl" config example hub >"$work/hub.yaml"
"${alone[@]}" "$1/dskectl" config check "$work/hub.yaml" >/dev/null
"${alone[@]}" TERM=xterm DSKECTL="$1/dskectl" "${BIN:-$PWD/.venv/bin}/python" packaging/smoke_network.py
echo "smoke: $1: a network of its own: a key, status, top, doctor, metrics, logs; without Python on the PATH"
