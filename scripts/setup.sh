#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs the Debian packages that building, testing and `make run` need. Sources are those the
# machine is configured with. --if-missing: silent and quick when nothing is missing.
# Never starts a service: the daemons among the packages are run by the tests themselves.
set -euo pipefail

build_packages=(g++ gcc make clang libclang-rt-14-dev llvm pkg-config libc6-dev linux-libc-dev
    libbpf-dev libxdp-dev liburing-dev libnl-3-dev libnl-route-3-dev libcli11-dev
    nlohmann-json3-dev libfmt-dev catch2 linux-headers-cloud-amd64)
lab_packages=(nginx-light redis-server redis-tools wrk iperf3 memcached curl python3 ethtool
    iproute2 procps util-linux kmod bpftool)
vm_packages=(qemu-system-x86 busybox-static cpio xz-utils)
packages=("${build_packages[@]}" "${lab_packages[@]}" "${vm_packages[@]}")

missing_packages() {
    local have
    have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null |
        awk '$2 == "installed" { print $1 }' || true)
    printf '%s\n' "${packages[@]}" | grep -vxF -f <(printf '%s\n' "$have" x) || true
}

policy=/usr/sbin/policy-rc.d
policy_is_ours=0

remove_policy() {
    [ "$policy_is_ours" = 0 ] || rm -f "$policy"
}

# Debian's way to say "do not start services now".
forbid_services() {
    [ -e "$policy" ] && return
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    policy_is_ours=1
}

main() {
    local quiet=0 missing
    case "${1:-}" in
    '') ;;
    --if-missing) quiet=1 ;;
    --list)
        printf '%s\n' "${packages[@]}"
        exit 0
        ;;
    *)
        echo "usage: $0 [--if-missing | --list]" >&2
        exit 2
        ;;
    esac
    if ! command -v dpkg-query >/dev/null; then
        [ "$quiet" = 1 ] && exit 0 # not Debian: the compiler will say what is missing
        echo "setup: this is no Debian system; install by hand: ${packages[*]}" >&2
        exit 1
    fi
    missing=$(missing_packages)
    if [ -z "$missing" ]; then
        [ "$quiet" = 1 ] || echo "setup: all ${#packages[@]} packages are installed"
        exit 0
    fi
    echo "setup: missing packages:" $missing
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null && exec sudo "$0"
        echo "setup: not root; run: apt-get install" $missing >&2
        exit 1
    fi
    forbid_services
    trap remove_policy EXIT
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # shellcheck disable=SC2086
    apt-get install -y -q --no-install-recommends $missing
}

main "$@"
