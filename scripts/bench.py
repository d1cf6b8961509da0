#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ETA and the OS stack side by side: `make bench`.

The same programs (tests/bench) run over both, in turns, ROUNDS rounds; medians and ratios.
Writes build/bench.json and build/bench.svg. No figure is asserted anywhere: a benchmark is no test.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_report as report  # noqa: E402  pylint: disable=wrong-import-position
from bench_run import (BUILD, TOP, BenchError, Lab, Side, cache_line_ns, run_idle,  # noqa: E402
                       run_pair, say)  # pylint: disable=wrong-import-position

OS_CC = ["--cc", "cubic"]  # the machine's default may be another; cubic is the fastest on a LAN
SPLIT = (["--cpu", "0"], ["--cpu", "1"])
ONE_CORE = (["--cpu", "0"], ["--cpu", "0"])
FREE = ([], [])


class Case:
    """One benchmark: a program with its arguments, over several sides."""

    def __init__(self, name, path, program, connections, inflight, server, client, eta, rivals):
        self.name = name
        self.path = path
        self.program = program
        self.connections = connections
        self.inflight = inflight
        self.server = server
        self.client = client
        self.eta = eta          # variants (Side); the one with the best median counts
        self.rivals = rivals    # {name of the OS path: variants}
        self.results = {}       # Side.name -> list of results

    def main_metric(self):
        """Key of the result that chooses among variants, and whether more is better."""
        if self.program == "bench_bulk":
            return "gbit_s", True
        if self.name in ("echo blocking", "echo busy"):
            return "p50_us", False
        return "rate", True


# ---- what is measured ----

def busy_args(mode):
    return ["--mode", mode]


def eta_same_host(lab, extra=()):
    """Client and server share the core that the accelerator leaves them: two cores in all.

    Two variants: a blocking call of one spins a little, or gives the core to the other at once.
    """
    one = [*extra, "--cpu", "0"]
    return [Side(f"eta spin {us}", lab, "server", "server", "10.77.0.1:7000", one, one,
                 {"ETA_SPIN_US": str(us)}) for us in (0, 50)]


def loopback(lab, placements, extra=()):
    names = {id(SPLIT): "split", id(ONE_CORE): "one core", id(FREE): "free"}
    return [Side(f"loopback {names[id(p)]}", lab, "os", "os", "127.0.0.1:7000",
                 [*OS_CC, *extra, *p[0]], [*OS_CC, *extra, *p[1]]) for p in placements]


def unix_socket(lab):
    addr = f"unix:{BUILD}/bench/echo.sock"
    return [Side("unix split", lab, "os", "os", addr, *SPLIT)]


def echo_case(name, path, conns, inflight, opts, eta, rivals, mode="epoll"):
    return Case(name, path, "bench_echo", conns, inflight,
                ["--mode", mode, "--conns", str(conns)],
                ["--mode", mode, "--conns", str(conns), "--inflight", str(inflight),
                 "--seconds", str(opts.seconds)], eta, rivals)


def bulk_cases(path, opts, eta, rivals, chunk=65536):
    size = ["--chunk", str(chunk)]
    return [Case(f"bulk {d}", path, "bench_bulk", 1, 0, [],
                 ["--dir", d, "--seconds", str(opts.seconds * 2), *size], eta, rivals)
            for d in ("up", "down")]


def crr_case(path, conns, opts, eta, rivals):
    return Case("crr", path, "bench_crr", conns, 1, ["--ports", "32"],
                ["--ports", "32", "--conns", str(conns), "--seconds", str(opts.seconds)],
                eta, rivals)


def same_host_cases(opts, labs):
    eta, host = labs["eta-tap"], labs["os-on"]
    both = {"loopback": loopback(host, [FREE, SPLIT]), "unix": unix_socket(host)}
    out = [
        echo_case("echo blocking", "same-host", 1, 1, opts, eta_same_host(eta),
                  {"loopback two cores": loopback(host, [SPLIT]),
                   "loopback one core": loopback(host, [ONE_CORE])}, "blocking"),
        echo_case("echo busy", "same-host", 1, 1, opts, eta_same_host(eta, ["--yield"]),
                  {"loopback": loopback(host, [SPLIT])}, "busy"),
    ]
    for conns in (1, 32, 256):
        for inflight in (1, 16):
            if opts.quick and (conns, inflight) not in ((32, 1), (32, 16)):
                continue
            out.append(echo_case("echo", "same-host", conns, inflight, opts, eta_same_host(eta),
                                 both))
    tcp_only = {"loopback": both["loopback"]}
    out += bulk_cases("same-host", opts, eta_same_host(eta), tcp_only)
    for conns in (1, 32):
        if not opts.quick or conns == 32:
            out.append(crr_case("same-host", conns, opts, eta_same_host(eta), tcp_only))
    return out


def wire_side(lab):
    """Server accelerated, client on the OS stack.

    Two variants: both on the core that the accelerator leaves free, or where the scheduler likes.
    """
    addr = "10.77.0.1:7000"
    core = ["--cpu", "0"]
    return [Side("eta one core", lab, "server", "client", addr, core, [*core, *OS_CC]),
            Side("eta free", lab, "server", "client", addr, [], OS_CC)]


def veth(lab, name):
    return [Side(f"{name} free", lab, "os", "client", "10.77.0.1:7000", OS_CC, OS_CC),
            Side(f"{name} split", lab, "os", "client", "10.77.0.1:7000", [*OS_CC, "--cpu", "0"],
                 [*OS_CC, "--cpu", "1"])]


def wire_cases(opts, labs):
    xdp, tap = wire_side(labs["eta-xdp"]), wire_side(labs["eta-tap"])
    off = veth(labs["os-off"], "veth offloads off")
    on = veth(labs["os-on"], "veth offloads on")
    rivals = {"veth offloads off": off, "veth offloads on": on}
    out = []
    for conns in (1, 32, 256):
        for inflight in (1, 16):
            if opts.quick and (conns, inflight) != (32, 1):
                continue
            out.append(echo_case("echo", "wire af_xdp", conns, inflight, opts, xdp, rivals))
    if not opts.quick:
        out.append(crr_case("wire af_xdp", 32, opts, xdp, rivals))
        out += bulk_cases("wire af_xdp", opts, xdp, rivals)
        out.append(echo_case("echo", "wire tap", 32, 1, opts, tap, {"veth offloads on": on}))
    out += bulk_cases("wire tap", opts, tap, {"veth offloads on": on})
    return out


def make_labs(opts):
    tag = f"b{os.getpid() % 100000}"
    return {
        "eta-tap": Lab(f"{tag}t", "tap", opts.idle),
        "eta-xdp": Lab(f"{tag}x", "af_xdp", opts.idle),
        "os-on": Lab(f"{tag}n", "os", offloads="on"),
        "os-off": Lab(f"{tag}f", "os", offloads="off"),
    }


# ---- running ----

def run_once(case, side):
    try:
        result = run_pair(side, case.program, case.server, case.client, 30)
    except BenchError as exc:
        say(f"    {side.name}: {exc}")
        return
    case.results.setdefault(side.name, []).append(result)


def sides_of(case, opts):
    out = [] if opts.os_only else list(case.eta)
    if opts.eta_only:
        return out
    for variants in case.rivals.values():
        out += variants
    return out


def run_case(case, opts):
    """Rounds interleaved: each round runs every side once."""
    say(f"{case.path}: {case.name}, {case.connections} connections, {case.inflight} in flight")
    for _ in range(opts.rounds):
        for side in sides_of(case, opts):
            if side.lab.is_up:
                run_once(case, side)


def median_of(results, key):
    values = [r[key] for r in results if r.get(key) is not None]
    return statistics.median(values) if values else None


def best(case, variants):
    """Results of the variant with the best median of the main metric."""
    key, more = case.main_metric()
    found = [case.results[v.name] for v in variants if case.results.get(v.name)]
    if not found:
        return []
    choose = max if more else min
    return choose(found, key=lambda results: median_of(results, key))


def with_derived(results, program):
    """Adds CPU per unit of work."""
    for r in results:
        if program == "bench_bulk":
            r["cpu_s_per_gb"] = r["cpu_s"] / max(r["bytes"] / 1e9, 1e-9)
        else:
            done = r.get("requests") or r.get("transactions") or 0
            r["cpu_us_per_request"] = r["cpu_s"] * 1e6 / done if done else None
    return results


METRICS = {
    "bench_echo": [("rate", "requests/s"), ("p50_us", "us"), ("p99_us", "us"),
                   ("cpu_us_per_request", "us/request")],
    "bench_crr": [("rate", "connections/s"), ("p50_us", "us"), ("p99_us", "us"),
                  ("cpu_us_per_request", "us/request")],
    "bench_bulk": [("gbit_s", "Gbit/s"), ("cpu_s_per_gb", "s/GB")],
}
METRIC_NAMES = {"rate": "rate", "p50_us": "p50", "p99_us": "p99",
                "cpu_us_per_request": "cpu", "gbit_s": "throughput", "cpu_s_per_gb": "cpu"}


def floor_of(unit, connections, inflight, path, floor_ns):
    """What two cores can do at best: an echo on one machine crosses between cores four times."""
    if floor_ns is None or path != "same-host" or (connections, inflight) != (1, 1):
        return None
    echo_us = 2 * floor_ns / 1000
    if unit == "us":
        return round(echo_us, 3)
    return round(1e6 / echo_us) if unit == "requests/s" else None


def rows_of(case, floor_ns):
    eta = with_derived(best(case, case.eta), case.program)
    rows = []
    for rival, variants in case.rivals.items():
        theirs = with_derived(best(case, variants), case.program)
        for key, unit in METRICS[case.program]:
            a, b = median_of(eta, key), median_of(theirs, key)
            rows.append({
                "name": case.name, "path": f"{case.path} against {rival}",
                "connections": case.connections, "inflight": case.inflight,
                "metric": METRIC_NAMES[key], "unit": unit, "eta": a, "os": b,
                "ratio": round(a / b, 4) if a and b else None,
                "floor": floor_of(unit, case.connections, case.inflight, case.path, floor_ns)})
    return rows


def idle_rows(opts, labs):
    """Memory of idle connection ends."""
    count = 2000 if opts.quick else 100000
    count = opts.idle_connections or count
    found = {}
    for name, lab, where, ip in (("eta", labs["eta-tap"], "server", "10.77.0.1"),
                                 ("os", labs["os-on"], "os", "127.0.0.1")):
        if not lab.is_up:
            continue
        say(f"same-host: idle, {count} connections, {name}")
        try:
            found[name] = run_idle(lab, where, ip, count)
        except (BenchError, OSError, ValueError) as exc:
            say(f"    {name}: {exc}")
    for name, r in found.items():
        split = ", ".join(f"{k} {v:.0f}" for k, v in r["split"].items())
        say(f"    {name}: {r['ends']} ends in {r['processes']} processes: user memory "
            f"{r['user_bytes']:.0f} bytes per end ({split}); kernel slab {r['kernel_bytes']:.0f}")
    wanted_values = {
        "user memory": lambda r: r["user_bytes"],
        "of it library": lambda r: r["split"]["library"],
        "of it accelerator": lambda r: r["split"]["accelerator"],
        "of it agent": lambda r: r["split"]["agent"],
        "kernel slab": lambda r: r["kernel_bytes"],
        "user and kernel": lambda r: r["user_bytes"] + r["kernel_bytes"],
    }
    return [idle_row(count, metric, found, value) for metric, value in wanted_values.items()]


def idle_row(count, metric, found, value):
    a, b = (max(0.0, value(found[side])) if side in found else None for side in ("eta", "os"))
    comparable = a is not None and b is not None and b >= 64  # less is the noise of the measurement
    return {"name": "idle", "path": "same-host against loopback", "connections": count,
            "inflight": 0, "metric": metric, "unit": "bytes/end", "eta": a, "os": b,
            "ratio": round(a / b, 4) if comparable else None, "floor": None}


# ---- command line ----

def parse(argv):
    p = argparse.ArgumentParser(description="ETA and the OS stack side by side.")
    p.add_argument("--quick", action="store_true", help="about a minute: few cases, one round")
    p.add_argument("--only", metavar="NAME", action="append", default=[],
                   help="only cases whose name or path contains NAME (also: idle)")
    p.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "0")),
                   help="rounds of each case (5; quick: 1)")
    p.add_argument("--seconds", type=float, default=0, help="measured time of one run (1; quick: 0.5)")
    p.add_argument("--idle", choices=["sleep", "spin"], default="sleep",
                   help="what the accelerator does without work")
    p.add_argument("--idle-connections", type=int, default=0, help="connections of the idle case")
    p.add_argument("--os-only", action="store_true", help="measure the OS stack alone")
    p.add_argument("--eta-only", action="store_true", help="measure ETA alone")
    p.add_argument("--markdown", action="store_true",
                   help="print the last result (build/bench.json) as a Markdown table and end")
    p.add_argument("--document", action="store_true",
                   help="write the last result into Documentation/performance.md and end")
    p.add_argument("--output", default=BUILD, help="folder of bench.json and bench.svg")
    opts = p.parse_args(argv)
    opts.rounds = opts.rounds or (1 if opts.quick else 5)
    opts.seconds = opts.seconds or (0.5 if opts.quick else 1.0)
    if opts.rounds < 1 or opts.rounds > 100 or opts.seconds < 0.05 or opts.seconds > 600:
        p.error("--rounds is 1..100, --seconds 0.05..600")
    return opts


def wanted(opts, name, path):
    return not opts.only or any(o in name or o in path for o in opts.only)


def labs_used(cases, idle, labs, opts):
    used = {side.lab for case in cases for side in sides_of(case, opts)}
    if idle:
        used |= {labs["eta-tap"], labs["os-on"]}
    if opts.os_only:
        used -= {labs["eta-tap"], labs["eta-xdp"]}
    return used


def bring_up(labs):
    failed = 0
    for lab in labs:
        try:
            lab.up()
        except BenchError as exc:
            say(str(exc))
            failed += 1
    return failed


def conditions(opts):
    """The circumstances of a run, in one sentence."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
    load = os.getloadavg()[0]
    uname = os.uname()
    return (f"{time.strftime('%Y-%m-%d')}, {model}, {os.cpu_count()} cores, Linux {uname.release.split('-')[0]}, "
            f"{opts.rounds} rounds of {opts.seconds:g} s, load of the machine before: {load:.1f}. "
            f"Command: `scripts/bench.py {' '.join(sys.argv[1:])}`.".replace(" `.", "`."))


def show_last(opts, json_path, meta_path):
    try:
        with open(json_path, encoding="utf-8") as f:
            rows = json.load(f)
        with open(meta_path, encoding="utf-8") as f:
            text = f.read().strip()
    except OSError as exc:
        say(f"bench.py: no result yet ({exc.strerror}: {exc.filename}); run make bench")
        return 1
    if opts.document:
        report.write_document(os.path.join(TOP, "Documentation", "performance.md"), rows, text)
    else:
        print("\n\n".join([text, report.goals(rows), report.markdown(rows)]))
    return 0


def measure(opts, labs):
    cases = [c for c in same_host_cases(opts, labs) + wire_cases(opts, labs)
             if wanted(opts, c.name, c.path)]
    idle = wanted(opts, "idle", "same-host") and (not opts.quick or "idle" in opts.only)
    failed = bring_up(labs_used(cases, idle, labs, opts))
    floor_ns = cache_line_ns() if (os.cpu_count() or 1) > 1 else None
    if floor_ns is not None:
        say(f"cache line there and back between two cores: {floor_ns:.0f} ns (the floor)")
    rows = [{"name": "cache line", "path": "cores", "connections": 0, "inflight": 0,
             "metric": "round trip", "unit": "ns", "eta": None, "os": None, "ratio": None,
             "floor": floor_ns}]
    for case in cases:
        run_case(case, opts)
        rows += rows_of(case, floor_ns)
        report.write_json(os.path.join(opts.output, "bench.json"), rows)
    if idle:
        rows += idle_rows(opts, labs)
    return rows, failed


def main(argv):
    opts = parse(argv)
    json_path = os.path.join(opts.output, "bench.json")
    meta_path = os.path.join(opts.output, "bench.txt")
    if opts.markdown or opts.document:
        return show_last(opts, json_path, meta_path)
    if os.geteuid() != 0:
        say("bench.py: needs root (network namespaces)")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    text = conditions(opts)
    say(text)
    if os.getloadavg()[0] > 0.7:
        say("the machine is busy with something else: figures will be noisy")
    labs = make_labs(opts)
    try:
        rows, failed = measure(opts, labs)
    finally:
        for lab in labs.values():
            lab.down()
    report.write_json(json_path, rows)
    with open(meta_path, "w", encoding="utf-8") as f:
        f.write(text + "\n")
    drawn = [r for r in rows if r["unit"] != "ns" and r["metric"] != "p99"]
    report.write_svg(os.path.join(opts.output, "bench.svg"), drawn)
    print(report.table(rows))
    print("\n" + report.goals(rows))
    print(f"\n{json_path}\n{os.path.join(opts.output, 'bench.svg')}")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
