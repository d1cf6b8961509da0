# SPDX-License-Identifier: MIT
# eta0 with a stand-in for the accelerator: traffic both ways, loss of the accelerator, its return,
# and nothing left at the end.
. /tests/lib.sh

need /tests/raw_bridge
ETA0=/sys/class/net/eta0
load_module
net_up --wire

/tests/raw_bridge /run/netns/wire eth0 &
bridge=$!
eta0_up
[ "$(cat $ETA0/address)" = 52:54:00:e7:a0:01 ] || fail "eta0 has not the port's MAC"
[ "$(cat $ETA0/mtu)" = 1500 ] || fail "eta0 has not the port's MTU"
[ "$(cat $ETA0/carrier)" = 1 ] || fail "no carrier"
wait_for 10 peer ping -c 1 -W 1 10.77.0.1 || fail "peer cannot ping eta0"
ping -c 3 -W 2 10.77.0.2 > /dev/null || fail "cannot ping through eta0"
ping -c 3 -W 2 -s 4000 10.77.0.2 > /dev/null || fail "cannot ping with fragments"

step "ping works"
# TCP of the OS stack through eta0, in both directions, with more than the ring holds.
mkdir -p /tmp/www
dd if=/dev/urandom of=/tmp/www/big bs=1M count=8 2> /dev/null
httpd -f -p 10.77.0.1:80 -h /tmp/www &
server=$!
want=$(sha256sum < /tmp/www/big)
wait_for 5 peer wget -q -O /tmp/got http://10.77.0.1/big || fail "download through eta0"
[ "$(sha256sum < /tmp/got)" = "$want" ] || fail "download through eta0 is damaged"
kill $server
step "download from eta0 works"
/usr/bin/ip netns exec peer httpd -f -p 10.77.0.2:80 -h /tmp/www &
server=$!
wait_for 5 wget -q -O /tmp/got http://10.77.0.2/big || fail "download from the peer"
[ "$(sha256sum < /tmp/got)" = "$want" ] || fail "download from the peer is damaged"
kill $server
step "download through eta0 works"
for file in rx_packets tx_packets rx_bytes tx_bytes; do
    [ "$(cat $ETA0/statistics/$file)" -gt 1000 ] || fail "$file is $(cat $ETA0/statistics/$file)"
done

# It stays in its namespace.
ip link set eta0 netns peer 2> /dev/null && fail "eta0 could be moved to another namespace"

step "the accelerator dies"
# The accelerator dies while a program holds the agent: no carrier, then it comes back.
exec 7<> /dev/eta
kill -9 $bridge
wait_for 5 sh -c "[ \$(cat $ETA0/carrier) = 0 ]" || fail "carrier without an accelerator"
ping -c 1 -W 1 10.77.0.2 > /dev/null && fail "ping without an accelerator"
/tests/raw_bridge /run/netns/wire eth0 &
bridge=$!
wait_for 5 sh -c "[ \$(cat $ETA0/carrier) = 1 ]" || fail "no carrier after the return"
wait_for 10 ping -c 1 -W 1 10.77.0.2 || fail "no ping after the return"
kill -9 $bridge
exec 7>&-
wait_for 5 sh -c "[ ! -e $ETA0 ]" || fail "eta0 is there without any descriptor"

step "nonsense in the rings"
# Nonsense in the rings.
/tests/raw_bridge /run/netns/wire eth0 --garbage &
bridge=$!
eta0_up
wait_for 10 sh -c "[ \$(cat $ETA0/statistics/rx_length_errors) -gt 100 ]" || fail "garbage is not counted"
wait_for 20 ping -c 1 -W 1 10.77.0.2 || fail "no ping after garbage"
kill -9 $bridge
wait_for 5 sh -c "[ ! -e $ETA0 ]" || fail "eta0 is still there"

step "end"
net_down
unload_module
