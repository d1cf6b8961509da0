# SPDX-License-Identifier: MIT
# A lab of scripts/lab.sh as a Python object: starts programs in it, waits for their listeners,
# reads the counters of the accelerator and of the OS stack. Used by `make run` and by the tests.

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("ETA_BUILD", TOP / "build"))
LAB_SH = str(TOP / "scripts" / "lab.sh")
SERVER = "10.77.0.1"
CLIENT = "10.77.0.2"
TICKS = os.sysconf("SC_CLK_TCK")

# Counters of the OS stack that must stand still while programs are accelerated.
OS_TCP = ("ActiveOpens", "PassiveOpens", "InSegs", "OutSegs", "CurrEstab")


class LabError(Exception):
    pass


def wait_for(condition, what, limit_s=10.0, step_s=0.02):
    """Returns the first true value of condition()."""
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"gave up waiting for {what}")
        time.sleep(step_s)


def parse_snmp(text):
    """/proc/net/snmp and netstat: pairs of lines, names and values."""
    tables = {}
    lines = text.splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        group, keys = names.split(":", 1)
        tables[group] = dict(zip(keys.split(), map(int, values.split(":", 1)[1].split())))
    return tables


def cpu_seconds(pid):
    """User and system time of one process and its reaped children, all threads."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS


def children_of(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    found = []
    for child in map(int, text.split()):
        found += [child, *children_of(child)]
    return found


class Lab:
    def __init__(self, name, port="af_xdp", idle="sleep", offloads="off"):
        self.name = name
        self.port = port
        self.idle = idle
        self.offloads = offloads
        self.accelerated = port != "os"
        self.temp = None
        self.started = []
        self.env = {}

    # -- life --

    def __enter__(self):
        self.temp = pathlib.Path(tempfile.mkdtemp(prefix=f"eta-{self.name}-"))
        self.temp.chmod(0o755)
        arguments = ["up", "--port", self.port, "--idle", self.idle, "--offloads", self.offloads]
        try:
            result = self.lab(*arguments)
            if result.returncode != 0:
                raise LabError(result.stderr.strip() or result.stdout.strip())
            self.refresh_env()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *exception):
        self.remove()

    def remove(self):
        """Not to be interrupted: a second Ctrl-C must not leave namespaces behind."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        for process in reversed(self.started):
            self.stop(process)
        self.lab("down")
        shutil.rmtree(self.temp, ignore_errors=True)
        signal.signal(signal.SIGINT, before)

    def lab(self, *arguments):
        return subprocess.run(
            [LAB_SH, "--name", self.name, *arguments], capture_output=True, text=True, check=False
        )

    def refresh_env(self):
        lines = self.lab("env").stdout.splitlines()
        self.env = dict(line.split("=", 1) for line in lines)

    def fw(self, action):
        result = self.lab("fw", action)
        if result.returncode != 0:
            raise LabError(f"lab.sh fw {action}: {result.stderr.strip()}")
        self.refresh_env()

    def logs(self):
        """Last lines of everything that writes a log in this lab."""
        text = ""
        folders = [pathlib.Path(self.env.get("ETA_LAB_STATE", "/nonexistent")), self.temp]
        for path in sorted(p for folder in folders for p in folder.glob("*.log")):
            tail = path.read_text(errors="replace").splitlines()[-12:]
            if tail:
                text += f"--- {path.name}\n" + "\n".join(tail) + "\n"
        return text

    # -- programs --

    def _command(self, where, command, env):
        prefix = ["env", *(f"{k}={v}" for k, v in env.items())] if env else []
        return [LAB_SH, "--name", self.name, where, *prefix, *map(str, command)]

    def start(self, where, *command, log=None, env=None, **options):
        """where: server, os or client. The pid is that of the program itself (lab.sh execs)."""
        out = open(self.temp / f"{log or pathlib.Path(command[0]).name}.log", "ab")
        options.setdefault("stdout", out)
        options.setdefault("stderr", out)
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(self._command(where, command, env), **options)
        out.close()
        self.started.append(process)
        return process

    def run(self, where, *command, env=None, timeout=60, check=True, text=True, **options):
        command = self._command(where, command, env)
        options.setdefault("stdin", subprocess.DEVNULL)
        result = subprocess.run(
            command, capture_output=True, text=text, timeout=timeout, check=False, **options
        )
        if check and result.returncode != 0:
            said = result.stderr if text else result.stderr.decode(errors="replace")
            raise LabError(f"{' '.join(command[3:])}: exit {result.returncode}: {said.strip()}")
        return result

    def stop(self, process, how=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process in self.started:
            self.started.remove(process)

    # -- what is going on --

    def ctl(self, *arguments, check=True):
        """eta-ctl in the server namespace; JSON of its answer."""
        result = self.run("os", BUILD / "eta-ctl", *arguments, "--json", check=check)
        return json.loads(result.stdout)

    def counters(self):
        counters = self.ctl("stats")["counters"]
        return {name: entry["value"] for name, entry in counters.items()}

    def listeners(self, port):
        rows = self.ctl("ss", "--listening")["connections"]
        return [row for row in rows if row["local"].endswith(f":{port}")]

    def os_counters(self, where="os"):
        text = self.run(where, "cat", "/proc/net/snmp", "/proc/net/netstat").stdout
        return parse_snmp(text)

    def os_tcp(self):
        tcp = self.os_counters()["Tcp"]
        return {name: tcp[name] for name in OS_TCP}

    def os_listens(self, port, where="os"):
        """A socket of this namespace is in LISTEN on the port (no connection is made)."""
        suffix = f":{port:04X}"
        files = ["/proc/net/tcp", "/proc/net/tcp6"]
        text = self.run(where, "cat", *files, check=False).stdout
        rows = (line.split() for line in text.splitlines())
        return any(len(r) > 3 and r[1].endswith(suffix) and r[3] == "0A" for r in rows)

    def wait_listen(self, process, port, where="server", workers=0):
        """Until the program listens; accelerated ones until the agent knows the listener, and
        one of each worker process."""

        def ready():
            if process.poll() is not None:
                raise LabError(f"the server ended with {process.returncode}\n{self.logs()}")
            if not self.os_listens(port, "client" if where == "client" else "os"):
                return False
            if where != "server" or not self.accelerated:
                return True
            rows = self.listeners(port)
            if not workers:
                return bool(rows)
            owners = {row["program"]["pid"] for row in rows if row["program"]}
            return len(owners & set(children_of(process.pid))) >= workers

        wait_for(ready, f"a listener on port {port}")

    def why(self):
        return self.ctl("why")

    # -- both sides' CPU --

    def daemon_pids(self):
        names = ("ETA_LAB_FW_PID", "ETA_LAB_AGENTD_PID")
        return [int(self.env[n]) for n in names if self.env.get(n)]

    def cpu_of(self, *processes):
        """CPU seconds of these programs, their children and the lab's daemons, so far."""
        pids = set(self.daemon_pids())
        for process in processes:
            pids |= {process.pid, *children_of(process.pid)}
        return sum(cpu_seconds(pid) for pid in pids)


def fetch_raw(lab, port, data=b"", where="client", timeout=10):
    """One TCP exchange by a small program in the namespace; returns what the peer sent."""
    script = (
        "import socket,sys\n"
        f"s=socket.create_connection(('{SERVER}',{port}),{timeout})\n"
        f"s.sendall({data!r})\n"
        "out=b''\n"
        "while True:\n"
        "    b=s.recv(65536)\n"
        "    if not b: break\n"
        "    out+=b\n"
        "sys.stdout.buffer.write(out)\n"
    )
    return lab.run(where, "python3", "-c", script, text=False, timeout=timeout + 5).stdout


def have(*programs):
    """Names of the programs that are missing."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [p for p in programs if shutil.which(p, path=path) is None]
