# SPDX-License-Identifier: MIT
# 100,000 accelerated connections in one process: each answers one echo, then idles. Prints the
# resident memory of each end; 2 KB is the limit (the pages the end really uses, so no timing).

. /tests/lib.sh

CONNS=${ETA_CONNS:-100000}
PORTS=16
LIMIT_BYTES=2048

need /eta/bench/bench_idle
load_module
net_up
fw_up --idle sleep
ulimit -n 300000 || fail "ulimit -n"
sysctl -q -w fs.nr_open=1048576

eta-run /eta/bench/bench_idle server --addr 127.0.0.1:7100 --ports $PORTS --conns "$CONNS" \
    --limit 200 > /tmp/server.log 2>&1 &
server=$!
wait_for 10 grep -q ready /tmp/server.log || { cat /tmp/server.log; fail "server not ready"; }
eta-run /eta/bench/bench_idle client --addr 127.0.0.1:7100 --ports $PORTS --conns "$CONNS" \
    --limit 200 --watch "server:$server" --watch "eta_fw:$fw" > /tmp/client.log 2>&1
code=$?
cat /tmp/client.log
# Shared pages count once: proportional set sizes of both programs and the accelerator.
bytes=$(grep -o '"pss_kb": [0-9]*' /tmp/client.log |
    awk -v ends=$((2 * CONNS)) '{ n += $2 } END { printf "%d", n * 1024 / ends }')
echo "  resident memory per idle connection end: $bytes bytes (limit $LIMIT_BYTES)"
eta-ctl stats | awk '$1 != 0 { print }' | grep -E 'accepts_queued|children_taken|no_buffer|bad_'
[ "$code" = 0 ] || { cat /tmp/server.log; fail "client ended with $code"; }
kill "$server" 2> /dev/null
wait "$server"

accepted=$(eta-ctl stats | awk '$2 == "accepts_queued" { print $1 }')
[ "$bytes" -gt 0 ] && [ "$bytes" -le "$LIMIT_BYTES" ] || fail "$bytes bytes per connection end"
[ "$accepted" -ge "$CONNS" ] || fail "only $accepted of $CONNS connections were accelerated"
fw_down
net_down
unload_module
