#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the test groups and adds up. Usage: check.sh [GROUP…] [KERNEL=VERSION].
# Each group prints "ok", "not ok" or "skip" lines; everything is kept in build/check/GROUP.log.
set -u
cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL # makes started below are on their own

declare -A title=(
    [lint]='style rules that a program can check'
    [abi]='layout of the binary interface'
    [unit]='unit tests with sanitizers'
    [scenario]='TCP scenarios under simulated time'
    [sim]='lossy network, seeded'
    [hostile]='hostile descriptors'
    [fuzz]='fuzzers, a short run'
    [ports]='real ports on real interfaces'
    [apps]='real applications and tools in network namespaces'
    [bench]='the benchmark programs themselves'
    [vm]='eta_ka.ko in a VM'
)
order=(lint abi unit scenario sim hostile fuzz ports bench apps vm)
logs=build/check
passed=0 failed=0 skipped=0
failures=()

count() { grep -cE "$1" "$2" || true; }

report_group() {
    local group=$1 rc=$2 log=$3 seconds=$4 ok bad skip
    ok=$(count '^ok ' "$log")
    bad=$(count '^not ok ' "$log")
    skip=$(count '^skip ' "$log")
    if [ "$rc" != 0 ] && [ "$rc" != 77 ] && [ "$bad" = 0 ]; then
        bad=1
        echo "not ok $group: exit code $rc without a failed test (see $log)"
    fi
    [ "$rc" = 77 ] && [ "$skip" = 0 ] && skip=1
    if [ $((ok + bad + skip)) = 0 ]; then
        bad=1
        echo "not ok $group: it ran no test"
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    [ "$bad" = 0 ] || failures+=("$group")
    echo "-- $group: $ok ok, $bad failed, $skip skipped, ${seconds}s"
    echo
}

# Exit code of the group itself, not of make, which turns every failure into 2.
run_group() {
    local group=$1 log=$logs/$1.log start=$SECONDS rc
    echo "== $group: ${title[$group]:-}"
    make -j"$(nproc)" --no-print-directory -C tests "check-$group" "${make_args[@]}" 2>&1 |
        tee "$log"
    rc=${PIPESTATUS[0]}
    if [ "$rc" != 0 ] && grep -qE '(Error|Fehler) 77$' "$log"; then rc=77; fi
    report_group "$group" "$rc" "$log" $((SECONDS - start))
}

main() {
    local arg groups=() have group
    make_args=()
    for arg in "$@"; do
        case "$arg" in
        *=*) make_args+=("$arg") ;;
        *) groups+=("$arg") ;;
        esac
    done
    have=" $(make --no-print-directory -s -C tests list) "
    mkdir -p "$logs"
    [ "${#groups[@]}" != 0 ] || groups=("${order[@]}")
    for group in "${groups[@]}"; do
        case "$have" in
        *" $group "*) run_group "$group" ;;
        *)
            if [ $# -gt 0 ]; then
                echo "check: no such group '$group'; there are:$have" >&2
                exit 2
            fi
            ;;
        esac
    done
    [ ${#failures[@]} = 0 ] || echo "failed in: ${failures[*]} (logs in $logs/)"
    echo "$SECONDS seconds"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}

main "$@"
