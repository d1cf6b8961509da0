#!/bin/bash
# SPDX-License-Identifier: MIT
# Boots a Debian kernel in QEMU (TCG, no privileges, no network of this machine) with the products
# of build/ and runs the tests of tests/vm, a script, or a shell in it. See usage below.
# Exit codes: 0 passed, 1 failed, 77 skipped (says what is missing), 2 wrong usage.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${ETA_BUILD:-$ROOT/build}
VM_DIR=${VM_DIR:-$BUILD/vm}
SERIES=6.1
TIMEOUT_S=600
MEMORY_MB=1536
CPUS=2
NO_BUILD=0
CONSOLE_LEVEL=4

usage() {
    cat <<END
usage: scripts/vm.sh [OPTIONS] test [NAME...]   run tests/vm/NN_name.sh (all, or those named)
       scripts/vm.sh [OPTIONS] demo             curl and redis through ETA, with a table
       scripts/vm.sh [OPTIONS] run SCRIPT       run a busybox sh script inside
       scripts/vm.sh [OPTIONS] shell            look around inside; leave with "exit"
       scripts/vm.sh [OPTIONS] prepare          fetch the kernel and build the module only
options: --kernel SERIES   kernel series to boot (6.1; 6.12 from bookworm-backports)  [$SERIES]
         --timeout S       the VM is ended after so many seconds                      [$TIMEOUT_S]
         --mem MB          memory of the VM                                           [$MEMORY_MB]
         --cpus N          processors of the VM                                       [$CPUS]
         --no-build        take build/ as it is
         --verbose         kernel messages on the console
END
}

die_usage() {
    echo "vm: $1" >&2
    usage >&2
    exit 2
}

skip() {
    echo "vm: skipped: $1"
    exit 77
}

need_tools() {
    local tool

    for tool in qemu-system-x86_64 busybox cpio modprobe depmod dpkg-deb; do
        command -v "$tool" > /dev/null || skip "$tool is missing (try: make setup)"
    done
}

build_guest_parts() {
    [ "$NO_BUILD" = 1 ] && return 0
    make --no-print-directory -C "$ROOT/kmod" module KERNEL="$SERIES" || return 1
    make --no-print-directory -C "$ROOT/tests/vm" || return 1
}

check_names() {
    local name

    for name in "$@"; do
        [ -e "$ROOT/tests/vm/$(basename "$name" .sh).sh" ] || die_usage "no test $name in tests/vm"
    done
}

# Fills $WORK/extra, which is appended to the initramfs: what this run is to do.
write_selection() {
    local name

    mkdir -p "$WORK/extra/tests"
    case "$1" in
    test)
        shift
        if [ $# -eq 0 ]; then
            (cd "$ROOT/tests/vm" && ls -- [0-9][0-9]_*.sh) > "$WORK/extra/tests/selected"
        else
            for name in "$@"; do
                echo "$(basename "$name" .sh).sh"
            done > "$WORK/extra/tests/selected"
        fi
        ;;
    run) cp "$2" "$WORK/extra/tests/script.sh" ;;
    esac
    (cd "$WORK/extra" && find . -print0 | cpio --quiet -0 -o -H newc -R 0:0) >> "$WORK/initrd"
}

# Two virtio NICs on one hub: eth0 belongs to the server, eth1 to the peer's namespace inside.
network_arguments() {
    local i

    for i in 0 1; do
        echo "-netdev hubport,id=h$i,hubid=0"
        echo "-device virtio-net-pci,netdev=h$i,mac=52:54:00:e7:a0:0$((i + 1)),romfile="
    done
}

boot() { # mode: runs QEMU in the foreground, console on stdout
    local append="console=ttyS0 panic=-1 oops=panic edd=off loglevel=$CONSOLE_LEVEL net.ifnames=0"

    append="$append slub_debug=FZPU mitigations=off eta.run=$1"
    # shellcheck disable=SC2046
    timeout --foreground -k 5 "$TIMEOUT_S" qemu-system-x86_64 \
        -accel tcg,thread=multi -cpu max -smp "$CPUS" -m "$MEMORY_MB" -display none -no-reboot \
        -nodefaults -kernel "$IMAGE/boot/vmlinuz-$RELEASE" -initrd "$WORK/initrd" \
        -append "$append" -serial mon:stdio -serial "file:$WORK/verdict" \
        -device virtio-rng-pci $(network_arguments)
}

report() { # QEMU's exit code: prints the verdict line, returns it as exit code
    local passed failed skipped verdict counts

    touch "$WORK/verdict"
    tr -d '\r' < "$WORK/verdict" > "$WORK/verdict.txt"
    passed=$(grep -c '^pass ' "$WORK/verdict.txt" || true)
    failed=$(grep -c '^FAIL ' "$WORK/verdict.txt" || true)
    skipped=$(grep -c '^skip ' "$WORK/verdict.txt" || true)
    verdict=$(sed -n 's/^verdict //p' "$WORK/verdict.txt")
    if [ -z "$verdict" ]; then
        if [ "$1" = 124 ] || [ "$1" = 137 ]; then
            echo "vm: FAILED: no verdict within $TIMEOUT_S s (kernel $RELEASE)"
        else
            echo "vm: FAILED: the VM ended without a verdict (kernel $RELEASE; panic?)"
        fi
        return 1
    fi
    grep '^FAIL ' "$WORK/verdict.txt" || true
    counts=": $passed passed, $failed failed, $skipped skipped"
    [ "$MODE" = test ] || counts=
    if [ "$verdict" = 77 ]; then
        echo "vm: skipped (kernel $RELEASE)"
        return 77
    elif [ "$verdict" != 0 ]; then
        echo "vm: FAILED (kernel $RELEASE)$counts"
        return 1
    fi
    echo "vm: PASSED (kernel $RELEASE)$counts"
}

main() {
    local mode code=0

    while [ $# -gt 0 ]; do
        case "$1" in
        --kernel) SERIES=${2:?} && shift 2 ;;
        --timeout) TIMEOUT_S=${2:?} && shift 2 ;;
        --mem) MEMORY_MB=${2:?} && shift 2 ;;
        --cpus) CPUS=${2:?} && shift 2 ;;
        --no-build) NO_BUILD=1 && shift ;;
        --verbose) CONSOLE_LEVEL=7 && shift ;;
        -h | --help) usage && exit 0 ;;
        -*) die_usage "unknown option $1" ;;
        *) break ;;
        esac
    done
    mode=${1:-}
    case "$mode" in
    test | shell | prepare) ;;
    demo) set -- run "$ROOT/tests/vm/demo.sh" && mode=run ;;
    run) [ -r "${2:-}" ] || die_usage "cannot read the script '${2:-}'" ;;
    *) die_usage "say what to do: test, run, shell or prepare" ;;
    esac
    [ "$mode" != test ] || check_names "${@:2}"
    need_tools
    # shellcheck source=scripts/vm_kernel.sh
    . "$ROOT/scripts/vm_kernel.sh"
    RELEASE=$(vm_kernel "$SERIES") || exit $?
    IMAGE=$VM_DIR/$RELEASE/root
    build_guest_parts || { echo "vm: FAILED: the module or the test programs do not build" && exit 1; }
    [ "$mode" != prepare ] || exit 0

    mkdir -p "$VM_DIR"
    WORK=$(mktemp -d "$VM_DIR/run.XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
    "$ROOT/scripts/vm_initrd.sh" "$RELEASE" "$IMAGE" "$WORK/initrd"
    write_selection "$@"
    [ "$mode" != run ] || mode=script
    MODE=$mode
    boot "$mode" || code=$?
    [ "$mode" != shell ] || exit "$code"
    report "$code"
}

main "$@"
