# SPDX-License-Identifier: MIT
# The VM itself: two virtio interfaces that reach each other through a namespace.
. /tests/lib.sh

[ -e /sys/class/net/eth0 ] && [ -e /sys/class/net/eth1 ] || fail "no eth0 and eth1"
net_up
ip addr add 10.77.0.1/24 dev eth0
wait_for 10 ip netns exec peer ping -c 1 -W 1 10.77.0.1 || fail "no ping between the two interfaces"
ip addr flush dev eth0
net_down
