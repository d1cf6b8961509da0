# SPDX-License-Identifier: MIT
# `make install DESTDIR=`: everything lands where it belongs and runs from there.

import os
import subprocess
import tempfile

import lablib
from apptest import equal, no_lab


@no_lab
def test_into_a_folder():
    with tempfile.TemporaryDirectory(prefix="eta-install-") as folder:
        environment = {**os.environ, "DESTDIR": folder, "PREFIX": "/usr"}
        script = lablib.TOP / "scripts" / "install.sh"
        subprocess.run([script], env=environment, check=True, capture_output=True)
        wanted = ["bin/eta-run", "bin/eta-ctl", "sbin/eta_fw", "sbin/eta-agentd",
                  "lib/libeta_al.so", "lib/libeta_preload.so", "include/eta/abi.h"]
        missing = [f for f in wanted if not os.path.exists(f"{folder}/usr/{f}")]
        equal(missing, [], "files missing")
        environment = {**os.environ, "ETA_AGENT": "/nonexistent/agent.sock"}
        result = subprocess.run([f"{folder}/usr/bin/eta-run", "sh", "-c", "echo $LD_PRELOAD"],
                                env=environment, capture_output=True, text=True, check=True)
        equal(os.path.realpath(result.stdout.strip().split(":")[0]),
              os.path.realpath(f"{folder}/usr/lib/libeta_preload.so"), "library eta-run preloads")
