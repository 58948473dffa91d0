#!/usr/bin/env bash
# Build the parts of Kubernetes that tests/clients play against, where they are not built and Go can build them.
# The first time takes some 25 minutes of two cores. What cannot be built is said here, and its tests are loud skips.
set -euo pipefail
cd "$(dirname "$0")/.."
needed=$(sed -n 's/^go //p' tests/parts/kubeverify/go.mod)
have=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//' || true)
if [ "$(printf '%s\n' "$needed" "$have" | sort -V | head -n1)" != "$needed" ]; then
    echo "assay: no parts of Kubernetes are built: Go ${have:-is not here}; $needed or later is needed" >&2
    exit 0
fi
mkdir -p .parts
[ -x .parts/kubeverify ] || tests/parts/kubeverify/build.sh || echo "assay: kubeverify could not be built" >&2
for program in kube-apiserver kubectl etcd; do
    [ -x ".parts/kube/bin/$program" ] && continue
    tests/parts/api-server.sh .parts/kube || echo "assay: the API server could not be built" >&2
    break
done
