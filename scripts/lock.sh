#!/usr/bin/env bash
# Resolve requirements/*.in into locks with hashes and without addresses.
set -euo pipefail
cd "$(dirname "$0")/../requirements"
python=../.venv/bin/python
$python -m pip install --quiet uv
options=(--quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate)
$python -m uv pip compile "${options[@]}" runtime.in build.in -o runtime.lock
$python -m uv pip compile "${options[@]}" test.in -o test.lock
