# SPDX-License-Identifier: MIT
# Programs of one accelerator talk to each other without a wire, on the port's address and on
# 127.0.0.1; a loopback address without an ETA listener goes through the OS stack.

import lablib
from apptest import accelerated, at_least, curl_sha256, equal, make_file, needs, start_nginx


def fetch_local(lab, host):
    start_nginx(lab, workers=1, host="0.0.0.0")
    wanted = make_file(lab.temp / "www" / "x", 3_000_000)
    with accelerated(lab, tx_bytes=3_000_000, rx_bytes=3_000_000) as delta:
        got = curl_sha256(lab, f"http://{host}/x", where="server")
        equal(got, wanted, "sha256")
    at_least(delta["local_segments"], 10, "local_segments")


@needs("nginx", "curl")
def test_by_the_address_of_the_port(lab):
    fetch_local(lab, lablib.SERVER)


@needs("nginx", "curl")
def test_by_the_loopback_address(lab):
    fetch_local(lab, "127.0.0.1")


@needs("nginx", "curl")
def test_plain_client_is_served_over_loopback(lab):
    start_nginx(lab, workers=1, host="0.0.0.0")
    wanted = make_file(lab.temp / "www" / "x", 300_000)
    got = curl_sha256(lab, "http://127.0.0.1/x", where="os")
    equal(got, wanted, "sha256 of a file fetched past the accelerator")


@needs("nginx", "curl")
def test_client_reaches_a_plain_server_on_loopback(lab):
    start_nginx(lab, workers=1, where="os", host="127.0.0.1")
    wanted = make_file(lab.temp / "www" / "x", 300_000)
    got = curl_sha256(lab, "http://127.0.0.1/x", where="server")
    equal(got, wanted, "sha256 of a file of a server without ETA")
