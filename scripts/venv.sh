#!/usr/bin/env bash
# Make the virtual environment and install a hashed lock into it.   venv.sh FOLDER runtime|test
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 lock=$2
scripts/install.sh python
[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
count=$(grep -c '^[A-Za-z0-9].*==' "requirements/$lock.lock")
echo "assay: installing $count locked Python packages into $folder; the first time takes a minute or two"
# Every tenth line of pip's is news; its errors are shown as they are.
"$folder/bin/python" -m pip install --progress-bar off --disable-pip-version-check --require-hashes -r "requirements/$lock.lock" |
    awk -v count="$count" '
        /^Collecting / && (++fetched % 10 == 0 || fetched == count) { say("fetched " fetched " of " count) }
        /^Installing collected packages/ { say("unpacking them") }
        function say(what) { print "assay:   " what; fflush() }'
echo "assay: installing Assay itself"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
[ "$lock" = test ] && touch "$folder/.runtime"
touch "$folder/.${lock/test/tests}"
