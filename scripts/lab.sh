#!/bin/bash
# SPDX-License-Identifier: MIT
# A laboratory of two network namespaces joined by one wire: a server side that ETA serves and a
# plain client side. For people and for tests; several stand side by side under other names.
# Kills only processes that live in the lab's own namespaces, by process id.
set -euo pipefail

usage() {
    cat <<'END'
usage: lab.sh [--name NAME] COMMAND
  up [--port af_xdp|tap|os] [--idle spin|sleep] [--cpu N] [--offloads on|off]
                 build the lab and start eta-agentd and eta_fw in it
                 (os: no ETA, the server's OS stack is on the wire; offloads: for os only)
  server CMD…    run CMD in the server namespace under eta-run
  os CMD…        run CMD in the server namespace on the OS stack
  client CMD…    run CMD in the client namespace (always the OS stack)
  fw start|stop|kill   start, stop or kill -9 the accelerator alone
  env            print the lab's variables as shell assignments
  list           names of the labs that are up
  down           remove everything
Server: 10.77.0.1 and fd77::1. Client: 10.77.0.2 and fd77::2. NAME is "eta" unless given.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${ETA_BUILD:-$top/build}
labs=${ETA_LAB_DIR:-/run/eta-lab}
name=${ETA_LAB_NAME:-eta}

die() {
    echo "lab.sh: $1" >&2
    exit "${2:-1}"
}

names() {
    [[ $name =~ ^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$ ]] || die "'$name' is no name for a lab" 2
    state=$labs/$name
    server_ns=$name-server
    client_ns=$name-client
    export ETA_AGENT=$state/agent.sock
}

need_root() {
    [ "$(id -u)" = 0 ] || die "needs root (network namespaces); try: sudo $0"
}

need_up() {
    need_root
    [ -e "$state/up" ] || die "lab '$name' is not up (lab.sh --name $name up)" 3
}

# wait_for SECONDS WHAT COMMAND…: until COMMAND succeeds.
wait_for() {
    local deadline=$((SECONDS + $1 + 1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || die "gave up waiting for $what"
        sleep 0.02
    done
}

recorded_pid() { cat "$state/$1.pid" 2>/dev/null || true; }

# Alive, no zombie, and the process that the lab started: its network namespace is ours.
is_alive() {
    local pid=$1
    [ -n "$pid" ] && [ -r "/proc/$pid/stat" ] || return 1
    ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null || return 1
    [ "$(readlink "/proc/$pid/ns/net" 2>/dev/null)" = "$(ns_id "$server_ns")" ]
}
is_gone() { ! is_alive "$1"; }

ns_id() { printf 'net:[%s]' "$(stat -L -c %i "/run/netns/$1" 2>/dev/null)"; }

stop_daemon() {
    local which=$1 pid
    pid=$(recorded_pid "$which")
    rm -f "$state/$which.pid"
    is_alive "$pid" || return 0
    kill -TERM "$pid" 2>/dev/null || true
    (wait_for 5 "$which to stop" is_gone "$pid") 2>/dev/null ||
        kill -KILL "$pid" 2>/dev/null || true
    wait_for 5 "$which to die" is_gone "$pid"
}

# start_daemon WHICH PROGRAM ARGS…: in the server namespace; log and pid file with the state.
start_daemon() {
    local which=$1
    shift
    [ -x "$1" ] || die "$1 is missing: run make"
    setsid ip netns exec "$server_ns" "$@" </dev/null >>"$state/$which.log" 2>&1 &
    echo $! >"$state/$which.pid"
}

# The wanted state is reached, or the daemon died: then its log says why.
daemon_ready() {
    local which=$1
    shift
    "$@" && return 0
    kill -0 "$(recorded_pid "$which")" 2>/dev/null && return 1
    sed 's/^/    /' "$state/$which.log" >&2
    die "$which did not start (its last words are above)"
}

agent_listens() { [ -S "$ETA_AGENT" ]; }
has_link() { ip -n "$1" link show dev "$2" >/dev/null 2>&1; }

# Quiet interfaces: no router solicitation, no address of its own, so counters move only by tests.
quiet() {
    local ns=$1 dev=$2
    ip netns exec "$ns" sysctl -q -w "net.ipv6.conf.$dev.accept_ra=0" \
        "net.ipv6.conf.$dev.router_solicitations=0" "net.ipv6.conf.$dev.dad_transmits=0" \
        2>/dev/null || true
}

address() {
    local ns=$1 dev=$2 host=$3
    quiet "$ns" "$dev"
    ip -n "$ns" address replace "10.77.0.$host/24" dev "$dev"
    ip -n "$ns" address replace "fd77::$host/64" dev "$dev" nodad 2>/dev/null || true
    ip -n "$ns" link set "$dev" up
}

offload() {
    local ns=$1 dev=$2
    shift 2
    ip netns exec "$ns" ethtool -K "$dev" "$@" >/dev/null 2>&1 || true
}

make_veth() {
    ip link add port0 netns "$server_ns" type veth peer name wire0 netns "$client_ns"
    if [ "$port" = af_xdp ] || [ "$offloads" = off ]; then
        offload "$server_ns" port0 tx off tso off gso off gro off rxvlan off txvlan off
        offload "$client_ns" wire0 tx off tso off gso off txvlan off
    fi
    if [ "$port" = af_xdp ]; then # the accelerator owns it: the OS must not speak on it
        ip netns exec "$server_ns" sysctl -q -w net.ipv6.conf.port0.disable_ipv6=1 || true
        ip -n "$server_ns" link set port0 arp off
    fi
    ip -n "$server_ns" link set port0 up
    address "$client_ns" wire0 2
}

make_namespaces() {
    local ns
    for ns in "$server_ns" "$client_ns"; do
        [ ! -e "/run/netns/$ns" ] || die "network namespace $ns is there already, and not mine"
    done
    for ns in "$server_ns" "$client_ns"; do
        ip netns add "$ns"
        ip -n "$ns" link set lo up
    done
}

# Interface that appears when the accelerator is ready, then its address.
start_fw() {
    local spec
    port=$(cat "$state/port")
    case "$port" in
    af_xdp) spec=af_xdp:port0 ;;
    tap) spec=tap:wire0 ;;
    *) die "lab '$name' has no accelerator (--port $port)" ;;
    esac
    is_alive "$(recorded_pid fw)" && die "eta_fw of lab '$name' runs already"
    start_daemon fw "$build/eta_fw" --cpu "$(cat "$state/cpu")" --port "$spec" \
        --idle "$(cat "$state/idle")"
    if [ "$port" = tap ] && ! has_link "$client_ns" wire0; then
        wait_for 10 'the TAP device' daemon_ready fw has_link "$server_ns" wire0
    fi
    wait_for 10 'eta0 (the accelerator)' daemon_ready fw has_link "$server_ns" eta0
    wait_for 10 'the accelerator' daemon_ready fw fw_attached
    if [ "$port" = tap ] && has_link "$server_ns" wire0; then
        ip -n "$server_ns" link set wire0 netns "$client_ns"
        address "$client_ns" wire0 2
    fi
    address "$server_ns" eta0 1
}

# Asks the agent itself, if eta-ctl is built.
fw_attached() {
    [ -x "$build/eta-ctl" ] || return 0
    ip netns exec "$server_ns" "$build/eta-ctl" status >/dev/null 2>&1
}

parse_up() {
    port=af_xdp idle=sleep cpu=$(($(nproc) - 1)) offloads=on
    while [ $# -gt 0 ]; do
        case "$1" in
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --name) name=${2-} ;;
        --port) port=${2-} ;;
        --idle) idle=${2-} ;;
        --cpu) cpu=${2-} ;;
        --offloads) offloads=${2-} ;;
        *) die "unknown option '$1'" 2 ;;
        esac
        [ $# -ge 2 ] || die "option $1 wants a value" 2
        shift 2
    done
    [[ $port =~ ^(af_xdp|tap|os)$ ]] || die "--port is af_xdp, tap or os, not '$port'" 2
    [[ $idle =~ ^(spin|sleep)$ ]] || die "--idle is spin or sleep, not '$idle'" 2
    [[ $offloads =~ ^(on|off)$ ]] || die "--offloads is on or off, not '$offloads'" 2
    [[ $cpu =~ ^[0-9]+$ ]] || die "--cpu wants a number, not '$cpu'" 2
    names
}

cmd_up() {
    local tool
    parse_up "$@"
    need_root
    for tool in ip ethtool sysctl setsid; do
        command -v "$tool" >/dev/null || die "$tool is missing: run make setup"
    done
    if [ "$port" != os ]; then
        for tool in eta-agentd eta_fw; do
            [ -e "$build/$tool" ] || die "$build/$tool is missing: run make"
        done
    fi
    mkdir -p "$labs"
    mkdir "$state" 2>/dev/null || die "lab '$name' is up already (lab.sh --name $name down)"
    trap 'cmd_down_quietly' EXIT
    trap 'exit 130' INT TERM
    echo "$port" >"$state/port"
    echo "$idle" >"$state/idle"
    echo "$cpu" >"$state/cpu"
    make_namespaces
    [ "$port" = tap ] || make_veth
    if [ "$port" = os ]; then
        address "$server_ns" port0 1
    else
        start_daemon agentd "$build/eta-agentd" --foreground --socket "$ETA_AGENT"
        wait_for 10 'the agent' daemon_ready agentd agent_listens
        start_fw
    fi
    touch "$state/up"
    trap - EXIT
    echo "lab '$name': server 10.77.0.1 ($port), client 10.77.0.2; ETA_AGENT=$ETA_AGENT"
}

cmd_down_quietly() {
    local rc=$?
    trap - EXIT
    cmd_down || true
    exit "$rc"
}

ns_pids() {
    local ns
    for ns in "$server_ns" "$client_ns"; do
        [ ! -e "/run/netns/$ns" ] || ip netns pids "$ns" 2>/dev/null || true
    done
}

no_pids() { [ -z "$(ns_pids)" ]; }

cmd_down() {
    local ns pids
    need_root
    [ -d "$state" ] || return 0
    # Programs first, so that they close what they have; then the accelerator, then the agent.
    pids=$(ns_pids | grep -vxF -e "$(recorded_pid fw)" -e "$(recorded_pid agentd)" -e "$$" || true)
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
    stop_daemon fw
    stop_daemon agentd
    pids=$(ns_pids)
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
    wait_for 5 'programs of the lab to die' no_pids
    for ns in "$client_ns" "$server_ns"; do
        [ ! -e "/run/netns/$ns" ] || ip netns delete "$ns"
    done
    rm -rf "$state"
}

cmd_fw() {
    local pid
    need_up
    pid=$(recorded_pid fw)
    case "${1:-}" in
    start) start_fw ;;
    stop) stop_daemon fw ;;
    kill)
        is_alive "$pid" || die "eta_fw of lab '$name' does not run" 3
        kill -KILL "$pid"
        wait_for 5 'eta_fw to die' is_gone "$pid"
        ;;
    *) die 'fw start, stop or kill' 2 ;;
    esac
}

cmd_env() {
    need_up
    echo "ETA_AGENT=$ETA_AGENT"
    echo "ETA_LAB_STATE=$state"
    echo "ETA_LAB_SERVER_NS=$server_ns"
    echo "ETA_LAB_CLIENT_NS=$client_ns"
    echo "ETA_LAB_PORT=$(cat "$state/port")"
    echo "ETA_LAB_FW_PID=$(recorded_pid fw)"
    echo "ETA_LAB_AGENTD_PID=$(recorded_pid agentd)"
}

cmd_list() {
    local up
    for up in "$labs"/*/up; do
        [ ! -e "$up" ] || basename "$(dirname "$up")"
    done
}

run_in() {
    local ns=$1
    shift
    [ $# -gt 0 ] || die 'what shall I run there?' 2
    exec ip netns exec "$ns" "$@"
}

main() {
    while [ $# -gt 0 ]; do
        case "$1" in
        --name=*) name=${1#*=} ;;
        --name)
            [ $# -ge 2 ] || die 'option --name wants a value' 2
            name=$2
            shift
            ;;
        -h | --help | help)
            usage
            exit 0
            ;;
        *) break ;;
        esac
        shift
    done
    names
    local command=${1:-}
    [ $# = 0 ] || shift
    case "$command" in
    server | client | os) need_up ;;
    esac
    case "$command" in
    up) cmd_up "$@" ;;
    server)
        [ "$(cat "$state/port")" != os ] || run_in "$server_ns" "$@"
        run_in "$server_ns" "$build/eta-run" "$@"
        ;;
    os) run_in "$server_ns" "$@" ;;
    client) run_in "$client_ns" env -u ETA_AGENT "$@" ;;
    fw) cmd_fw "$@" ;;
    env) cmd_env ;;
    list) cmd_list ;;
    down)
        [ "${1:-}" != --name ] || { name=${2-} && names; }
        [[ "${1:-}" != --name=* ]] || { name=${1#*=} && names; }
        cmd_down
        ;;
    '')
        usage >&2
        exit 2
        ;;
    *) die "unknown command '$command' (lab.sh --help)" 2 ;;
    esac
}

main "$@"
