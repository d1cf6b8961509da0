# SPDX-License-Identifier: MIT
# What no DTI claims travels through the accelerator to eta0 and back (E10): ARP, ICMP, UDP, TCP
# of plain programs, IPv6.

import lablib
from apptest import at_least, curl_sha256, equal, lab_with, make_file, needs, start_nginx

PING = """
import os, socket, struct, sys, time
def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(10)
body = b'x' * 56
head = struct.pack('!BBHHH', 8, 0, 0, 77, 1)
packet = struct.pack('!BBHHH', 8, 0, checksum(head + body), 77, 1) + body
s.sendto(packet, (sys.argv[1], 0))
while True:
    data, peer = s.recvfrom(2000)
    if data[20] == 0 and data[24:26] == struct.pack('!H', 77):
        sys.exit(0)
"""
UDP = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(b'question', (sys.argv[1], 5353))
print(s.recv(2000).decode())
"""
UDP_SERVER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 5353))
print('bound', flush=True)
while True:
    data, peer = s.recvfrom(2000)
    s.sendto(b'answer to ' + data, peer)
"""


def both_ways(lab):
    lab.run("client", "python3", "-c", PING, lablib.SERVER)
    lab.run("os", "python3", "-c", PING, lablib.CLIENT)


def test_ping_both_ways(lab):
    before = lab.counters()
    both_ways(lab)
    after = lab.counters()
    at_least(after["raw_to_os"] - before["raw_to_os"], 2, "raw_to_os")
    at_least(after["raw_from_os"] - before["raw_from_os"], 2, "raw_from_os")


@lab_with(port="tap")
def test_ping_both_ways_over_tap(lab):
    both_ways(lab)


def test_udp(lab):
    server = lab.start("os", "python3", "-c", UDP_SERVER, lablib.SERVER, log="udp")
    lablib.wait_for(lambda: "bound" in (lab.temp / "udp.log").read_text(), "the UDP server")
    out = lab.run("client", "python3", "-c", UDP, lablib.SERVER).stdout.strip()
    equal(out, "answer to question", "answer")
    lab.stop(server)


@needs("nginx", "curl")
def test_plain_server_beside_the_accelerator(lab):
    start_nginx(lab, workers=1, where="os")
    wanted = make_file(lab.temp / "www" / "x", 500_000)
    before = lab.counters()
    equal(curl_sha256(lab, f"http://{lablib.SERVER}/x"), wanted, "sha256")
    after = lab.counters()
    equal(after["accepts_queued"], before["accepts_queued"], "accelerated connections")
    at_least(after["raw_from_os"] - before["raw_from_os"], 300, "raw_from_os")


@needs("nginx", "curl")
def test_plain_client_beside_the_accelerator(lab):
    start_nginx(lab, workers=1, where="client", host=lablib.CLIENT)
    wanted = make_file(lab.temp / "www" / "x", 500_000)
    equal(curl_sha256(lab, f"http://{lablib.CLIENT}/x", where="os"), wanted, "sha256")
