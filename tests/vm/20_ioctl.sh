# SPDX-License-Identifier: MIT
# Every error that the command interface promises; programs killed in the middle.
. /tests/lib.sh

need /tests/ioctl_test
load_module
/tests/ioctl_test || fail "ioctl_test"
unload_module
