#!/usr/bin/env bash
# Install by apt what a target needs and the machine lacks, and say what.   install.sh python|demo|oci-walk|bench|test
set -euo pipefail
root=()
[ "$(id -u)" = 0 ] || root=(sudo)

have() { command -v "$1" >/dev/null 2>&1; }
wanted=()
python3 -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3-venv)
case $1 in
python | bench) ;;
demo)
    have skopeo || wanted+=(skopeo)
    have dpkg-deb || wanted+=(dpkg)
    ;;
oci-walk) have skopeo || wanted+=(skopeo) ;;
test)
    have skopeo || wanted+=(skopeo)
    have podman || wanted+=(podman)
    have chromium || wanted+=(chromium)
    [ -e /usr/lib/x86_64-linux-gnu/libatomic.so.1 ] || [ -e /usr/lib/aarch64-linux-gnu/libatomic.so.1 ] || wanted+=(libatomic1)
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || wanted+=(postgresql)
    have openssl || wanted+=(openssl)
    have curl || wanted+=(curl)
    ;;
*) echo "install.sh: python, demo, oci-walk, bench or test" >&2; exit 2 ;;
esac
have apt-get || [ ${#wanted[@]} = 0 ] || { echo "assay: this machine has no apt; install by hand: ${wanted[*]}" >&2; exit 1; }
lists=known
# The demo's image is made of packages; the benchmark's peer is one.
case $1 in demo | bench) apt-get -qq --print-uris download zlib1g >/dev/null 2>&1 || lists=unknown ;; esac
[ ${#wanted[@]} = 0 ] && [ $lists = known ] && exit 0
echo "assay: reading apt's package lists anew"
"${root[@]}" apt-get -qq update
[ ${#wanted[@]} = 0 ] && exit 0
echo "assay: installing by apt: ${wanted[*]}"
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${wanted[@]}" >/dev/null
