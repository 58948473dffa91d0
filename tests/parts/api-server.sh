#!/usr/bin/env bash
# Build a real kube-apiserver and kubectl from the Go module proxy and unpack etcd from Debian, all into a folder.
#   api-server.sh DEST        (Go 1.26, some 20 minutes of two cores and 6 GB at the first time; needs apt lists)
set -euo pipefail
dest=$(mkdir -p "$1" && cd "$1" && pwd)
version=v1.36.4 staging=v0.36.4
"$(dirname "$0")/newer-suite.sh" trixie "$dest/etcd" etcd-server
install -D -t "$dest/bin" "$dest/etcd/usr/bin/etcd"
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
rm -rf "$dest/module" && mkdir "$dest/module" && cd "$dest/module"
go mod init assay.test/kube
go mod edit -require="k8s.io/kubernetes@$version"
# The module's own replacements point into its tree and are ignored for whoever requires it.
gomod=$(go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
grep -oE 'k8s\.io/[a-z-]+ v0\.0\.0$' "$gomod" | cut -d' ' -f1 | sort -u |
    while read -r module; do go mod edit -replace="$module=$module@$staging"; done
printf '//go:build tools\n\npackage tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver/app"\n' > tools.go
go build -ldflags '-s -w' -o "$dest/bin/" k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl
