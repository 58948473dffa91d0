#!/usr/bin/env bash
# Build the official program that judges registries (opencontainers/distribution-spec, "conformance") by the Go module
# proxy: the version and the hashes stand in tests/parts/conformance/go.mod and go.sum.   conformance.sh PROGRAM
set -euo pipefail
program=$1 module=$(cd "$(dirname "$0")/conformance" && pwd)
command -v go >/dev/null || { echo "conformance: Go is not here" >&2; exit 1; }
needed=$(sed -n 's/^go //p' "$module/go.mod")
have=$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')
if [ "$(printf '%s\n' "$needed" "$have" | sort -V | head -n1)" != "$needed" ]; then
    echo "conformance: Go $have is here; $needed or later is needed" >&2
    exit 1
fi
mkdir -p "$(dirname "$program")"
cd "$module"
# Under a name of its own first: of several that build at once each leaves a whole program.
GOTOOLCHAIN=local go build -mod=readonly -o "$program.$$" github.com/opencontainers/distribution-spec/conformance
mv "$program.$$" "$program"
