# SPDX-License-Identifier: MIT
# Addresses, routes and neighbours of the OS appear in the agent's pool as they change (E13).
. /tests/lib.sh

need /tests/raw_bridge /tests/pool_dump
load_module
net_up --wire

has() { /tests/pool_dump | grep -qx "$1"; }
has_not() { ! has "$1"; }
soon() { wait_for 5 has "$1" || { /tests/pool_dump; fail "the mirror lacks: $1"; }; }
gone() { wait_for 5 has_not "$1" || { /tests/pool_dump; fail "the mirror still has: $1"; }; }

/tests/raw_bridge /run/netns/wire eth0 --want 10.77.0.2 &
bridge=$!
eta0_up
soon "addr 127.0.0.1/8 lo"
soon "addr 10.77.0.1/24"
soon "route 10.77.0.0/24 via 0.0.0.0 src 10.77.0.1 mtu 0 port"
# Asked for by the accelerator, resolved by the OS's own ARP through eta0.
soon "neigh 10.77.0.2 52:54:00:e7:a0:02"

ip route add default via 10.77.0.2
soon "route 0.0.0.0/0 via 10.77.0.2 src 0.0.0.0 mtu 0 port"
ip route add 192.0.2.0/24 via 10.77.0.2 mtu 1200 src 10.77.0.1
soon "route 192.0.2.0/24 via 10.77.0.2 src 10.77.0.1 mtu 1200 port"
ip link add veth0 type veth peer name veth1
ip addr add 198.51.100.1/24 dev veth0
ip link set veth0 up
soon "addr 198.51.100.1/24"
soon "route 198.51.100.0/24 via 0.0.0.0 src 198.51.100.1 mtu 0 elsewhere"
ip route add blackhole 203.0.113.0/24
soon "route 203.0.113.0/24 via 0.0.0.0 src 0.0.0.0 mtu 0 elsewhere"
ip route change 192.0.2.0/24 via 10.77.0.3
soon "route 192.0.2.0/24 via 10.77.0.3 src 0.0.0.0 mtu 0 port"
ip route del 192.0.2.0/24
gone "route 192.0.2.0/24 via 10.77.0.3 src 0.0.0.0 mtu 0 port"
ip link del veth0
gone "addr 198.51.100.1/24"
gone "route 198.51.100.0/24 via 0.0.0.0 src 198.51.100.1 mtu 0 elsewhere"
ip neigh change 10.77.0.2 lladdr 02:00:00:00:00:07 dev eta0
soon "neigh 10.77.0.2 02:00:00:00:00:07"
ip neigh del 10.77.0.2 dev eta0
gone "neigh 10.77.0.2 02:00:00:00:00:07"
ip route del blackhole 203.0.113.0/24

# Many changes at once, then the last state counts.
i=0
while [ $i -lt 100 ]; do
    ip route add 192.0.2.$i/32 via 10.77.0.2
    i=$((i + 1))
done
soon "route 192.0.2.99/32 via 10.77.0.2 src 0.0.0.0 mtu 0 port"
[ "$(/tests/pool_dump | grep -c '^route 192.0.2')" = 100 ] || fail "not 100 routes"
ip addr flush dev eta0
gone "addr 10.77.0.1/24"
kill -9 $bridge
wait_for 5 has_not "route 192.0.2.99/32 via 10.77.0.2 src 0.0.0.0 mtu 0 port" || fail "routes outlive eta0"
net_down
unload_module
