# SPDX-License-Identifier: MIT
# The whole stack comes and goes 20 times under traffic: module, accelerator, an accelerated redis
# with clients in the middle of their requests. Everything is killed, in varying order; the module
# must leave each time, and no memory may stay behind.
. /tests/lib.sh
. /tests/apps.sh

need /eta/eta_fw /eta/eta-run /usr/bin/redis-server /usr/bin/redis-benchmark
shmem_kb() { awk '/^Shmem:/ { print $2 }' /proc/meminfo; }

busy() { # clients are being served
    accepts=$(counter accepts_queued)
    [ "${accepts:-0}" -ge 4 ] && [ "$(counter bytes_to_apps)" -gt 2000 ]
}

round() { # number
    load_module
    fw_up
    start_under_eta redis redis-server --bind 10.77.0.1 --save '' --protected-mode no --dir /tmp
    redis=${servers# }
    servers=
    wait_eta_listener 6379 1
    /usr/bin/ip netns exec peer redis-benchmark -h 10.77.0.1 -c 4 -n 1000000 -t get > /dev/null 2>&1 &
    clients=$!
    wait_for 30 busy || { cat /tmp/redis.log /tmp/fw.log; fail "round $1: no traffic"; }
    case $(($1 % 4)) in
    0) kill -9 "$redis" && kill -9 "$fw" ;;
    1) kill -9 "$fw" && kill -9 "$redis" ;;
    2) kill "$redis" && kill "$fw" ;;
    3) kill -9 "$redis" "$fw" "$clients" ;;
    esac
    wait_for 20 rmmod eta_ka || { lsmod; ps; fail "round $1: the module does not leave"; }
    [ ! -e /sys/class/net/eta0 ] || fail "round $1: eta0 is left"
    kill -9 "$clients" 2> /dev/null
    wait
}

net_up
before=$(shmem_kb)
for i in $(seq "${ROUNDS:-20}"); do
    round "$i"
    [ $((i % 5)) != 0 ] || step "$i rounds"
done
after=$(shmem_kb)
[ "$after" -le $((before + 2048)) ] || fail "shared memory grew from $before to $after KB"
net_down
