# SPDX-License-Identifier: MIT
# iperf3: bulk data both ways, select(), a control connection beside the data connections.

import json

import lablib
from apptest import accelerated, at_least, lab_with, needs

BYTES = 100_000_000
MOST = 80_000_000  # the receiving end stops when the sending end says so, not when all is read


def iperf(lab, where, host, *options):
    command = ["iperf3", "-c", host, "-J", "-n", str(BYTES), *options]
    report = json.loads(lab.run(where, *command).stdout)
    at_least(report["end"]["sum_received"]["bytes"], MOST, "bytes received")


def server(lab, where, host):
    process = lab.start(where, "iperf3", "-s", "-B", host, log="iperf3-server")
    lab.wait_listen(process, 5201, where)


@needs("iperf3")
def test_server_receives(lab):
    server(lab, "server", lablib.SERVER)
    with accelerated(lab, connections=2, rx_bytes=MOST):
        iperf(lab, "client", lablib.SERVER)


@needs("iperf3")
def test_server_sends(lab):
    server(lab, "server", lablib.SERVER)
    with accelerated(lab, connections=2, tx_bytes=MOST):
        iperf(lab, "client", lablib.SERVER, "-R")


@needs("iperf3")
@lab_with(port="tap")
def test_both_ways_over_tap(lab):
    server(lab, "server", lablib.SERVER)
    with accelerated(lab, connections=4, rx_bytes=MOST, tx_bytes=MOST):
        iperf(lab, "client", lablib.SERVER)
        iperf(lab, "client", lablib.SERVER, "-R")


@needs("iperf3")
def test_several_streams_at_once(lab):
    server(lab, "server", lablib.SERVER)
    with accelerated(lab, connections=5, rx_bytes=MOST):
        iperf(lab, "client", lablib.SERVER, "-P", "4")


@needs("iperf3")
def test_client_sends_and_receives(lab):
    server(lab, "client", lablib.CLIENT)
    # The peer closes with unread bytes and answers each segment in flight by a RST.
    with accelerated(lab, connections=4, passive=False):
        iperf(lab, "server", lablib.CLIENT)
        iperf(lab, "server", lablib.CLIENT, "-R")
