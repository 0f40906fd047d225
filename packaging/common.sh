# What the scripts that build packages share; they read it, and stand in the checkout's root behind it.
# DIST names another directory than dist/ for what they build, BIN that of another Python than .venv's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'packaging: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

bin=${BIN:-$PWD/.venv/bin}
dist=${DIST:-$PWD/dist}

# The one place where the version stands is dsked/__init__.py.
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' dsked/__init__.py)
[ -n "$version" ] || fail "dsked/__init__.py: no line __version__ = \"...\""

# Times in packages: of the last commit, so that the same commit gives the same files.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y dsked/__init__.py)}
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What a wheel is made from, in $1, a directory that is made: setuptools would take in whatever an earlier build,
# or another program, left in a build/ of the checkout.
copy_source() {
    copy_package "$1"
    cp pyproject.toml README.md LICENSE "$1"
}

# The package dsked into the directory $1, which is made. What are links in the checkout become files.
copy_package() {
    mkdir -p "$1"
    tar --dereference --exclude=__pycache__ -cf - dsked | tar -xf - -C "$1"
}

# Manual pages and the shells' completion, as `make man` writes them, where Debian has them below $1, its share/.
stage_manual() {
    local made=$work/manual page
    PYTHONPATH=$PWD "$bin/python" scripts/man.py "$made" >/dev/null
    for page in "$made"/man/*; do
        install -D --mode 644 --target-directory "$1/man/man${page##*.}" "$page"
    done
    install -D --mode 644 --target-directory "$1/bash-completion/completions" "$made"/completion/bash/*
    install -D --mode 644 --target-directory "$1/zsh/vendor-completions" "$made"/completion/zsh/*
    install -D --mode 644 --target-directory "$1/fish/vendor_completions.d" "$made"/completion/fish/*
}

# The lines of requirements.lock, hashes included, of the packages that standard input names, one a line.
locked() {
    awk 'NR == FNR { wanted[$1]; next }
         /^[^ #]/ { name = $1; sub(/==.*/, "", name); on = name in wanted }
         on && !/^ *#/' - requirements.lock
}
