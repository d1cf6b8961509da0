# SPDX-License-Identifier: MIT
# What the application tests share: decorators, and the two proofs of "accelerated".

import contextlib
import hashlib
import os

import lablib


class Skip(Exception):
    pass


def needs(*programs):
    """The test is skipped when one of these programs is missing."""

    def mark(function):
        function.programs = programs
        return function

    return mark


def lab_with(**options):
    """Other options for the lab than the default ones (port, idle)."""

    def mark(function):
        function.lab_options = options
        return function

    return mark


def no_lab(function):
    function.lab_options = None
    return function


def limit(seconds):
    def mark(function):
        function.limit_s = seconds
        return function

    return mark


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r}, expected {wanted!r}")


def at_least(got, wanted, what):
    if got < wanted:
        raise AssertionError(f"{what}: {got}, expected at least {wanted}")


class Delta(dict):
    """Differences of the accelerator's counters; filled when the block ends."""


@contextlib.contextmanager
def accelerated(lab, connections=1, tx_bytes=0, rx_bytes=0, passive=True):
    """Proof by both sides: the accelerator's counters move by at least this much, and those of
    the OS's TCP in the server namespace do not move at all."""
    before, os_before = lab.counters(), lab.os_tcp()
    delta = Delta()
    yield delta
    after, os_after = lab.counters(), lab.os_tcp()
    delta.update({name: after[name] - before[name] for name in after})
    counter = "accepts_queued" if passive else "active_opens"
    if counter in delta:
        at_least(delta[counter], connections, counter)
    at_least(delta["bytes_from_apps"], tx_bytes, "bytes_from_apps")
    at_least(delta["bytes_to_apps"], rx_bytes, "bytes_to_apps")
    equal(os_after, os_before, "TCP counters of the OS stack in the server namespace")


def make_file(path, size, seed=1):
    """A file of reproducible noise; returns its sha256."""
    block = hashlib.sha512(str(seed).encode()).digest() * 1024
    digest = hashlib.sha256()
    with open(path, "wb") as out:
        left = size
        counter = 0
        while left > 0:
            piece = hashlib.sha512(block[:64] + counter.to_bytes(8, "big")).digest() + block
            piece = piece[: min(left, len(piece))]
            out.write(piece)
            digest.update(piece)
            left -= len(piece)
            counter += 1
    os.chmod(path, 0o644)
    return digest.hexdigest()


def curl_sha256(lab, url, *options, where="client"):
    command = ["curl", "-sS", "--fail", "--max-time", "40", *options, url]
    body = lab.run(where, *command, text=False, timeout=50).stdout
    return hashlib.sha256(body).hexdigest()


def nginx_config(lab, workers=2, port=80, host=lablib.SERVER, extra=""):
    folders = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temps = "\n".join(f"    {f}_temp_path {lab.temp}/{f};" for f in folders)
    text = f"""
daemon off;
worker_processes {workers};
pid {lab.temp}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
{temps}
    server {{ listen {host}:{port}; root {lab.temp}/www; {extra} }}
}}
"""
    path = lab.temp / "nginx.conf"
    path.write_text(text)
    (lab.temp / "www").mkdir(exist_ok=True)
    return path


def start_nginx(lab, workers=2, where="server", port=80, host=lablib.SERVER):
    config = nginx_config(lab, workers, port, host)
    process = lab.start(where, "nginx", "-c", config, "-e", "stderr", log="nginx")
    lab.wait_listen(process, port, where, workers=workers)
    return process


def start_redis(lab, where="server", port=6379, host=lablib.SERVER):
    command = ["redis-server", "--bind", host, "--port", str(port), "--save", ""]
    command += ["--appendonly", "no", "--protected-mode", "no", "--dir", lab.temp]
    process = lab.start(where, *command, log="redis")
    lab.wait_listen(process, port, where)
    return process
