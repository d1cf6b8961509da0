#!/bin/bash
# SPDX-License-Identifier: MIT
# `make install DESTDIR= PREFIX=`: programs, libraries, headers, manual pages, the module.
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
build=${BUILD:-build}

put() { # put MODE FOLDER FILE…
    local mode=$1 folder=$root$2 file
    shift 2
    mkdir -p "$folder"
    for file in "$@"; do
        install -m "$mode" "$file" "$folder/"
        echo "  $folder/$(basename "$file")"
    done
}

put 755 "$prefix/bin" "$build/eta-run" "$build/eta-ctl"
put 755 "$prefix/sbin" "$build/eta_fw" "$build/eta-agentd"
put 755 "$prefix/lib" "$build/libeta_al.so" "$build/libeta_preload.so"
put 644 "$prefix/include/eta" uapi/eta/*.h
shopt -s nullglob
headers=(userlib/include/eta/*.h)
[ ${#headers[@]} = 0 ] || put 644 "$prefix/include/eta" "${headers[@]}"
for page in Documentation/man/*.[1-9]; do
    put 644 "$prefix/share/man/man${page##*.}" "$page"
done
put 644 "$prefix/share/doc/eta" LICENSE README.md
for module in "$build"/eta_ka-*.ko; do
    release=$(basename "${module#"$build"/eta_ka-}" .ko)
    mkdir -p "$root/lib/modules/$release/extra"
    install -m 644 "$module" "$root/lib/modules/$release/extra/eta_ka.ko"
    echo "  $root/lib/modules/$release/extra/eta_ka.ko"
    if [ -z "$root" ] && [ -d "/lib/modules/$release" ]; then depmod "$release"; fi
done
if [ -z "$root" ]; then ldconfig; fi
