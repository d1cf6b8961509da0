#!/bin/bash
# SPDX-License-Identifier: MIT
# Kernel of the test VM: finds the newest installed headers of a series (6.1, 6.12), fetches the
# matching Debian cloud image with the machine's own apt sources and unpacks it under build/vm/.
# Nothing is installed. Prints the kernel release on stdout. Sourced by vm.sh; usable alone.
set -euo pipefail

VM_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VM_DIR=${VM_DIR:-$VM_ROOT/build/vm}

vm_headers_release() { # series -> newest installed header release
    local dir

    for dir in /usr/src/linux-headers-"$1"*-cloud-amd64; do
        [ -e "$dir/Module.symvers" ] && echo "${dir#/usr/src/linux-headers-}"
    done | grep -E "^${1//./\\.}[.-]" | sort -V | tail -n 1
}

vm_fetch_image() { # release: download linux-image into $VM_DIR/release and unpack it
    local dir=$VM_DIR/$1 name deb

    mkdir -p "$dir"
    for name in "linux-image-$1" "linux-image-$1-unsigned"; do
        (cd "$dir" && apt-get download -qq -o APT::Sandbox::User=root "$name" >&2) && break
    done
    deb=$(find "$dir" -maxdepth 1 -name 'linux-image-*.deb' | head -n 1)
    [ -n "$deb" ] || return 1
    rm -rf "$dir/root.new"
    dpkg-deb -x "$deb" "$dir/root.new" || return 1
    depmod -b "$dir/root.new" "$1"
    rm -rf "$dir/root" "$deb"
    mv "$dir/root.new" "$dir/root"
}

vm_kernel() { # series -> release on stdout; 77 if it cannot be had here
    local release

    release=$(vm_headers_release "$1")
    if [ -z "$release" ]; then
        echo "vm: skipped: no linux-headers-$1*-cloud-amd64 in /usr/src (try: make setup)" >&2
        return 77
    fi
    if [ ! -e "$VM_DIR/$release/root/boot/vmlinuz-$release" ]; then
        echo "vm: fetching linux-image-$release" >&2
        if ! vm_fetch_image "$release"; then
            echo "vm: skipped: cannot fetch linux-image-$release from the apt sources" >&2
            return 77
        fi
    fi
    echo "$release"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    vm_kernel "${1:-6.1}"
fi
