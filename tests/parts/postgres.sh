#!/usr/bin/env bash
# Start a throw-away PostgreSQL on loopback and print its process id; stop it with `kill -INT`.
#   postgres.sh DIR PORT
set -euo pipefail
dir=$1 port=$2 bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n1) run=()
if [ "$(id -u)" = 0 ]; then
    install -d -o postgres -g postgres -m 700 "$dir"
    run=(setpriv --reuid postgres --regid postgres --clear-groups env -i HOME="$dir" PATH="$bin:/usr/bin:/bin" LC_ALL=C.UTF-8)
else
    mkdir -p -m 700 "$dir"
fi
cd /
"${run[@]}" "$bin/initdb" -D "$dir/data" -U assay -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
# fsync is off: these tests kill Assay, never PostgreSQL.
"${run[@]}" "$bin/pg_ctl" -D "$dir/data" -w -s -l "$dir/log" -o "-c listen_addresses=127.0.0.1 -p $port \
    -c unix_socket_directories=$dir -c fsync=off -c max_connections=200" start >/dev/null
head -n1 "$dir/data/postmaster.pid"
