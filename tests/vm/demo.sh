# SPDX-License-Identifier: MIT
# The straight line in the VM: an unmodified nginx and redis under eta-run, accelerated by eta_fw
# over virtio-net with the module's /dev/eta and eta0; plain curl and redis-benchmark at the other
# end, in a namespace with the second interface. Ends with a table; exit 0 only if every byte is
# right, nothing fell back and the OS stack's TCP saw nothing.
. /tests/lib.sh
. /tests/apps.sh

need /eta/eta_ka.ko /eta/eta_fw /eta/eta-run /eta/eta-ctl /eta/libeta_preload.so
need /usr/bin/nginx /usr/bin/redis-server /usr/bin/curl
kernel_log_mark demo
load_module
net_up
fw_up --idle sleep
wait_for 10 peer ping -c 1 -W 1 10.77.0.1 || fail "peer cannot ping eta0"
step "eta_ka.ko, eta_fw on eth0 and eta0 are up"
make_files /tmp/www 0:0B 1:1KB 100:100KB ${DEMO_BIG:-51200:50MB}
nginx_conf 2
start_under_eta nginx nginx -c /tmp/nginx.conf -e stderr
start_under_eta redis redis-server --bind 10.77.0.1 --save '' --appendonly no \
    --protected-mode no --dir /tmp
wait_eta_listener 80 2
wait_eta_listener 6379 1
step "nginx and redis listen, accelerated"
os_before=$(os_tcp)

for name in $(ls /tmp/www); do
    peer curl -sS --fail --max-time 100 -o /tmp/got "http://10.77.0.1/$name" || fail "curl $name"
    [ "$(sha256sum < /tmp/got)" = "$(cat "/tmp/www.sums/$name")" ] || fail "$name arrived damaged"
    step "curl $name: sha256 equal"
done
peer redis-benchmark -h 10.77.0.1 -c 8 -n 2000 -t set,get --csv > /tmp/bench || fail "redis-benchmark"
grep -E '^"(SET|GET)"' /tmp/bench | tr -d '"' | while IFS=, read -r what rate _; do
    step "redis-benchmark $what: $rate requests/s (emulated processor)"
done
peer redis-cli -h 10.77.0.1 set color blue > /dev/null
[ "$(peer redis-cli -h 10.77.0.1 get color)" = blue ] || fail "redis lost a value"

os_moved=$(($(os_tcp) - os_before))
fallbacks=$(count_fallbacks)
accepted=$(counter accepts_queued)
echo
row() { printf '   %-44s %12s\n' "$1" "$2"; }
row "kernel" "$(uname -r | cut -d- -f1)"
row "connections accelerated" "$accepted"
row "connections fallen back" "$fallbacks"
row "bytes through DTIs, in" "$(counter bytes_to_apps)"
row "bytes through DTIs, out" "$(counter bytes_from_apps)"
row "frames of the OS stack through eta0 (ARP...)" "$(($(counter raw_to_os) + $(counter raw_from_os)))"
row "TCP segments and opens of the OS stack" "$os_moved"
echo
[ "$fallbacks" = 0 ] || { eta-ctl why; fail "$fallbacks sockets fell back"; }
[ "$os_moved" = 0 ] || fail "the OS stack's TCP moved"
[ "$accepted" -ge 5 ] || fail "only $accepted connections were accelerated"

stop_all
fw_down
net_down
unload_module
[ -z "$(kernel_log_bad demo)" ] || { kernel_log_since demo; fail "the kernel log is not clean"; }
