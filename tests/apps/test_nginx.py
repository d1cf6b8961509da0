# SPDX-License-Identifier: MIT
# nginx as a server: an unmodified program with worker processes, epoll edge-triggered, sendfile.

import lablib
from apptest import (accelerated, at_least, curl_sha256, equal, lab_with, make_file, needs,
                     start_nginx)

URL = f"http://{lablib.SERVER}"


def serve_sizes(lab):
    server = start_nginx(lab)
    sizes = {"empty": 0, "small": 1000, "medium": 100_000, "large": 50_000_000}
    sums = {n: make_file(lab.temp / "www" / n, size) for n, size in sizes.items()}
    with accelerated(lab, connections=4, tx_bytes=sum(sizes.values())):
        for name, wanted in sums.items():
            equal(curl_sha256(lab, f"{URL}/{name}"), wanted, f"sha256 of {name}")
    equal(server.poll(), None, "exit code of nginx while it serves")


@needs("nginx", "curl")
def test_files_of_all_sizes_arrive_whole(lab):
    serve_sizes(lab)


@needs("nginx", "curl")
@lab_with(port="tap")
def test_files_of_all_sizes_over_tap(lab):
    serve_sizes(lab)


@needs("nginx", "curl")
@lab_with(idle="spin")
def test_files_of_all_sizes_with_a_spinning_accelerator(lab):
    serve_sizes(lab)


@needs("nginx", "curl")
def test_many_requests_on_one_connection(lab):
    start_nginx(lab, workers=1)
    make_file(lab.temp / "www" / "x", 3000)
    urls = [f"{URL}/x"] * 200
    with accelerated(lab, tx_bytes=200 * 3000) as delta:
        out = lab.run("client", "curl", "-sS", "--fail", *urls, text=False).stdout
        equal(len(out), 200 * 3000, "bytes")
    equal(delta["accepts_queued"], 1, "connections")


@needs("nginx", "curl")
def test_absent_file_and_range(lab):
    start_nginx(lab, workers=1)
    make_file(lab.temp / "www" / "x", 10_000)
    with accelerated(lab, connections=2):
        code = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"]
        equal(lab.run("client", *code, f"{URL}/absent").stdout, "404", "status")
        out = lab.run("client", "curl", "-s", "-r", "500-999", f"{URL}/x", text=False).stdout
        equal(out, (lab.temp / "www" / "x").read_bytes()[500:1000], "range")


@needs("nginx", "wrk")
def test_load_of_many_connections(lab):
    start_nginx(lab)
    make_file(lab.temp / "www" / "x", 1000)
    with accelerated(lab, connections=64, tx_bytes=1_000_000):
        out = lab.run("client", "wrk", "-t1", "-c64", "-d2s", f"{URL}/x").stdout
    if "Socket errors" in out or "Non-2xx" in out:
        raise AssertionError(f"wrk saw errors:\n{out}")


@needs("nginx", "curl")
def test_nothing_falls_back(lab):
    server = start_nginx(lab)
    make_file(lab.temp / "www" / "x", 1000)
    curl_sha256(lab, f"{URL}/x")
    pids = {server.pid, *lablib.children_of(server.pid)}
    rows = [p for p in lab.why()["processes"] if p["pid"] in pids]
    at_least(len(rows), 1, "processes known to eta-ctl why")
    for process in rows:
        equal(process["sockets"], [], f"fallbacks of {process['program']}")
