# SPDX-License-Identifier: MIT
# Parts that die: the accelerator while programs block, a program in mid-transfer, no agent at all.

import signal

import lablib
from apptest import (accelerated, curl_sha256, equal, limit, make_file, needs, no_lab, start_nginx,
                     start_redis)

# Blocks in recv; tells how it ended.
BLOCKED = """
import socket, sys
s = socket.create_connection((sys.argv[1], 7000), 10)
s.settimeout(None)
print('connected', flush=True)
try:
    print('got', s.recv(100), flush=True)
except OSError as e:
    print('error', e.errno, flush=True)
"""
# Accepts one connection, waits for a line on stdin, then sends.
LATE = """
import socket, sys
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind((sys.argv[1], 7000))
l.listen(5)
s, _ = l.accept()
print('accepted', flush=True)
sys.stdin.readline()
s.sendall(b'late')
s.close()
"""


def says(lab, log, word, limit_s=10):
    path = lab.temp / f"{log}.log"
    lablib.wait_for(lambda: word in path.read_text(), f"'{word}' in {log}", limit_s)


def blocked_pair(lab):
    late = lab.start("client", "python3", "-c", LATE, lablib.CLIENT, log="late", stdin=-1)
    lab.wait_listen(late, 7000, "client")
    blocked = lab.start("server", "python3", "-c", BLOCKED, lablib.SERVER.replace("0.1", "0.2"),
                        log="blocked")
    says(lab, "late", "accepted")
    says(lab, "blocked", "connected")
    return late, blocked


def test_accelerator_killed_and_restarted_while_a_program_blocks(lab):
    late, blocked = blocked_pair(lab)
    lab.fw("kill")
    lab.fw("start")
    late.stdin.write(b"\n")
    late.stdin.close()
    blocked.wait(30)
    said = (lab.temp / "blocked.log").read_text()
    if "got b'late'" not in said and "error" not in said:
        raise AssertionError(f"the blocked program said {said!r}")


def test_accelerator_killed_for_good_wakes_the_blocked(lab):
    _late, blocked = blocked_pair(lab)
    lab.fw("kill")
    blocked.wait(30)
    says(lab, "blocked", "error")


@needs("nginx", "curl")
def test_new_connections_after_a_restart(lab):
    start_nginx(lab, workers=1)
    wanted = make_file(lab.temp / "www" / "x", 100_000)
    lab.fw("kill")
    lab.fw("start")
    with accelerated(lab, tx_bytes=100_000):
        equal(curl_sha256(lab, f"http://{lablib.SERVER}/x"), wanted, "sha256")


@limit(90)
@needs("nginx", "curl")
def test_transfer_goes_on_after_a_restart(lab):
    start_nginx(lab, workers=1)
    wanted = make_file(lab.temp / "www" / "x", 30_000_000)
    out = lab.temp / "fetched"
    command = ["curl", "-sS", "--fail", "--limit-rate", "6M", "--max-time", "60", "-o", out]
    curl = lab.start("client", *command, f"http://{lablib.SERVER}/x", log="curl")
    lablib.wait_for(lambda: out.exists() and out.stat().st_size > 2_000_000, "the first bytes")
    lab.fw("kill")
    lab.fw("start")
    equal(curl.wait(70), 0, f"exit code of curl: {(lab.temp / 'curl.log').read_text()}")
    got = lab.run("client", "sha256sum", out).stdout.split()[0]
    equal(got, wanted, "sha256 of a file fetched across a restart of the accelerator")


@needs("python3")
def test_program_killed_in_mid_transfer(lab):
    script = (
        "import socket\n"
        "l=socket.socket()\n"
        "l.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\n"
        f"l.bind(('{lablib.SERVER}',7001))\n"
        "l.listen(5)\n"
        "while True:\n"
        "    s,_=l.accept()\n"
        "    while True: s.sendall(b'x'*100000)\n"
    )
    before = len(lab.ctl("status")["programs"])
    server = lab.start("server", "python3", "-c", script, log="sender")
    lab.wait_listen(server, 7001)
    reader = (
        "import socket,sys\n"
        f"s=socket.create_connection(('{lablib.SERVER}',7001),10)\n"
        "n=0\n"
        "try:\n"
        "    while True:\n"
        "        b=s.recv(65536)\n"
        "        if not b: print('end',flush=True); break\n"
        "        n+=len(b)\n"
        "        if n>1000000 and n<1100000: print('running',flush=True)\n"
        "except ConnectionError as e: print('end',flush=True)\n"
    )
    client = lab.start("client", "python3", "-c", reader, log="reader")
    says(lab, "reader", "running")
    lab.stop(server, signal.SIGKILL)
    says(lab, "reader", "end")
    equal(client.wait(10), 0, "exit code of the peer")
    lablib.wait_for(lambda: len(lab.ctl("status")["programs"]) == before, "the slots to come back")
    equal(lab.listeners(7001), [], "listeners of the dead program")


@needs("redis-server", "redis-cli")
def test_the_neighbour_goes_on_when_a_program_is_killed(lab):
    start_redis(lab)
    nginx = start_nginx(lab, workers=1)
    workers = lablib.children_of(nginx.pid)
    lab.stop(nginx, signal.SIGKILL)
    for pid in workers:
        lab.run("os", "kill", "-KILL", str(pid), check=False)
    with accelerated(lab, connections=1):
        out = lab.run("client", "redis-cli", "-h", lablib.SERVER, "ping").stdout.strip()
    equal(out, "PONG", "answer of redis")


@no_lab
@needs("nginx", "curl")
def test_no_agent_means_the_os_stack_and_why_says_so():
    import os

    with lablib.Lab(f"n{os.getpid()}", port="os") as lab:
        from apptest import nginx_config

        missing = {"ETA_AGENT": f"{lab.temp}/nobody.sock"}
        config = nginx_config(lab, workers=1)
        wanted = make_file(lab.temp / "www" / "x", 100_000)
        run = lablib.BUILD / "eta-run"
        server = lab.start("os", run, "nginx", "-c", config, "-e", "stderr", log="nginx",
                           env=missing)
        lab.wait_listen(server, 80, "os")
        equal(curl_sha256(lab, f"http://{lablib.SERVER}/x"), wanted, "sha256")
        equal(lab.os_tcp()["PassiveOpens"] >= 1, True, "served by the OS stack")
        text = lab.run("os", lablib.BUILD / "eta-ctl", "why", str(server.pid), env=missing).stdout
        if "agent" not in text:
            raise AssertionError(f"eta-ctl why does not name the missing agent: {text!r}")
