# SPDX-License-Identifier: MIT
# Every error that the command interface promises; programs killed in the middle; mappings that
# outlive the module.
. /tests/lib.sh

need /tests/ioctl_test
load_module
/tests/ioctl_test || fail "ioctl_test"

mkfifo /tmp/go
/tests/ioctl_test hold < /tmp/go > /tmp/held &
holder=$!
exec 8> /tmp/go
wait_for 5 grep -q held /tmp/held || fail "nobody holds a mapping"
unload_module
echo > /tmp/go
exec 8>&-
wait "$holder" || fail "a mapping did not outlive the module"
rm /tmp/go
