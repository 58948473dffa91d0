#!/usr/bin/env bash
# Unpack the skopeo of Debian's stable suite with the libraries it runs on, without root; prints the program's path.
# Bookworm's 1.9.3 was built without the processor's SHA instructions: it takes four times the CPU for the same hash.
#   skopeo.sh DEST
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dest=$(mkdir -p "$1" && cd "$1" && pwd)
program=$dest/skopeo
if [ ! -x "$program" ]; then
    "$here/newer-suite.sh" trixie "$dest" skopeo libc6 libgpgme11t64 libassuan9 libgpg-error0 libdevmapper1.02.1 \
        libsubid5 libsqlite3-0 libselinux1 libudev1 libpcre2-8-0 libaudit1 libcap2 libcap-ng0 >&2
    loader=$(echo "$dest"/usr/lib/*/ld-linux-*.so.*)
    # Its C library is newer than this machine's may be: they come together.
    printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' \
        "$loader" "$(dirname "$loader")" "$dest/usr/bin/skopeo" > "$program"
    chmod +x "$program"
fi
echo "$program"
