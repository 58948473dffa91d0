#!/usr/bin/env bash
# Unpack packages of a newer Debian suite into a folder, without root and without touching the machine's own apt.
#   newer-suite.sh SUITE DEST PACKAGE…
set -euo pipefail
suite=$1 dest=$(mkdir -p "$2" && cd "$2" && pwd); shift 2
uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | grep -v -- -security | sort -u | head -n1)
[ -n "$uri" ] || { echo "newer-suite: run apt-get update first" >&2; exit 1; }
apt=$dest/apt; mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,deb}; : > "$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" > "$apt/sources.list"
options=(-o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache"
    -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o APT::Sandbox::User=root -o Acquire::Languages=none)
apt-get -qq "${options[@]}" update
(cd "$apt/deb" && apt-get -qq "${options[@]}" download "$@")
for deb in "$apt"/deb/*.deb; do dpkg -x "$deb" "$dest"; done
