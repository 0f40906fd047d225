#!/bin/bash
# Prints one executable file: header.sh, and behind it the archive $4, whose one directory is dsked-VERSION-SYSTEM.
# $1 is the version, $2 the system, $3 the C library that it needs.
set -euo pipefail
header=$(dirname "$0")/header.sh

sed -e "s/@LINES@/$(wc -l <"$header")/; s/@NAME@/dsked-$1-$2/; s/@VERSION@/$1/; s/@SYSTEM@/$2/; s/@LIBC@/$3/
        s/@HASH@/$(sha256sum "$4" | head -c 16)/" "$header"
cat "$4"
