#!/bin/bash
# SPDX-License-Identifier: MIT
# The benchmark programs do what they say, on the OS stack over loopback. No figure is judged.
# Usage: bench_selftest.sh FOLDER-OF-PROGRAMS
set -u
bin=$1
tmp=$(mktemp -d)
failed=0
trap 'rm -rf "$tmp"' EXIT

# pair PROGRAM "SERVER ARGS" "CLIENT ARGS": true if both ends end well and a result is printed.
pair() {
    local program=$1 server rc=0
    local -a for_server for_client
    read -ra for_server <<<"$2"
    read -ra for_client <<<"$3"
    : >"$tmp/server"
    : >"$tmp/server"
    "$bin/$program" server --limit 20 "${for_server[@]}" >"$tmp/server" 2>"$tmp/error" &
    server=$!
    until grep -q ready "$tmp/server"; do
        kill -0 "$server" 2>/dev/null || return 1
        sleep 0.02
    done
    "$bin/$program" client --limit 20 "${for_client[@]}" >"$tmp/client" 2>>"$tmp/error" || rc=1
    [ "$rc" = 0 ] || kill "$server" 2>/dev/null
    wait "$server" || rc=1
    grep -q '^{' "$tmp/client" || rc=1
    return $rc
}

try() {
    local name=$1
    shift
    if "$@"; then
        echo "ok bench: $name"
    else
        echo "not ok bench: $name: $(tr '\n' ' ' <"$tmp/error")"
        failed=1
    fi
}

refuses() { ! "$bin/$1" "${@:2}" >/dev/null 2>"$tmp/error" && [ -s "$tmp/error" ]; }

a=127.0.0.1:7741
short="--seconds 0.1 --warm 0.05"
try 'echo, epoll, 8 connections' pair bench_echo "--addr $a --conns 8" "--addr $a --conns 8 --inflight 4 $short"
try 'echo, blocking' pair bench_echo "--addr $a --mode blocking" "--addr $a --mode blocking $short"
try 'echo, busy' pair bench_echo "--addr $a --mode busy --yield" "--addr $a --mode busy --yield $short"
try 'echo, unix socket' pair bench_echo "--addr unix:$tmp/s" "--addr unix:$tmp/s $short"
try 'bulk up' pair bench_bulk "--addr $a" "--addr $a --dir up --seconds 0.1"
try 'bulk down' pair bench_bulk "--addr $a" "--addr $a --dir down --seconds 0.1"
try 'connect-request-close' pair bench_crr "--addr $a --ports 2" "--addr $a --ports 2 --conns 4 $short"
try 'idle, two processes' pair bench_idle "--addr $a --conns 200 --ports 2" "--addr $a --conns 200 --ports 2"
opener() { "$bin/bench_idle" both --addr "$a" --conns 200 --ports 2 2>"$tmp/error" | grep -q '^{'; }
try 'idle, one process' opener
try 'wrong option is refused' refuses bench_echo server --nonsense
try 'wrong number is refused' refuses bench_bulk client --chunk x
try 'wrong address is refused' refuses bench_crr client --addr nowhere
exit $failed
