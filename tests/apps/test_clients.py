# SPDX-License-Identifier: MIT
# Unmodified clients under eta-run; their servers are plain ones in the client namespace.

import lablib
from apptest import accelerated, curl_sha256, equal, lab_with, make_file, needs, start_nginx

URL = f"http://{lablib.CLIENT}"


def plain_nginx(lab):
    start_nginx(lab, workers=1, where="client", host=lablib.CLIENT)


def download(lab):
    plain_nginx(lab)
    sizes = {"empty": 0, "small": 1000, "large": 20_000_000}
    sums = {n: make_file(lab.temp / "www" / n, size) for n, size in sizes.items()}
    with accelerated(lab, connections=3, rx_bytes=20_000_000, passive=False):
        for name, wanted in sums.items():
            equal(curl_sha256(lab, f"{URL}/{name}", where="server"), wanted, f"sha256 of {name}")


@needs("nginx", "curl")
def test_curl_downloads(lab):
    download(lab)


@needs("nginx", "curl")
@lab_with(port="tap")
def test_curl_downloads_over_tap(lab):
    download(lab)


@needs("curl", "python3")
def test_curl_uploads(lab):
    make_file(lab.temp / "up", 5_000_000)
    script = (
        "import http.server,hashlib\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_POST(self):\n"
        "        d=self.rfile.read(int(self.headers['Content-Length']))\n"
        "        b=hashlib.sha256(d).hexdigest().encode()\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Length',str(len(b)))\n"
        "        self.end_headers()\n"
        "        self.wfile.write(b)\n"
        f"http.server.HTTPServer(('{lablib.CLIENT}',8000),H).serve_forever()\n"
    )
    server = lab.start("client", "python3", "-c", script, log="upload")
    lab.wait_listen(server, 8000, "client")
    wanted = make_file(lab.temp / "same", 5_000_000)
    with accelerated(lab, tx_bytes=5_000_000, passive=False):
        command = ["curl", "-sS", "--fail", "--data-binary", f"@{lab.temp}/up"]
        out = lab.run("server", *command, f"{URL}:8000/").stdout
    equal(out, wanted, "sha256 of the upload")


@needs("curl")
def test_curl_connection_refused(lab):
    with accelerated(lab, connections=0, passive=False):
        result = lab.run("server", "curl", "-sS", f"{URL}:81/", check=False)
    equal(result.returncode, 7, "exit code of curl when nobody listens")


@needs("nginx", "wrk")
def test_wrk_as_a_client(lab):
    plain_nginx(lab)
    make_file(lab.temp / "www" / "x", 1000)
    with accelerated(lab, connections=32, rx_bytes=1_000_000, passive=False):
        out = lab.run("server", "wrk", "-t2", "-c32", "-d2s", f"{URL}/x").stdout
    if "Socket errors" in out or "Non-2xx" in out:
        raise AssertionError(f"wrk saw errors:\n{out}")
