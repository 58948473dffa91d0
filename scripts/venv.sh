#!/usr/bin/env bash
# Make the virtual environment and install a hashed lock into it.   venv.sh FOLDER runtime|test
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 lock=$2
scripts/install.sh python
[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
echo "assay: installing the locked Python packages ($lock)"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "requirements/$lock.lock"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
[ "$lock" = test ] && touch "$folder/.runtime"
touch "$folder/.${lock/test/tests}"
