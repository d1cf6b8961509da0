# SPDX-License-Identifier: MIT
# iperf3: bulk data both ways, select(), a control connection beside the data connections.

import json

import lablib
from apptest import accelerated, at_least, lab_with, needs

BYTES = 100_000_000


def iperf(lab, where, host, *options):
    command = ["iperf3", "-c", host, "-J", "-n", str(BYTES), *options]
    report = json.loads(lab.run(where, *command).stdout)
    at_least(report["end"]["sum_received"]["bytes"], BYTES * 0.9, "bytes received")


def server(lab, where, host):
    process = lab.start(where, "iperf3", "-s", "-B", host, log="iperf3-server")
    lab.wait_listen(process, 5201, where)


@needs("iperf3")
def test_server_receives(lab):
    server(lab, "server", lablib.SERVER)
    with accelerated(lab, connections=2, rx_bytes=BYTES):
        iperf(lab, "client", lablib.SERVER)


@needs("iperf3")
def test_server_sends(lab):
    server(lab, "server", lablib.SERVER)
    with accelerated(lab, connections=2, tx_bytes=BYTES * 9 // 10):
        iperf(lab, "client", lablib.SERVER, "-R")


@needs("iperf3")
@lab_with(port="tap")
def test_both_ways_over_tap(lab):
    server(lab, "server", lablib.SERVER)
    with accelerated(lab, connections=4, rx_bytes=BYTES, tx_bytes=BYTES * 9 // 10):
        iperf(lab, "client", lablib.SERVER)
        iperf(lab, "client", lablib.SERVER, "-R")


@needs("iperf3")
def test_several_streams_at_once(lab):
    server(lab, "server", lablib.SERVER)
    with accelerated(lab, connections=5, rx_bytes=BYTES // 2):
        iperf(lab, "client", lablib.SERVER, "-P", "4")


@needs("iperf3")
def test_client_sends_and_receives(lab):
    server(lab, "client", lablib.CLIENT)
    with accelerated(lab, connections=4, passive=False):
        iperf(lab, "server", lablib.CLIENT)
        iperf(lab, "server", lablib.CLIENT, "-R")
