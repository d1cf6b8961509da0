# SPDX-License-Identifier: MIT
# The module comes and goes 20 times, refuses nonsense and stays while it is in use.
. /tests/lib.sh

need /eta/eta_ka.ko
for i in $(seq 20); do
    load_module
    [ "$(stat -c %a /dev/eta)" = 666 ] || fail "/dev/eta has mode $(stat -c %a /dev/eta)"
    [ -r /proc/sys/net/eta/max_connections ] || fail "no net.eta.max_connections"
    unload_module
done
insmod /eta/eta_ka.ko max_dti_per_region=3 2> /dev/null && fail "an odd max_dti_per_region was taken"
insmod /eta/eta_ka.ko max_connections=4000000000 2> /dev/null && fail "4e9 connections were taken"
load_module max_connections=1000 max_regions=5 max_dti_per_region=64
[ "$(cat /proc/sys/net/eta/max_connections)" = 1000 ] || fail "max_connections is not 1000"
exec 7<> /dev/eta
rmmod eta_ka 2> /dev/null && fail "rmmod while /dev/eta was open"
exec 7>&-
unload_module
