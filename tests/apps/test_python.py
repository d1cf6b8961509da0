# SPDX-License-Identifier: MIT
# python3 -m http.server: a thread for each connection, poll and sendfile.

import lablib
from apptest import accelerated, curl_sha256, equal, make_file, needs


@needs("python3", "curl")
def test_http_server(lab):
    (lab.temp / "www").mkdir()
    sizes = {"empty": 0, "small": 1000, "large": 5_000_000}
    sums = {n: make_file(lab.temp / "www" / n, size) for n, size in sizes.items()}
    options = ["--bind", lablib.SERVER, "--directory", lab.temp / "www"]
    server = lab.start("server", "python3", "-m", "http.server", *options, "8000", log="python")
    lab.wait_listen(server, 8000)
    with accelerated(lab, connections=3, tx_bytes=sum(sizes.values())):
        for name, wanted in sums.items():
            got = curl_sha256(lab, f"http://{lablib.SERVER}:8000/{name}")
            equal(got, wanted, f"sha256 of {name}")


@needs("python3", "curl")
def test_http_client(lab):
    (lab.temp / "www").mkdir()
    make_file(lab.temp / "www" / "x", 300_000)
    options = ["--bind", lablib.CLIENT, "--directory", lab.temp / "www"]
    server = lab.start("client", "python3", "-m", "http.server", *options, "8000", log="python")
    lab.wait_listen(server, 8000, "client")
    script = (
        "import urllib.request,hashlib,sys\n"
        f"b=urllib.request.urlopen('http://{lablib.CLIENT}:8000/x',timeout=20).read()\n"
        "sys.stdout.write(str(len(b)))\n"
    )
    with accelerated(lab, rx_bytes=300_000, passive=False):
        equal(lab.run("server", "python3", "-c", script).stdout, "300000", "bytes")
