# SPDX-License-Identifier: MIT
# Real programs inside the VM: starting them under eta-run, counters of both stacks. Sourced.

servers=

make_files() { # folder, then KB:NAME...
    local pair name

    rm -rf "$1" "$1.sums" /tmp/got
    mkdir -p "$1" "$1.sums"
    chmod 755 "$1"
    www=$1
    shift
    for pair in "$@"; do
        name=${pair#*:}
        dd if=/dev/urandom of="$www/$name" bs=1k count="${pair%%:*}" 2> /dev/null
        sha256sum < "$www/$name" > "$www.sums/$name"
    done
}

nginx_conf() { # workers
    cat > /tmp/nginx.conf << END
daemon off; user nobody nogroup; worker_processes $1; pid /tmp/nginx.pid; error_log stderr warn;
events { worker_connections 512; }
http { access_log off; sendfile on; client_body_temp_path /tmp/cb; proxy_temp_path /tmp/p;
fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
server { listen 10.77.0.1:80; root /tmp/www; } }
END
}

start_under_eta() { # log name, command...
    local log=$1

    shift
    eta-run "$@" > "/tmp/$log.log" 2>&1 &
    servers="$servers $!"
}

# Until the accelerator knows that many listeners of the port.
wait_eta_listener() {
    wait_for 40 sh -c "[ \$(eta-ctl ss --listening | grep -c ':$1 ') -ge $2 ]" && return 0
    eta-ctl ss --listening
    tail -n 20 /tmp/*.log
    ps
    fail "no accelerated listener on port $1"
}

counter() { # of the accelerator
    eta-ctl stats | awk -v n="$1" '$2 == n { print $1 }'
}

count_fallbacks() {
    eta-ctl why --json | tr -d ' \n' | grep -o '"fallbacks":[0-9]*' | cut -d: -f2 |
        awk '{ n += $1 } END { print n + 0 }'
}

# Opens and segments of the OS stack's TCP in this namespace, as one number.
os_tcp() {
    awk '/^Tcp: [0-9]/ { print $6 + $7 + $11 + $12 }' /proc/net/snmp
}

stop_all() {
    local pid

    for pid in $servers; do
        kill "$pid" 2> /dev/null
    done
    for pid in $servers; do
        wait "$pid"
    done
    servers=
}
