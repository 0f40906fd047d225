#!/bin/bash
# Makes .venv in the checkout, with every locked package and the project itself, editable. Does nothing
# when that is already so. Installs what the system lacks for it (Debian's python3-venv) when run by root or
# by a user who has sudo. PYTHON=/path/to/python chooses the interpreter. With --tests it also sees to the
# programs that only the tests need, with --fuzz to the fuzzer, with --bench to what draws plots.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$PWD/.venv
stamp=$venv/.installed

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

supported() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
# Debian ships venv with python3, but ensurepip, which puts pip into the new environment, apart from it.
complete() { supported "$1" && "$1" -c 'import venv, ensurepip' 2>/dev/null; }

# The first interpreter that answers yes to the question $1.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 /usr/bin/python3 python3.13 python3.12 python3.11}; do
        if "$1" "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo --non-interactive "$@"; fi
}

install_packages() {
    command -v apt-get >/dev/null || fail "install $* with your system's package manager, then try again"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || fail "as root: apt-get install $*; then try again"
    say "installing $*"
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@")
    as_root "${install[@]}" </dev/null >&2 ||
        { as_root apt-get update </dev/null >&2 && as_root "${install[@]}" </dev/null >&2; } ||
        fail "as root: apt-get install $*; then try again"
}

choose_python() {
    find_python complete && return
    find_python supported >/dev/null || fail "Python 3.11 or later is needed; PYTHON=... names one"
    install_packages python3-venv
    find_python complete || fail "no Python 3.11 or later here has both venv and ensurepip"
}

# What .venv was made from: the checkout's place, since an environment cannot be moved, and its inputs.
wanted() {
    printf '%s\n' "$venv" "${PYTHON:-}"
    sha256sum pyproject.toml requirements.lock scripts/setup.sh
}

up_to_date() {
    [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(wanted)" = "$(cat "$stamp")" ]
}

# A working environment of this place and interpreter is brought up to date where it stands, since
# something may be running from it. Anything else is made anew.
reusable() {
    [ -f "$stamp" ] && [ "$(head -2 "$stamp")" = "$(wanted | head -2)" ] && complete "$venv/bin/python"
}

make_venv() {
    local python pip
    if reusable; then
        say "bringing .venv up to date"
    else
        python=$(choose_python)
        say "making .venv with $python ($("$python" --version)); this takes a minute"
        "$python" -m venv --clear "$venv"
    fi
    pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input install)
    "${pip[@]}" --require-hashes --requirement requirements.lock
    # As a plain path: setuptools' import hook would cost every process of a topology 17 ms.
    "${pip[@]}" --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
    wanted >"$stamp"
    say "done"
}

extra_there() { cmp --quiet "requirements-$1.lock" "$venv/.installed-$1"; }

install_extra() {
    say "installing what the extra $1 needs"
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input install \
        --require-hashes --requirement "requirements-$1.lock"
    cp "requirements-$1.lock" "$venv/.installed-$1"
}

# strace makes the system calls of real daemons fail.
if [ "${1:-}" = --tests ] && ! command -v strace >/dev/null; then
    (install_packages strace) || say "going on: the tests that inject faults will fail without strace"
fi

has_sodium() { grep -q libsodium <(/sbin/ldconfig -p 2>/dev/null); }
if [ "${1:-}" = --tests ] && ! has_sodium; then
    (install_packages libsodium23) || say "going on: what libsodium computes is not tested"
fi

if ! up_to_date; then
    exec 9>.setup.lock # two make commands at once: the second waits, then finds it done
    flock 9
    up_to_date || make_venv
fi

case ${1:-} in --fuzz | --bench) extra=${1#--} ;; *) extra= ;; esac
if [ -n "$extra" ] && ! extra_there "$extra"; then
    exec 9>.setup.lock
    flock 9
    extra_there "$extra" || install_extra "$extra"
fi
