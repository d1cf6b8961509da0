# SPDX-License-Identifier: MIT
# redis-server: one thread, level-triggered epoll, many small requests.

import lablib
from apptest import accelerated, equal, lab_with, needs, start_redis

AT = ("-h", lablib.SERVER)


@needs("redis-server", "redis-cli")
def test_set_and_get(lab):
    start_redis(lab)
    with accelerated(lab, connections=3):
        equal(lab.run("client", "redis-cli", *AT, "set", "a", "b").stdout.strip(), "OK", "SET")
        equal(lab.run("client", "redis-cli", *AT, "get", "a").stdout.strip(), "b", "GET")
        equal(lab.run("client", "redis-cli", *AT, "ping").stdout.strip(), "PONG", "PING")


def benchmark(lab, *options):
    command = ["redis-benchmark", *AT, "-t", "set,get", "--csv", *options]
    out = lab.run("client", *command).stdout
    rows = [line for line in out.splitlines() if line.startswith(('"SET', '"GET'))]
    equal(len(rows), 2, f"rows of redis-benchmark in {out!r}")


@needs("redis-server", "redis-benchmark")
def test_benchmark(lab):
    start_redis(lab)
    with accelerated(lab, connections=64):
        benchmark(lab, "-n", "20000", "-c", "32")


@needs("redis-server", "redis-benchmark")
@lab_with(port="tap")
def test_benchmark_over_tap(lab):
    start_redis(lab)
    with accelerated(lab, connections=64):
        benchmark(lab, "-n", "20000", "-c", "32")


@needs("redis-server", "redis-benchmark")
def test_pipelined_benchmark(lab):
    start_redis(lab)
    with accelerated(lab, connections=32):
        benchmark(lab, "-n", "50000", "-c", "16", "-P", "16")


@needs("redis-server", "redis-benchmark")
def test_large_values(lab):
    start_redis(lab)
    with accelerated(lab, tx_bytes=20 * 200_000, rx_bytes=20 * 200_000):
        benchmark(lab, "-n", "40", "-c", "4", "-d", "200000")


@needs("redis-server", "redis-cli")
def test_redis_client_accelerated_too(lab):
    start_redis(lab)
    with accelerated(lab, connections=1) as delta:
        equal(lab.run("server", "redis-cli", *AT, "ping").stdout.strip(), "PONG", "PING")
    if delta["local_segments"] == 0:
        raise AssertionError("the connection on one machine went over the wire")
