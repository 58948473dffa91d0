#!/usr/bin/env bash
# Build a program by the Go module proxy, at the version and with the hashes of a module beside this script.
#   go-program.sh MODULE PACKAGE PROGRAM      such as: go-program.sh helm helm.sh/helm/v3/cmd/helm .parts/helm
set -euo pipefail
module=$(cd "$(dirname "$0")/$1" && pwd) package=$2 program=$3
command -v go >/dev/null || { echo "$1: Go is not here" >&2; exit 1; }
needed=$(sed -n 's/^go //p' "$module/go.mod")
have=$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')
if [ "$(printf '%s\n' "$needed" "$have" | sort -V | head -n1)" != "$needed" ]; then
    echo "$1: Go $have is here; $needed or later is needed" >&2
    exit 1
fi
mkdir -p "$(dirname "$program")"
cd "$module"
# Under a name of its own first: of several that build at once each leaves a whole program.
GOTOOLCHAIN=local go build -mod=readonly -o "$program.$$" "$package"
mv "$program.$$" "$program"
