#!/usr/bin/env bash
# Unpack Debian's docker-registry into a folder, without root and without installing it; prints the program's path.
#   docker-registry.sh DEST
set -euo pipefail
dest=$(mkdir -p "$1" && cd "$1" && pwd)
program=$dest/usr/bin/docker-registry
if [ ! -x "$program" ]; then
    (cd "$dest" && apt-get -qq -o APT::Sandbox::User=root download docker-registry) ||
        { echo "docker-registry.sh: run apt-get update first" >&2; exit 1; }
    dpkg -x "$dest"/docker-registry_*.deb "$dest"
fi
echo "$program"
