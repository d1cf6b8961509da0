#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the initramfs of the test VM: busybox, the programs with the shared libraries they need,
# the kernel modules in load order, eta_ka.ko, and tests/vm. Run by vm.sh; writes one cpio file.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
RELEASE=$1 # kernel release
IMAGE=$2   # unpacked linux-image
OUT=$3     # cpio file to write
BUILD=${ETA_BUILD:-$ROOT/build}
STAGE=$OUT.d

MODULES="virtio_pci virtio_net veth tun sch_netem"
PROGRAMS="nginx redis-server redis-cli redis-benchmark curl ip ethtool wrk tcpdump"
ETA_FILES="eta_fw eta-run eta-ctl libeta_al.so libeta_preload.so eta-agentd bench/bench_idle"

add() { # file [path in the image]
    local to=$STAGE${2:-$1}

    [ -e "$to" ] && return 0
    mkdir -p "$(dirname "$to")"
    cp -L "$1" "$to"
}

add_libraries() { # program or library: the closure as ldd sees it
    local lib

    for lib in $(ldd "$1" 2>/dev/null | grep -oE '/[^ ]+' | sort -u); do
        add "$lib"
    done
}

add_programs() {
    local name path

    for name in $PROGRAMS; do
        path=$(command -v "$name" || true)
        if [ -z "$path" ]; then
            echo "vm: note: $name is not installed here, the VM goes without it" >&2
            continue
        fi
        add "$(readlink -f "$path")" "/usr/bin/$name"
        add_libraries "$path"
    done
    for path in /lib/x86_64-linux-gnu/libnss_files.so.2 /lib/x86_64-linux-gnu/libgcc_s.so.1; do
        if [ -e "$path" ]; then add "$path"; fi
    done
    if [ -e /etc/nginx/mime.types ]; then add /etc/nginx/mime.types; fi
}

add_eta() {
    local name

    for name in $ETA_FILES; do
        [ -e "$BUILD/$name" ] || continue
        add "$BUILD/$name" "/eta/$name"
        add_libraries "$BUILD/$name"
    done
    # Objects that the accelerator loads at run time, if it keeps any next to itself.
    for name in "$BUILD"/*.bpf.o; do
        if [ -e "$name" ]; then add "$name" "/eta/$(basename "$name")"; fi
    done
    if [ -e "$BUILD/eta_ka-$RELEASE.ko" ]; then
        add "$BUILD/eta_ka-$RELEASE.ko" /eta/eta_ka.ko
    fi
}

add_modules() { # in load order, into /modules/list
    local name line seen=" "

    mkdir -p "$STAGE/modules"
    : > "$STAGE/modules/list"
    for name in $MODULES; do
        # modprobe prints "insmod PATH" in load order, or "builtin NAME".
        while read -r _ line; do
            case "$seen" in *" $line "*) continue ;; esac
            seen="$seen$line "
            add_module "$line"
        done < <(modprobe -d "$IMAGE" -S "$RELEASE" --show-depends "$name" | grep '^insmod')
    done
}

add_module() { # path of a .ko, .ko.xz
    local base=${1##*/}

    case "$base" in
    *.xz) xz -dc "$1" > "$STAGE/modules/${base%.xz}" ;;
    *) cp "$1" "$STAGE/modules/$base" ;;
    esac
    echo "${base%.xz}" >> "$STAGE/modules/list"
}

add_tests() {
    mkdir -p "$STAGE/tests"
    cp -r "$ROOT"/tests/vm/. "$STAGE/tests/"
    if [ -d "$BUILD/vm/bin" ]; then cp -r "$BUILD/vm/bin/." "$STAGE/tests/"; fi
    cp "$ROOT/tests/vm/init" "$STAGE/init"
    chmod +x "$STAGE/init"
}

rm -rf "$STAGE"
mkdir -p "$STAGE"/{bin,dev,proc,sys,tmp,run,etc,root,var/log,var/run,var/lib,lib,lib64,usr/bin,eta}
add "$(command -v busybox)" /bin/busybox
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' > "$STAGE/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$STAGE/etc/group"
printf '127.0.0.1 localhost\n' > "$STAGE/etc/hosts"
add_programs
add_eta
add_modules
add_tests
(cd "$STAGE" && find . -print0 | cpio --quiet -0 -o -H newc -R 0:0) > "$OUT.new"
mv "$OUT.new" "$OUT"
rm -rf "$STAGE"
