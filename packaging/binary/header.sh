#!/bin/sh
# dsked @VERSION@ for @SYSTEM@, in one file: this script, and behind it a compressed archive. The first start
# unpacks it, into a directory that is the caller's own; all others only begin what lies there. It needs a shell,
# tail, tar, gzip, id, stat, mktemp and @LIBC@ or later; no Python.
set -eu
fail() { echo "dsked: $*" >&2; exit 1; }

if [ -n "${DSKED_UNPACK_DIR:-}" ]; then base=$DSKED_UNPACK_DIR
elif [ -n "${XDG_CACHE_HOME:-}" ]; then base=$XDG_CACHE_HOME/dsked
elif [ -n "${HOME:-}" ]; then base=$HOME/.cache/dsked
elif [ -w /var/cache ]; then base=/var/cache/dsked
else fail "no HOME is set; DSKED_UNPACK_DIR=... names a directory into which the program unpacks itself"
fi
another="DSKED_UNPACK_DIR=... names another directory to unpack into"

# Whether only root and the caller can put something else in the place of directory $1, a path without links.
is_ours() {
    at=$1 me=$(id -u)
    set --
    while set -- "$at" "$@"; [ "$at" != / ]; do
        at=${at%/*}
        at=${at:-/}
    done
    owners=$(stat -c '%u %g %a' -- "$@") || return 1
    # A group that has its user's name is that user's alone, as Debian makes them; of others there may be members,
    # and of one without a name nothing is known.
    own_group=0
    if user=$(id -un 2>/dev/null) && group=$(id -gn 2>/dev/null) && [ "$user" = "$group" ]; then own_group=$(id -g); fi
    while read -r owner group mode; do
        [ "$owner" = 0 ] || [ "$owner" = "$me" ] || return 1
        writers=022
        [ "$group" != 0 ] && [ "$group" != "$own_group" ] || writers=02
        [ $((0$mode & writers)) -eq 0 ] || [ $((0$mode & 01000)) -ne 0 ] || return 1 # others may write, but not remove
    done <<end
$owners
end
}

[ -d "$base" ] || (umask 077 && mkdir -p "$base") || fail "$base: cannot be written; $another"
base=$(cd "$base" && pwd -P) || fail "$base: cannot be entered; $another"
is_ours "$base" || fail "$base: belongs to another user, or others can change it; $another"
home=$base/@VERSION@-@HASH@

unpack() {
    umask 077
    new=$(mktemp -d "$base/.new-XXXXXX") || fail "$base: cannot be written; $another"
    tail -n +"$((@LINES@ + 1))" "$0" | tar -xzof - -C "$new" || { rm -rf "$new"; fail "$base: unpacking failed"; }
    # Whoever unpacks at the same time may have been first: the same files.
    mv -T "$new" "$home" 2>/dev/null || rm -rf "$new"
}

[ -d "$home" ] || unpack
[ -O "$home" ] && [ ! -L "$home" ] || fail "$home: belongs to another user; remove it, or set DSKED_UNPACK_DIR"
home=$home/@NAME@
export LD_LIBRARY_PATH="$home/_internal${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" # zlib, for the first step
case ${0##*/} in
    dskectl) exec "$home/dskectl" "$@" ;;
    *) exec "$home/dsked" "$@" ;;
esac
