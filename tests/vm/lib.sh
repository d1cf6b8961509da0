# SPDX-License-Identifier: MIT
# Helpers of the tests inside the VM. Sourced, busybox sh.

# What must never stand in the kernel log while a test runs.
BAD_LOG='BUG|WARNING|Oops|Call Trace|[Ll]eak|refcount|lockdep|KASAN|UBSAN|general protection'
BAD_LOG="$BAD_LOG|unregister_netdevice: waiting|Bad page|corrupt|scheduling while atomic|blocked for more"
BAD_LOG="$BAD_LOG|Object already free|Redzone|Poison overwritten|Objects remaining|segfault|trap invalid"

kernel_log_mark() { echo "eta-test: begin $1" > /dev/kmsg; }

kernel_log_since() { dmesg | sed -n "/eta-test: begin $1/,\$p"; }

kernel_log_bad() { kernel_log_since "$1" | grep -E "$BAD_LOG"; }

# The shell prefers busybox's own applet, which knows no namespaces.
ip() { /usr/bin/ip "$@"; }

fail() {
    echo "FAILED: $*"
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

need() { # files that must be there
    local file

    for file in "$@"; do
        [ -e "$file" ] || skip "$file is not in the image"
    done
}

# Waits for a condition, at most $1 seconds. The rest is a command.
wait_for() {
    local left=$(($1 * 20))

    shift
    until "$@" > /dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        usleep 50000
    done
}

load_module() {
    need /eta/eta_ka.ko
    insmod /eta/eta_ka.ko "$@" || fail "insmod eta_ka.ko $*"
    wait_for 5 test -c /dev/eta || fail "no /dev/eta after insmod"
}

unload_module() {
    rmmod eta_ka || fail "rmmod eta_ka"
    [ ! -e /dev/eta ] || fail "/dev/eta is still there after rmmod"
}

# Two namespaces: `wire` holds the port's interface eth0, `peer` the other end, 10.77.0.2.
# Without --wire eth0 stays where the accelerator runs.
net_up() {
    ip netns add peer || fail "ip netns add"
    ip link set eth1 netns peer
    ip -n peer addr add 10.77.0.2/24 dev eth1
    ip -n peer link set lo up
    ip -n peer link set eth1 up
    if [ "$1" = --wire ]; then
        ip netns add wire
        ip link set eth0 netns wire
        ip netns exec wire ethtool -K eth0 gro off > /dev/null 2>&1 # no frame over the MTU
        ip -n wire link set eth0 up
    else
        ip link set eth0 up
    fi
}

# Sockets on their way out keep a deleted namespace alive: its interface is fetched first.
net_down() {
    [ ! -e /run/netns/peer ] || ip -n peer link set eth1 netns 1
    [ ! -e /run/netns/wire ] || ip -n wire link set eth0 netns 1
    for name in peer wire; do
        [ ! -e "/run/netns/$name" ] || ip netns del "$name"
    done
    ip link set eth1 down || fail "eth1 did not come back"
    ip link set eth0 down arp on || fail "eth0 did not come back"
}

eta0_up() { # after the accelerator made it
    wait_for 10 test -e /sys/class/net/eta0 || fail "no eta0"
    ip addr add 10.77.0.1/24 dev eta0 || fail "no address on eta0"
    ip link set eta0 up || fail "eta0 does not come up"
}

peer() { /usr/bin/ip netns exec peer "$@"; }

step() { echo "  [$(cut -d' ' -f1 /proc/uptime)] $*"; }

# After a failed test: nothing of it may disturb the next one. $1: pid to spare.
clean_slate() {
    local pid

    for pid in $(ls /proc | grep -E '^[0-9]+$'); do
        [ "$pid" -gt 1 ] && [ "$pid" != "$1" ] && [ -e "/proc/$pid/exe" ] || continue
        kill -9 "$pid" 2> /dev/null
    done
    net_down
    wait_for 5 rmmod eta_ka
    ip addr flush dev eth0 2> /dev/null
    ip link set eth0 xdp off 2> /dev/null
}

# The accelerator on eth0; the OS itself must not speak there. Options are passed on.
fw_up() {
    ip link set eth0 arp off
    sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=1
    ip netns exec peer ethtool -K eth1 tx off tso off gso off > /dev/null 2>&1
    eta_fw --port af_xdp:eth0 "$@" > /tmp/fw.log 2>&1 &
    fw=$!
    wait_for 20 test -e /sys/class/net/eta0 || { cat /tmp/fw.log; fail "eta_fw made no eta0"; }
    eta0_up
}

fw_down() {
    kill "$fw"
    wait "$fw" || { cat /tmp/fw.log; fail "eta_fw ended with $?"; }
    wait_for 5 sh -c '[ ! -e /sys/class/net/eta0 ]' || fail "eta0 outlives eta_fw"
}
