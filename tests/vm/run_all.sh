# SPDX-License-Identifier: MIT
# Runs the tests named in /tests/selected one after the other inside the VM, reads the kernel log
# after each, and writes one line per test and a final verdict to the second serial port.
# Exit codes of a test: 0 passed, 77 skipped (it printed what is missing), others failed.

. /tests/lib.sh

run_one() { # test -> sets code
    local log

    kernel_log_mark "$1"
    timeout -s KILL "${ETA_TEST_LIMIT_S:-240}" sh "/tests/$1"
    code=$?
    log=$(kernel_log_bad "$1")
    if [ -n "$log" ]; then
        echo "kernel log after $1:"
        kernel_log_since "$1"
        echo "kernel log not clean: $(echo "$log" | head -n 1)"
        code=1
    fi
}

failed=0
for test in $(cat /tests/selected); do
    echo "==== $test"
    start=$(cut -d. -f1 /proc/uptime)
    run_one "$test"
    took=$(($(cut -d. -f1 /proc/uptime) - start))
    case $code in
    0) word=pass ;;
    77) word=skip ;;
    *) word=FAIL failed=1 ;;
    esac
    [ "$code" = 0 ] || clean_slate $$
    echo "==== $test: $word ($took s)"
    echo "$word $test $took" > /dev/ttyS1
done
echo "verdict $failed" > /dev/ttyS1
