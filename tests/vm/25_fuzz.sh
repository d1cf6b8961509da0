# SPDX-License-Identifier: MIT
# Random commands and deaths, several processes, with and without a stand-in for the accelerator.
. /tests/lib.sh

need /tests/ioctl_fuzz
load_module max_regions=20 max_connections=20000 max_dti_per_region=4096
/tests/ioctl_fuzz 1 8 || fail "ioctl_fuzz, seed 1"
[ ! -e /sys/class/net/eta0 ] || fail "eta0 is left"
/tests/ioctl_fuzz 2 8 || fail "ioctl_fuzz, seed 2"
unload_module
