#!/bin/bash
# SPDX-License-Identifier: MIT
# `make run`: nginx and redis through ETA and through the OS stack, in network namespaces of this
# machine, then once more with the kernel module in a VM. Leaves nothing behind, whatever happens.
# Usage: run.sh [--quick] [--here | --vm] [--port af_xdp|tap]
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL # makes started below are on their own

here=1 vm=1
options=()
while [ $# -gt 0 ]; do
    case "$1" in
    --here) vm=0 ;;
    --vm) here=0 ;;
    --quick) options+=(--quick) ;;
    --port) options+=(--port "${2:-}") && shift ;;
    *)
        sed -n '5s/^# //p' "$0" >&2
        exit 2
        ;;
    esac
    shift
done
if [ "$(id -u)" != 0 ]; then
    echo 'run: needs root (network namespaces, AF_XDP); try: sudo make run' >&2
    exit 1
fi

rc=0
if [ "$here" = 1 ]; then
    echo '== On this machine: eta-agentd, eta_fw, two network namespaces'
    python3 -B scripts/demo.py "${options[@]}" || rc=1
fi
if [ "$vm" = 1 ] && [ "$rc" = 0 ]; then
    echo
    echo "== In a VM: Debian's 6.1 kernel with eta_ka.ko, over virtio-net"
    # Without the firmware's screen control.
    scripts/vm.sh demo 2>&1 | tr -d '\r' | sed -u 's/\x1b[^a-zA-Z]*[a-zA-Z]//g' || rc=1
fi
echo
[ "$rc" = 0 ] && echo 'run: all as it should be' || echo 'run: FAILED'
exit "$rc"
