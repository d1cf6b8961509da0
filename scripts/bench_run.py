# SPDX-License-Identifier: MIT
"""Running one benchmark pair (server and client) in a lab, for scripts/bench.py.

Labs are made by scripts/lab.sh. Everything started here is ended here, by process id.
"""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("ETA_BUILD", os.path.join(TOP, "build"))
PROGRAMS = os.path.join(BUILD, "bench")
LAB = os.path.join(TOP, "scripts", "lab.sh")


class BenchError(Exception):
    """One run failed; the message says why. The benchmark goes on."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def softirq_threads():
    """Kernel threads that do network work on behalf of nobody: NAME:PID."""
    out = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/comm", encoding="ascii", errors="replace") as f:
                name = f.read().strip()
        except OSError:
            continue
        if name.startswith("ksoftirqd/"):
            out.append(f"{name}:{entry}")
    return out


class Lab:
    """A laboratory of scripts/lab.sh under a name of our own."""

    def __init__(self, name, port, idle="sleep", cpu=1, offloads="on"):
        self.name = name
        self.port = port
        self.options = ["--port", port, "--idle", idle, "--cpu", str(cpu), "--offloads", offloads]
        self.idle = idle
        self.fw_pid = 0
        self.agent_pid = 0
        self.is_up = False

    def command(self, *words):
        return [LAB, "--name", self.name, *words]

    def up(self):
        run = subprocess.run(self.command("up", *self.options), capture_output=True, text=True,
                             timeout=60, check=False)
        if run.returncode != 0:
            raise BenchError(f"lab {self.name}: {run.stderr.strip() or run.stdout.strip()}")
        self.is_up = True
        if self.port != "os":
            self.read_pids()
            self.pause()

    def read_pids(self):
        run = subprocess.run(self.command("env"), capture_output=True, text=True, timeout=20,
                             check=True)
        values = dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)
        self.fw_pid = int(values.get("ETA_LAB_FW_PID") or 0)
        self.agent_pid = int(values.get("ETA_LAB_AGENTD_PID") or 0)

    def watch(self):
        out = []
        if self.fw_pid:
            out.append(f"eta_fw:{self.fw_pid}")
        if self.agent_pid:
            out.append(f"eta-agentd:{self.agent_pid}")
        return out

    # An accelerator that spins would take a core from the OS stack's turn: it stands still then.
    def pause(self):
        if self.idle == "spin" and self.fw_pid:
            os.kill(self.fw_pid, signal.SIGSTOP)

    def go_on(self):
        if self.idle == "spin" and self.fw_pid:
            os.kill(self.fw_pid, signal.SIGCONT)

    def alive(self):
        return not self.fw_pid or os.path.exists(f"/proc/{self.fw_pid}")

    def down(self):
        if not self.is_up:
            return
        if self.alive():
            self.go_on()
        subprocess.run(self.command("down"), capture_output=True, timeout=60, check=False)
        self.is_up = False


class Side:
    """Where a server and a client run: one column of the result."""

    def __init__(self, name, lab, server, client, addr, server_args=(), client_args=(), env=()):
        self.name = name
        self.lab = lab
        self.server = server          # words for lab.sh: "server", "os" or "client"
        self.client = client
        self.addr = addr
        self.server_args = list(server_args)
        self.client_args = list(client_args)
        self.env = {**os.environ, **dict(env)}


def read_ready(process, seconds):
    """Waits for the line "ready PID" or "open PID" on the program's output; returns the PID."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], 0.5)
        if not ready:
            continue
        # Unbuffered, so that select() never waits for a line that was read already.
        line = b""
        while not line.endswith(b"\n"):
            piece = os.read(process.stdout.fileno(), 1)
            if not piece:
                raise BenchError(f"program did not get ready: {error_text(process)}")
            line += piece
        if line.startswith((b"ready ", b"open ")):
            return int(line.split()[1])
    raise BenchError(f"program did not get ready: {error_text(process)}")


def error_text(process):
    if process.poll() is None:
        process.kill()
    process.wait()
    text = process.stderr.read().strip() if process.stderr else ""
    return text or f"exit code {process.returncode}"


def last_json(text):
    for line in reversed(text.strip().splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    raise BenchError("program printed no result")


def start(command, env=None):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=env)


def stop(process):
    if process.poll() is None:
        process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def run_pair(side, program, server_args, client_args, seconds):
    """One run. Returns the client's result with `cpu_s`, CPU seconds of everything that took part."""
    path = os.path.join(PROGRAMS, program)
    side.lab.go_on()
    server = start(side.lab.command(side.server, path, "server", "--addr", side.addr,
                                    *server_args, *side.server_args), side.env)
    try:
        pid = read_ready(server, 10)
        watch = [f"server:{pid}", *side.lab.watch(), *softirq_threads()]
        command = side.lab.command(side.client, path, "client", "--addr", side.addr, *client_args,
                                   *side.client_args)
        for w in watch:
            command += ["--watch", w]
        try:
            client = subprocess.run(command, capture_output=True, text=True, check=False,
                                    timeout=seconds + 30, env=side.env)
        except subprocess.TimeoutExpired as exc:
            raise BenchError("client did not end in time") from exc
        if client.returncode != 0:
            raise BenchError(client.stderr.strip() or f"client: exit code {client.returncode}")
        result = last_json(client.stdout)
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired as exc:
            raise BenchError("server did not end") from exc
        result["cpu_s"] = sum(result["cpu"].values())
        return result
    finally:
        stop(server)
        if side.lab.alive():
            side.lab.pause()


def cache_line_ns(cpu_a=0, cpu_b=1):
    run = subprocess.run([os.path.join(PROGRAMS, "bench_cacheline"), "--cpu-a", str(cpu_a),
                          "--cpu-b", str(cpu_b)], capture_output=True, text=True, timeout=60,
                         check=False)
    if run.returncode != 0:
        raise BenchError(run.stderr.strip())
    return last_json(run.stdout)["best_ns"]  # other programs can only make it slower


# ---- memory of idle connections ----

def proc_kb(path, keys):
    out = dict.fromkeys(keys, 0)
    with open(path, encoding="ascii") as f:
        for line in f:
            key, _, rest = line.partition(":")
            if key in out:
                out[key] = int(rest.split()[0])
    return out


def memory_kb(pid):
    """Proportional set size: a page shared by three processes counts a third in each."""
    return proc_kb(f"/proc/{pid}/smaps_rollup", ["Pss", "Rss"])


def descriptor_limit():
    """The most descriptors one process may have here; raised as far as we are allowed."""
    with open("/proc/sys/fs/nr_open", encoding="ascii") as f:
        most = int(f.read())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (min(most, 1000000), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
            return wanted
        except (ValueError, OSError):
            continue
    return soft


def start_idle(lab, where, ip, counts):
    path = os.path.join(PROGRAMS, "bench_idle")
    programs = []
    for i, count in enumerate(counts):
        addr = f"{ip}:{7000 + 16 * i}"
        programs.append(start(lab.command(where, path, "both", "--steps", "--addr", addr,
                                          "--ports", "8", "--conns", str(count), "--limit", "600")))
    return programs


def system_kb():
    return proc_kb("/proc/meminfo", ["Shmem", "Slab"])


def run_idle(lab, where, ip, connections):
    """Opens `connections`, both ends here, in as few processes as descriptors allow.

    Returns bytes per connection end, split by process, and how many processes it took.
    """
    most = (descriptor_limit() - 1200) // 2
    processes = -(-connections // most)
    counts = [connections // processes + (1 if i < connections % processes else 0)
              for i in range(processes)]
    lab.go_on()
    programs = start_idle(lab, where, ip, counts)
    try:
        pids = {f"program {i}": read_ready(p, 30) for i, p in enumerate(programs)}
        for w in lab.watch():
            name, pid = w.rsplit(":", 1)
            pids[name] = int(pid)
        before = {name: memory_kb(pid) for name, pid in pids.items()}
        system_before = system_kb()
        for p in programs:
            p.stdin.write("open\n")
            p.stdin.flush()
            read_ready(p, 300)
        after = {name: memory_kb(pid) for name, pid in pids.items()}
        system_after = system_kb()
        for p in programs:
            p.stdin.write("end\n")
            p.stdin.flush()
        for p in programs:
            if p.wait(timeout=300) != 0:
                raise BenchError(error_text(p))
    finally:
        for p in programs:
            stop(p)
        if lab.alive():
            lab.pause()
    ends = connections * 2
    grown = {name: (after[name]["Pss"] - before[name]["Pss"]) * 1024 / ends for name in pids}
    split = {"library": sum(v for k, v in grown.items() if k.startswith("program")),
             "accelerator": grown.get("eta_fw", 0.0), "agent": grown.get("eta-agentd", 0.0)}
    return {"processes": processes, "ends": ends, "split": split,
            "user_bytes": sum(split.values()),
            "shared_bytes": (system_after["Shmem"] - system_before["Shmem"]) * 1024 / ends,
            "kernel_bytes": (system_after["Slab"] - system_before["Slab"]) * 1024 / ends}
