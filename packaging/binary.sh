#!/bin/bash
# Builds dsked for machines without Python, in two forms, and tries both: `make binary`.
#   dist/dsked, dist/dskectl                 one executable file (dskectl is a link to it)
#   dist/dsked-VERSION-linux-MACHINE.tar.gz  the same as a directory
source "$(dirname "$0")/common.sh"

system=linux-$(uname -m)
name=dsked-$version-$system
form=$work/dist/$name

build_directory() {
    PYTHONHASHSEED=0 PYTHONPATH= "$bin/pyinstaller" --log-level WARN --noconfirm --distpath "$work/dist" \
        --workpath "$work/build" packaging/binary/dsked.spec
    ! grep -E "(missing|excluded) module .*[ ,]dsked\." "$work"/build/dsked/warn-dsked.txt | grep -v swagger_ui ||
        fail "a module that dsked imports is not in it"
    mv "$work/dist/dsked" "$form"
    ln -s dsked "$form/dskectl"
    ln -s dsked "$form/dsked-nursery"
    site=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "$bin/python" packaging/libraries.py names |
        xargs "$bin/python" packaging/libraries.py licences "$site" "$form/licences"
    cp LICENSE "$form/licences/"
    stage_manual "$form/share"
}

# The newest version of the C library that any part asks for, as "glibc 2.36".
libc() {
    find "$form/dsked" "$form/_internal" -type f \( -name '*.so*' -o -name dsked \) -exec objdump -T {} + 2>/dev/null |
        grep -o 'GLIBC_[0-9.]*[0-9]' | sort -uV | tail -1 | sed 's/_/ /; s/GLIBC/glibc/'
}

# A tar of $1 in $work/dist, the same for the same files. $ARCHIVE_LEVEL is gzip's, for whoever is in a hurry.
archive() {
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - -C "$work/dist" "$1" |
        gzip -n "-${ARCHIVE_LEVEL:-6}"
}

build_directory
libc=$(libc)
mkdir -p "$dist"
archive "$name" >"$dist/$name.tar.gz"
packaging/binary/one_file.sh "$version" "$system" "$libc" "$dist/$name.tar.gz" >"$work/dsked"
chmod 755 "$work/dsked"
mv "$work/dsked" "$dist/dsked" # in one step: the old one may be running
ln -sf dsked "$dist/dskectl"

say "one file: $(stat -c %s "$dist/dsked") bytes; directory: $(du -sb "$form" | cut -f1) bytes; both need $libc, the directory also zlib"
packaging/smoke.sh "$version" "$dist" "$form"
