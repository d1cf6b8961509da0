#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes Documentation/counters.md from accel_fw/counters.def. --check: says whether it is up to date."""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent / "accel_fw" / "counters.def"
TARGET = HERE / "counters.md"

HEAD = """<!-- SPDX-License-Identifier: MIT -->
<!-- Made by Documentation/counters.py from accel_fw/counters.def. Do not edit. -->
# Counters

Each processor of the accelerator keeps these counters in the agent pool, 64 bits each, one writer.
`eta-ctl stats` prints them summed over processors, with the same sentences;
`eta-ctl stats --nonzero` leaves out those that have not moved. They start at zero when the agent
starts and go on when the accelerator is restarted.

Each stage of the data path that does not pass a segment or a descriptor on counts it here, so a
difference between what came in and what went out has a name.
"""


def rows(text):
    out = []
    for line in text.splitlines():
        section = re.match(r"^// (?!SPDX|Every counter|Order is)(.*)$", line)
        if section:
            out.append(f"\n## {section.group(1).rstrip('.')}\n\n| counter | meaning |\n|---|---|")
        found = re.match(r'^COUNTER\((\w+), "(.*)"\)', line)
        if found:
            out.append(f"| `{found.group(1)}` | {found.group(2)} |")
    return out


def main():
    joined = re.sub(r'",\s*\n\s*"', '", "', SOURCE.read_text())
    joined = re.sub(r",\s*\n\s+\"", ', "', joined)   # sentence on the next line
    joined = re.sub(r'"\s*\n\s+"', "", joined)       # sentence in two pieces
    text = HEAD + "\n".join(rows(joined)) + "\n"
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text)
        return 0
    if TARGET.exists() and TARGET.read_text() == text:
        print("ok counters.md agrees with counters.def")
        return 0
    print("not ok counters.md: run Documentation/counters.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
