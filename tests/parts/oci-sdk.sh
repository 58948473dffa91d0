#!/usr/bin/env bash
# Install a version of OCI's SDK into a virtual environment of its own; prints the path of its python.
#   oci-sdk.sh DEST VERSION
set -euo pipefail
dest=$1 version=$2
mkdir -p "$dest"; exec 9>"$dest.lock"; flock 9 # of several test processes one installs
if ! "$dest/bin/python" -c "import oci, sys; sys.exit(oci.__version__ != '$version')" 2>/dev/null; then
    python3 -m venv --clear "$dest"
    "$dest/bin/pip" install --quiet --disable-pip-version-check "oci==$version" >&2
fi
echo "$(cd "$dest" && pwd)/bin/python"
