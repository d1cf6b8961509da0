# SPDX-License-Identifier: MIT
# memcached: several threads, libevent.

import lablib
from apptest import accelerated, equal, needs


@needs("memcached")
def test_set_and_get(lab):
    options = ["-u", "root", "-l", lablib.SERVER, "-p", "11211", "-U", "0", "-t", "2"]
    server = lab.start("server", "memcached", *options, log="memcached")
    lab.wait_listen(server, 11211)
    value = b"v" * 500_000
    with accelerated(lab, connections=9, tx_bytes=8 * len(value), rx_bytes=len(value)):
        request = b"set k 7 0 %d\r\n%s\r\nquit\r\n" % (len(value), value)
        equal(talk(lab, request), b"STORED\r\n", "answer to set")
        for _ in range(8):
            out = talk(lab, b"get k\r\nquit\r\n")
            equal(out, b"VALUE k 7 %d\r\n%s\r\nEND\r\n" % (len(value), value), "answer to get")


def talk(lab, request):
    path = lab.temp / "request"
    path.write_bytes(request)
    script = (
        "import socket,sys\n"
        f"s=socket.create_connection(('{lablib.SERVER}',11211),10)\n"
        f"s.sendall(open('{path}','rb').read())\n"
        "while b:=s.recv(65536): sys.stdout.buffer.write(b)\n"
    )
    return lab.run("client", "python3", "-c", script, text=False).stdout
