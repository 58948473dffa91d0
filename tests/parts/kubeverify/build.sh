#!/usr/bin/env bash
# Build the reader of printed manifests and answers over Kubernetes' own packages, from the Go module proxy.
set -euo pipefail
cd "$(dirname "$0")"
GOTOOLCHAIN=local go build -o ../../../.parts/kubeverify .
