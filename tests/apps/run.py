#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Runs the functions test_* of the files test_*.py here; each gets a lab of its own. Prints "ok",
# "not ok" or "skip" for each; exit 0, 1 or 77 (all skipped). Arguments: parts of test names.

import importlib
import os
import pathlib
import signal
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "scripts")]

import lablib  # noqa: E402
from apptest import Skip  # noqa: E402

LIMIT_S = 60


def on_alarm(_signal, _frame):
    raise TimeoutError("the test took too long")


def why_not_at_all():
    if os.geteuid() != 0:
        return "needs root (network namespaces)"
    missing = lablib.have("ip", "ethtool", "python3", "curl")
    return f"missing programs: {', '.join(missing)} (make setup)" if missing else None


def run_one(name, function, port):
    options = getattr(function, "lab_options", {})
    missing = lablib.have(*getattr(function, "programs", ()))
    if missing:
        raise Skip(f"missing programs: {', '.join(missing)} (make setup)")
    if options is None:
        function()
        return
    lab = lablib.Lab(f"t{os.getpid()}", **{"port": port, **options})
    with lab:
        try:
            function(lab)
        except BaseException:
            signal.alarm(0)
            print(lab.logs(), end="")
            raise


def tests(patterns):
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for name, function in vars(module).items():
            full = f"{path.stem[5:]}.{name[5:]}"
            if name.startswith("test_") and callable(function):
                if not patterns or any(p in full for p in patterns):
                    yield full, function


def main():
    reason = why_not_at_all()
    if reason:
        print(f"skip apps: {reason}")
        return 77
    port = os.environ.get("ETA_LAB_PORT", "af_xdp")
    signal.signal(signal.SIGALRM, on_alarm)
    results = []
    for name, function in tests(sys.argv[1:]):
        start = time.monotonic()
        signal.alarm(getattr(function, "limit_s", LIMIT_S))
        try:
            run_one(name, function, port)
            results.append("ok")
            print(f"ok {name} ({time.monotonic() - start:.1f} s)", flush=True)
        except Skip as skip:
            results.append("skip")
            print(f"skip {name}: {skip}", flush=True)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: B902
            results.append("not ok")
            shown = traceback.extract_tb(error.__traceback__)[-1]
            print(f"not ok {name}: {error} ({pathlib.Path(shown.filename).name}:{shown.lineno})")
            sys.stdout.flush()
        finally:
            signal.alarm(0)
    if "not ok" in results or not results:
        return 1
    return 0 if "ok" in results else 77


if __name__ == "__main__":
    sys.exit(main())
