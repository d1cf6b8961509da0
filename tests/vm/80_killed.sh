# SPDX-License-Identifier: MIT
# Deaths: a program in mid-transfer, the accelerator under a connection that goes on afterwards,
# and the accelerator for good while a program waits. Nobody hangs, nothing stays behind.
. /tests/lib.sh
. /tests/apps.sh

need /eta/eta_fw /eta/eta-run /usr/bin/redis-server /usr/bin/nginx /usr/bin/curl
quota() { cat "/proc/sys/net/eta/$1"; }
all_back() { [ "$(quota regions)$(quota regions_dying)$(quota dtis)" = 000 ]; }

load_module
net_up
fw_up
make_files /tmp/www 20480:20MB
nginx_conf 1
start_under_eta nginx nginx -c /tmp/nginx.conf -e stderr
wait_eta_listener 80 1
step "a program dies by kill -9 in mid-transfer"
/usr/bin/ip netns exec peer curl -sS --limit-rate 500k --max-time 60 -o /tmp/got http://10.77.0.1/20MB &
client=$!
wait_for 20 test -s /tmp/got || fail "the transfer does not start"
kill -9 $(pidof nginx)
wait "$client" && fail "curl believes that all is well"
wait "$client"
[ $? != 28 ] || fail "the client was left hanging"
servers=
wait_for 20 all_back || { eta-ctl ss --all; fail "left: $(quota regions) $(quota regions_dying) $(quota dtis)"; }

step "the accelerator dies and comes back under a connection"
start_under_eta redis redis-server --bind 10.77.0.1 --save '' --protected-mode no --dir /tmp
wait_eta_listener 6379 1
mkfifo /tmp/in
/usr/bin/ip netns exec peer redis-cli -h 10.77.0.1 < /tmp/in > /tmp/out 2>&1 &
client=$!
exec 8> /tmp/in
echo "set color blue" >&8
wait_for 10 grep -q OK /tmp/out || fail "no answer before"
kill -9 "$fw"
wait "$fw"
eta_fw --port af_xdp:eth0 > /tmp/fw.log 2>&1 8>&- &
fw=$!
wait_for 10 sh -c '[ $(cat /sys/class/net/eta0/carrier) = 1 ]' || fail "no carrier after restart"
echo "get color" >&8
wait_for 20 grep -q blue /tmp/out || { cat /tmp/out /tmp/fw.log; eta-ctl ss --all; fail "no answer after"; }
exec 8>&-
wait "$client"
[ "$(counter recovered)" -ge 1 ] || fail "it was not the same connection"
stop_all
wait_for 20 all_back || fail "left after redis: $(quota regions) $(quota regions_dying) $(quota dtis)"

step "the accelerator dies for good while a program waits"
/usr/bin/ip netns exec peer nc -l -p 81 -e sleep 1000 &
silent=$!
wait_for 5 sh -c "/usr/bin/ip netns exec peer netstat -ltn | grep -q ':81 '" || fail "no silent server"
eta-run curl -sS --max-time 60 http://10.77.0.2:81/ > /tmp/curl.log 2>&1 &
client=$!
wait_for 10 sh -c "eta-ctl ss | grep -q ESTAB" || { eta-ctl ss --all; fail "curl is not accelerated"; }
start=$(cut -d. -f1 /proc/uptime)
kill -9 "$fw"
wait "$client" && fail "curl believes that all is well"
took=$(($(cut -d. -f1 /proc/uptime) - start))
[ "$took" -lt 30 ] || fail "curl waited $took s for a dead accelerator"
kill "$silent" 2> /dev/null
wait_for 10 sh -c '[ ! -e /sys/class/net/eta0 ]' || fail "eta0 is left"
net_down
unload_module
