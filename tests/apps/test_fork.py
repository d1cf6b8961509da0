# SPDX-License-Identifier: MIT
# A server that forks for each connection: the child serves what the parent has accepted.

import lablib
from apptest import accelerated, equal, needs

SERVER = f"""
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)
class Server(socketserver.ForkingTCPServer):
    allow_reuse_address = True
Server(("{lablib.SERVER}", 8100), Echo).serve_forever()
"""

CLIENT = f"""
import socket
conns = [socket.create_connection(("{lablib.SERVER}", 8100), 20) for _ in range(4)]
for n, c in enumerate(conns):
    sent = bytes([65 + n]) * 50000
    c.sendall(sent)
    got = b""
    while len(got) < len(sent):
        got += c.recv(65536)
    assert got == sent, n
for c in conns:
    c.shutdown(socket.SHUT_WR)
    assert c.recv(1) == b"", "no end of stream"
print("ok")
"""


@needs("python3")
def test_fork_for_each_connection(lab):
    server = lab.start("server", "python3", "-c", SERVER, log="fork-server")
    lab.wait_listen(server, 8100)
    with accelerated(lab, connections=4, tx_bytes=200_000, rx_bytes=200_000):
        equal(lab.run("client", "python3", "-c", CLIENT).stdout.strip(), "ok", "client")
