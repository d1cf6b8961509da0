# SPDX-License-Identifier: MIT
# `make run` itself (the half without a VM), and that it cleans up after Ctrl-C.

import os
import pathlib
import signal
import subprocess
import sys

import lablib
from apptest import equal, limit, needs, no_lab

DEMO = lablib.TOP / "scripts" / "demo.py"


def left_over(pid):
    """Namespaces, state directories and temporary folders of the demonstration `pid`."""
    prefix = f"run{pid}-"
    places = [pathlib.Path("/run/netns"), pathlib.Path("/run/eta-lab")]
    found = [str(p) for place in places if place.exists() for p in place.glob(f"{prefix}*")]
    return found + [str(p) for p in pathlib.Path("/tmp").glob(f"eta-{prefix}*")]


@no_lab
@limit(120)
@needs("nginx", "redis-server", "redis-benchmark", "wrk", "curl")
def test_quick_run_passes_and_leaves_nothing():
    process = subprocess.Popen([sys.executable, "-B", DEMO, "--quick"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out, _ = process.communicate(timeout=110)
    print(out)
    equal(process.returncode, 0, "exit code of the demonstration")
    equal(left_over(process.pid), [], "left over")


@no_lab
@needs("nginx", "redis-server", "redis-benchmark", "wrk", "curl")
def test_interrupted_run_leaves_nothing():
    process = subprocess.Popen([sys.executable, "-B", DEMO, "--quick"], text=True,
                               start_new_session=True, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    up = pathlib.Path(f"/run/eta-lab/run{process.pid}-os/up")
    lablib.wait_for(lambda: up.exists() or process.poll() is not None, "the labs")
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    equal(process.returncode, 130, f"exit code ({out.strip()[-300:]})")
    equal(left_over(process.pid), [], "left over")
