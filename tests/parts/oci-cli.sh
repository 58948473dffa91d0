#!/usr/bin/env bash
# Install the stock oci command line with its SDK into a virtual environment of its own; prints the path of `oci`.
#   oci-cli.sh DEST [VERSION]      VERSION of oci-cli (its SDK comes with it); the newest if left out
set -euo pipefail
dest=$1 version=${2:-}
mkdir -p "$dest"; exec 9>"$dest.lock"; flock 9 # of several test processes one installs
if [ ! -x "$dest/bin/oci" ]; then
    python3 -m venv "$dest"
    "$dest/bin/pip" install --quiet --disable-pip-version-check "oci-cli${version:+==$version}" >&2
fi
echo "$(cd "$dest" && pwd)/bin/oci"
