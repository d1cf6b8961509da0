#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# First half of `make run`: an unmodified nginx and redis served by ETA and, interleaved in the same
# run, by the OS stack. Compares checksums, counts where the bytes went, ends with a table.
# Exit 0 only if everything was accelerated and every byte is right.

import argparse
import atexit
import hashlib
import os
import re
import resource
import signal
import statistics
import sys
import time

import lablib
from lablib import SERVER, Lab, LabError

SIZES = {"0 B": 0, "1 KB": 1024, "100 KB": 100 * 1024, "50 MB": 50 * 1024 * 1024}
ROUNDS = 3
WORKERS = 2
problems = []
interrupted_by = []  # signals; an exception alone can get lost in a library


def say(text):
    print(text, flush=True)
    if interrupted_by:
        raise KeyboardInterrupt


def problem(text):
    problems.append(text)
    say(f"   WRONG: {text}")


def make_files(folder):
    sums = {}
    for name, size in SIZES.items():
        data = os.urandom(min(size, 1 << 20))
        digest = hashlib.sha256()
        with open(folder / name.replace(" ", ""), "wb") as out:
            for left in range(size, 0, -(1 << 20)):
                piece = data[:left]
                out.write(piece)
                digest.update(piece)
        sums[name] = digest.hexdigest()
    return sums


def nginx_config(lab, www):
    folders = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temps = "".join(f"{f}_temp_path {lab.temp}/{f}; " for f in folders)
    path = lab.temp / "nginx.conf"
    path.write_text(
        f"daemon off; worker_processes {WORKERS}; pid {lab.temp}/nginx.pid;\n"
        "error_log stderr warn; events { worker_connections 2048; }\n"
        f"http {{ access_log off; sendfile on; keepalive_requests 100000000; {temps}\n"
        f"server {{ listen {SERVER}:80; root {www}; }} }}\n"
    )
    return path


class Half:
    """One side of the comparison: a lab with both servers in it."""

    def __init__(self, lab, www):
        self.lab = lab
        self.name = "ETA" if lab.accelerated else "OS stack"
        redis = ["redis-server", "--bind", SERVER, "--save", "", "--appendonly", "no"]
        redis += ["--protected-mode", "no", "--dir", lab.temp]
        nginx = ["nginx", "-c", nginx_config(lab, www), "-e", "stderr"]
        self.before = self.snapshot()
        self.nginx = lab.start("server", *nginx, log="nginx")
        self.redis = lab.start("server", *redis, log="redis")
        lab.wait_listen(self.nginx, 80, workers=WORKERS)
        lab.wait_listen(self.redis, 6379)
        self.rates = {}
        self.cpu = {}
        self.both = {}

    def snapshot(self):
        counters = self.lab.counters() if self.lab.accelerated else {}
        return {"eta": counters, "os": self.lab.os_counters(), "wire": self.wire_bytes()}

    def wire_bytes(self):
        base = "/sys/class/net/wire0/statistics"
        files = [f"{base}/rx_bytes", f"{base}/tx_bytes"]
        return [int(x) for x in self.lab.run("client", "cat", *files).stdout.split()]

    def measure(self, what, server, command, requests_of):
        """Runs a load once; requests/s and CPU time of the server's side for each request."""
        cpu, client = self.lab.cpu_of(server), client_seconds()
        out = self.lab.run("client", *command, timeout=120).stdout
        cpu, client = self.lab.cpu_of(server) - cpu, client_seconds() - client
        requests, rate = requests_of(out)
        self.rates.setdefault(what, []).append(rate)
        self.cpu.setdefault(what, []).append(cpu / max(requests, 1) * 1e6)
        self.both.setdefault(what, []).append((cpu + client) / max(requests, 1) * 1e6)

    def rate(self, what):
        return statistics.median(self.rates[what])

    def cpu_text(self, what):
        server, both = statistics.median(self.cpu[what]), statistics.median(self.both[what])
        return f"{server:.1f} / {both:.1f} us"


def client_seconds():
    """CPU time of all programs this one has waited for: the clients."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fetch_files(half, sums):
    for name, wanted in sums.items():
        url = f"http://{SERVER}/{name.replace(' ', '')}"
        start = time.monotonic()
        command = ["curl", "-sS", "--fail", "--max-time", "60", url]
        body = half.lab.run("client", *command, text=False, timeout=70).stdout
        seconds = time.monotonic() - start
        good = hashlib.sha256(body).hexdigest() == wanted
        say(f"   {half.name:8} {name:>6}  {seconds * 1000:7.1f} ms  sha256 "
            f"{'equal' if good else 'DIFFERENT'}")
        if not good:
            problem(f"{half.name}: {name} arrived damaged")


def wrk_requests(out):
    if "Socket errors" in out or "Non-2xx" in out:
        problem(f"wrk saw errors: {out.strip()}")
    total = int(re.search(r"(\d+) requests in", out).group(1))
    return total, float(re.search(r"Requests/sec:\s*([\d.]+)", out).group(1))


def redis_requests(total):
    def parse(out):
        return total, float(re.search(r'^"(?:SET|GET)","([\d.]+)"', out, re.M).group(1))

    return parse


def loads(seconds, total):
    wrk = ["wrk", "-t1", "-c32", f"-d{seconds}s", f"http://{SERVER}/1KB"]
    redis = ["redis-benchmark", "-h", SERVER, "-c", "32", "-n", str(total), "--csv", "-t"]
    return [
        ("nginx 1 KB, keepalive, 32 connections", "nginx", wrk, wrk_requests),
        ("redis SET, 32 connections", "redis", [*redis, "set"], redis_requests(total)),
        ("redis GET, 32 connections", "redis", [*redis, "get"], redis_requests(total)),
    ]


def compare(halves, seconds, total):
    for number in range(1, ROUNDS + 1):
        for what, server, command, parse in loads(seconds, total):
            for half in halves:
                half.measure(what, getattr(half, server), command, parse)
            shown = ", ".join(f"{h.name} {h.rates[what][-1]:,.0f}/s" for h in halves)
            say(f"   round {number}: {what}: {shown}")


def fallbacks_of(half):
    processes = half.lab.why()["processes"]
    pids = set()
    for server in (half.nginx, half.redis):
        pids |= {server.pid, *lablib.children_of(server.pid)}
    mine = [p for p in processes if p["pid"] in pids]
    for process in mine:
        for entry in process["sockets"]:
            say(f"   fallback in {process['program']}: fd {entry['fd']}: {entry['sentence']}")
    return sum(p["fallbacks"] for p in mine)


def megabytes(count):
    return f"{count / 1e6:,.1f} MB"


def where_the_bytes_went(half):
    after = half.snapshot()
    os_tcp = {k: after["os"]["Tcp"][k] - half.before["os"]["Tcp"][k] for k in lablib.OS_TCP}
    octets = {k: after["os"]["IpExt"][k] - half.before["os"]["IpExt"][k]
              for k in ("InOctets", "OutOctets")}
    wire = [a - b for a, b in zip(after["wire"], half.before["wire"])]
    row = {"os_connections": os_tcp["PassiveOpens"], "os_in": octets["InOctets"],
           "os_out": octets["OutOctets"], "client_rx": wire[0], "client_tx": wire[1],
           "os_tcp": os_tcp}
    if half.lab.accelerated:
        eta = {k: v - half.before["eta"].get(k, 0) for k, v in after["eta"].items()}
        row |= {"eta_connections": eta["accepts_queued"], "eta_in": eta["bytes_to_apps"],
                "eta_out": eta["bytes_from_apps"], "fallbacks": fallbacks_of(half)}
    return row


def verdict(row):
    moved = {k: v for k, v in row["os_tcp"].items() if v != 0}
    if moved:
        problem(f"TCP counters of the OS stack moved in the accelerated half: {moved}")
    if row["fallbacks"] or row["os_connections"]:
        problem(f"{row['fallbacks']} sockets fell back, the OS stack took "
                f"{row['os_connections']} connections")
    if row["eta_connections"] == 0:
        problem("no connection was accelerated")


def table(rows):
    """rows: lists of cells; the first one is the head. First column left, others right."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        say("   " + "  ".join(cells).rstrip())
        if number == 0:
            say("   " + "  ".join("-" * w for w in widths))


def result_tables(eta, plain):
    eta_row, os_row = where_the_bytes_went(eta), where_the_bytes_went(plain)
    say("\n== Where connections and bytes went (nginx and redis together)")
    zero = "0"
    table([
        ["", "server under ETA", "server on OS stack"],
        ["connections accelerated", f"{eta_row['eta_connections']:,}", zero],
        ["connections fallen back", f"{eta_row['fallbacks'] + eta_row['os_connections']:,}", "-"],
        ["connections of the OS stack", f"{eta_row['os_connections']:,}",
         f"{os_row['os_connections']:,}"],
        ["bytes through DTIs, in", megabytes(eta_row["eta_in"]), zero],
        ["bytes through DTIs, out", megabytes(eta_row["eta_out"]), zero],
        ["bytes through the OS stack (IP), in", megabytes(eta_row["os_in"]),
         megabytes(os_row["os_in"])],
        ["bytes through the OS stack (IP), out", megabytes(eta_row["os_out"]),
         megabytes(os_row["os_out"])],
        ["TCP segments of the OS stack, in + out",
         f"{eta_row['os_tcp']['InSegs'] + eta_row['os_tcp']['OutSegs']:,}",
         f"{os_row['os_tcp']['InSegs'] + os_row['os_tcp']['OutSegs']:,}"],
        ["bytes seen by the client's interface, in", megabytes(eta_row["client_rx"]),
         megabytes(os_row["client_rx"])],
        ["bytes seen by the client's interface, out", megabytes(eta_row["client_tx"]),
         megabytes(os_row["client_tx"])],
    ])
    say(f"\n== Speed, medians of {ROUNDS} interleaved rounds. CPU time for each request: server side"
        "\n   (server, accelerator, agent) / both ends. The OS stack does part of the server's work"
        "\n   in the client's name on such a wire: the second figure is the one to compare.")
    rows = [["", "ETA req/s", "OS req/s", "ratio", "ETA CPU/req", "OS CPU/req"]]
    for what in eta.rates:
        rows.append([what, f"{eta.rate(what):,.0f}", f"{plain.rate(what):,.0f}",
                     f"{eta.rate(what) / plain.rate(what):.2f}", eta.cpu_text(what),
                     plain.cpu_text(what)])
    table(rows)
    verdict(eta_row)


def run(options):
    seconds, total = (1, 5000) if options.quick else (3, 50000)
    say(f"-- two labs: one with ETA on a wire of kind {options.port}, one with the OS stack alone")
    name = f"run{os.getpid()}"
    with Lab(f"{name}-eta", options.port) as eta_lab, Lab(f"{name}-os", "os") as os_lab:
        www = eta_lab.temp / "www"
        www.mkdir()
        say("-- files of 0 B, 1 KB, 100 KB and 50 MB; nginx and redis in both labs")
        sums = make_files(www)
        try:
            eta, plain = Half(eta_lab, www), Half(os_lab, www)
            say("-- plain curl fetches every file")
            for half in (eta, plain):
                fetch_files(half, sums)
            say(f"-- wrk and redis-benchmark, {ROUNDS} rounds, ETA and OS stack in turn")
            compare((eta, plain), seconds, total)
            result_tables(eta, plain)
        except BaseException:
            say(eta_lab.logs())
            raise


def interrupted(number, _frame):
    interrupted_by.append(number)
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="af_xdp", choices=("af_xdp", "tap"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    atexit.register(sys.stdout.flush)
    missing = lablib.have("nginx", "redis-server", "redis-benchmark", "curl", "wrk", "ip")
    if missing:
        say(f"missing programs: {', '.join(missing)} (make setup)")
        return 1
    try:
        run(options)
    except KeyboardInterrupt:
        print("interrupted; the labs are removed", flush=True)
        return 130
    except (LabError, OSError) as error:
        problem(str(error))
    if problems:
        say("\nwhat is wrong:")
        for text in problems:
            say(f"   {text}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
