# SPDX-License-Identifier: MIT
# The VM itself: two virtio interfaces that reach each other through a namespace.
. /tests/lib.sh

[ -e /sys/class/net/eth0 ] && [ -e /sys/class/net/eth1 ] || fail "no eth0 and eth1"
ip netns add peer || fail "ip netns add"
ip link set eth1 netns peer
ip -n peer addr add 10.77.0.2/24 dev eth1
ip -n peer link set eth1 up
ip addr add 10.77.0.1/24 dev eth0
ip link set eth0 up
wait_for 10 ip netns exec peer ping -c 1 -W 1 10.77.0.1 || fail "no ping between the two interfaces"
ip netns del peer
ip addr flush dev eth0
wait_for 10 test -e /sys/class/net/eth1 || fail "eth1 did not come back"
