#!/bin/bash
# SPDX-License-Identifier: MIT
# Kernel of the test VM. For a series with installed headers (6.1) the matching cloud image comes
# from the machine's own apt sources; for another (6.12) image and headers come from the backports
# of the same mirror. Everything is unpacked under build/vm/; nothing is installed.
# Prints the kernel release on stdout. Sourced by vm.sh; usable alone: vm_kernel.sh 6.12
set -euo pipefail

VM_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VM_DIR=${VM_DIR:-${ETA_BUILD:-$VM_ROOT/build}/vm}
VM_APT=$VM_DIR/apt
vm_apt_options=(-o APT::Sandbox::User=root)

vm_match() { # series: newest of the releases on stdin that belong to it
    grep -E "^${1//./\\.}[.-].*cloud-amd64$" | sort -V | tail -n 1 || true
}

vm_headers_release() { # series: newest release whose headers are installed
    local dir

    for dir in /usr/src/linux-headers-"$1"*-cloud-amd64; do
        [ ! -e "$dir/Module.symvers" ] || echo "${dir#/usr/src/linux-headers-}"
    done | vm_match "$1"
}

vm_unpacked_release() { # series: newest release unpacked with its headers by an earlier run
    local dir

    for dir in "$VM_DIR/$1"*-cloud-amd64/headers; do
        [ ! -d "$dir" ] || basename "$(dirname "$dir")"
    done | vm_match "$1"
}

vm_mirror() { # where this machine gets its Debian from, and which Debian
    local codename

    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    cat /etc/apt/sources.list.d/*.sources 2> /dev/null | awk -v c="$codename" '
        /^URIs:/ { uri = $2 } /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == c) print uri, c }'
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2> /dev/null | sed 's/\[[^]]*\]//' |
        awk -v c="$codename" '$1 == "deb" && $3 == c { print $2, c }'
}

# apt with lists of its own that know the backports; the machine's own stay as they are.
vm_use_backports() {
    local mirror codename

    read -r mirror codename < <(vm_mirror) || return 1
    mkdir -p "$VM_APT/lists/partial" "$VM_APT/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror" \
        "$codename-backports main" > "$VM_APT/sources.list"
    vm_apt_options+=(-o "Dir::Etc::sourcelist=$VM_APT/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$VM_APT/lists" -o "Dir::Cache=$VM_APT/cache")
    apt-get "${vm_apt_options[@]}" -qq update >&2
}

vm_fetch() { # folder package...: download the packages and unpack them into the folder
    local to=$1 deb name

    shift
    rm -rf "$to.new" "$to.deb"
    mkdir -p "$to.new" "$to.deb"
    for name in "$@"; do
        (cd "$to.deb" && apt-get "${vm_apt_options[@]}" download -qq "$name" >&2) || return 1
    done
    for deb in "$to.deb"/*.deb; do
        dpkg-deb -x "$deb" "$to.new" || return 1
    done
    rm -rf "$to" "$to.deb"
    mv "$to.new" "$to"
}

vm_fetch_image() { # release
    vm_fetch "$VM_DIR/$1/root" "linux-image-$1" || vm_fetch "$VM_DIR/$1/root" "linux-image-$1-unsigned" ||
        return 1
    [ -d "$VM_DIR/$1/root/lib/modules" ] || ln -s usr/lib "$VM_DIR/$1/root/lib"
    depmod -b "$VM_DIR/$1/root" "$1"
}

# Headers and their two helpers; the absolute paths in them are turned to where they lie now.
vm_fetch_headers() { # release
    local to=$VM_DIR/$1/headers depends

    depends=$(apt-cache "${vm_apt_options[@]}" show "linux-headers-$1" | grep -m 1 '^Depends:' |
        grep -oE 'linux-(headers-[^ ]*-common|kbuild-[^ ,]*)' | sort -u)
    # shellcheck disable=SC2086
    vm_fetch "$to" "linux-headers-$1" $depends || return 1
    find "$to/usr/src" -maxdepth 2 -name Makefile -type f \
        -exec sed -i "s|/usr/src/linux-headers|$to/usr/src/linux-headers|" {} +
}

vm_fetch_series() { # series without installed headers: image and headers; prints the release
    local release

    vm_use_backports || return 1
    release=$(apt-cache "${vm_apt_options[@]}" pkgnames "linux-image-$1" | sed 's/^linux-image-//' |
        vm_match "$1")
    [ -n "$release" ] || return 1
    vm_fetch_image "$release" && vm_fetch_headers "$release" && echo "$release"
}

vm_kernel() { # series -> release on stdout; 77 if it cannot be had here
    local release

    release=$(vm_headers_release "$1")
    [ -n "$release" ] || release=$(vm_unpacked_release "$1")
    if [ -z "$release" ]; then
        echo "vm: no linux-headers-$1*-cloud-amd64 installed, asking the backports" >&2
        if ! release=$(vm_fetch_series "$1"); then
            echo "vm: skipped: no kernel $1 here and none from the backports" >&2
            return 77
        fi
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
