# SPDX-License-Identifier: MIT
# The real accelerator on virtio-net, nothing accelerated yet: all of the OS's traffic takes the
# default path through eta0 (E10). The accelerator is killed and comes back.
. /tests/lib.sh

need /eta/eta_fw
load_module
net_up
fw_up
step "eta_fw is up"
wait_for 10 peer ping -c 1 -W 1 10.77.0.1 || { cat /tmp/fw.log; fail "peer cannot ping eta0"; }
ping -c 2 -W 2 10.77.0.2 > /dev/null || fail "cannot ping through eta_fw"
mkdir -p /tmp/www
dd if=/dev/urandom of=/tmp/www/big bs=1M count=4 2> /dev/null
want=$(sha256sum < /tmp/www/big)
httpd -f -p 10.77.0.1:80 -h /tmp/www &
server=$!
wait_for 5 peer wget -q -O /tmp/got http://10.77.0.1/big || fail "download from eta0"
[ "$(sha256sum < /tmp/got)" = "$want" ] || fail "download from eta0 is damaged"
kill $server
step "download by the OS stack through eta_fw works"

eta_fw --port af_xdp:eth0 > /tmp/second.log 2>&1 && fail "a second eta_fw started"
exec 7<> /dev/eta
kill -9 "$fw"
wait "$fw" 2> /dev/null
wait_for 5 sh -c '[ $(cat /sys/class/net/eta0/carrier) = 0 ]' || fail "carrier without an accelerator"
eta_fw --port af_xdp:eth0 > /tmp/fw.log 2>&1 &
fw=$!
wait_for 10 sh -c '[ $(cat /sys/class/net/eta0/carrier) = 1 ]' || { cat /tmp/fw.log; fail "no carrier after restart"; }
wait_for 10 ping -c 1 -W 1 10.77.0.2 || { cat /tmp/fw.log; fail "no ping after restart"; }
exec 7>&-
fw_down
net_down
unload_module
