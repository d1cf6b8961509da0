#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Rules of the house style that a program can check: function and file length, length of
# Loop::turn, SPDX lines and licence per folder, line width, no kernel version tests outside
# compat.h, no paths of a developer's machine, no asserts on the data path's input.
# `lint.py FILE…` checks only those files; `lint.py --longest` prints the longest functions.

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
MAX_FUNCTION = 70
MAX_TURN = 50
MAX_FILE = 600
MAX_COLUMNS = 100
CODE = {".c", ".h", ".cc", ".cpp", ".hpp"}
TEXT = CODE | {".py", ".sh", ".mk", ".def", ".md", ".yml", ".conf", ".awk"}
SKIP = {"layout.golden", "LICENSE"}
LICENCES = {
    "kmod": "GPL-2.0-only",
    "uapi": "(GPL-2.0 WITH Linux-syscall-note) OR MIT",
}
# Paths that show that a file knows the machine it was written on.
MACHINE = re.compile(r"(^|[^.\w$}])/(work|farm|home|root)/")


def tracked_files():
    result = subprocess.run(
        ["git", "-C", TOP, "ls-files", "-co", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 0 and result.stdout:
        paths = (TOP / line for line in result.stdout.splitlines())
    else:
        paths = (p for p in TOP.rglob("*") if not {"build", ".git"} & set(p.parts))
    return [p for p in paths if p.is_file() and p.name not in SKIP and "/build/" not in str(p)]


def is_script(path):
    if path.suffix or path.name.startswith("."):
        return path.suffix in TEXT
    return path.name == "Makefile" or path.read_bytes()[:2] == b"#!"


def blank_out(text):
    """Comments, strings and continued macros replaced by spaces, newlines kept."""
    pattern = re.compile(
        r"//[^\n]*|/\*.*?\*/|R\"(\w*)\(.*?\)\1\"|\"(?:\\.|[^\"\\\n])*\""
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|^[ \t]*#(?:\\\n|[^\n])*",
        re.S | re.M,
    )
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


NOT_A_FUNCTION = re.compile(
    r"^\s*(namespace|extern|struct|class|union|enum|typedef|using namespace)\b"
)


def opener_name(head):
    """Name of the function that a '{' after `head` starts, or None."""
    head = head.strip()
    if not head or NOT_A_FUNCTION.match(re.sub(r"^(template\s*<[^{]*?>|static|inline)\s+", "", head)):
        return None
    if "(" not in head or re.search(r"=\s*$", head):
        return None
    match = re.search(r"([~\w:]+|operator\S+)\s*\(", head)
    return match.group(1) if match else None


def functions_of(text):
    """Yields (name, first line, number of lines); braces are matched, lambdas belong to parents."""
    text = blank_out(text)
    head_start = 0
    line = 1
    depth = 0
    function = None
    for at, char in enumerate(text):
        if char == "\n":
            line += 1
        elif function is not None:
            depth += {"{": 1, "}": -1}.get(char, 0)
            if depth == 0:
                yield function[0], function[1], line - function[1] + 1
                function = None
                head_start = at + 1
        elif char == "{":
            head = text[head_start:at]
            name = opener_name(head)
            if name:
                first = line - head.lstrip().count("\n")
                function = (name, first)
                depth = 1
            else:
                head_start = at + 1
        elif char in ";}":
            head_start = at + 1


def check_code(path, text, errors):
    relative = path.relative_to(TOP)
    lines = text.count("\n")
    if lines > MAX_FILE:
        errors.append(("file length", f"{relative}: {lines} lines, at most {MAX_FILE}"))
    for name, first, length in functions_of(text):
        limit = MAX_TURN if name.endswith("Loop::turn") else MAX_FUNCTION
        if length > limit:
            errors.append(
                ("function length", f"{relative}:{first}: {name} has {length} lines, at most {limit}")
            )
    for number, line in enumerate(text.split("\n"), 1):
        if len(line.expandtabs(8)) > MAX_COLUMNS:
            errors.append(("line width", f"{relative}:{number}: {len(line)} columns"))
    if "LINUX_VERSION_CODE" in text and path.name != "compat.h":
        errors.append(("kernel versions", f"{relative}: version test outside compat.h"))


def check_text(path, text, errors):
    relative = path.relative_to(TOP)
    licence = LICENCES.get(relative.parts[0], "MIT")
    head = "\n".join(text.split("\n")[:5])
    found = re.search(r"SPDX-License-Identifier: ([^\n*]+?)\s*(\*/|-->|$)", head, re.M)
    if not found:
        errors.append(("SPDX line", f"{relative}: none in the first five lines"))
    elif found.group(1) != licence:
        errors.append(("SPDX line", f"{relative}: {found.group(1)}, must be {licence}"))
    for number, line in enumerate(text.split("\n"), 1):
        if MACHINE.search(line):
            errors.append(("machine paths", f"{relative}:{number}: {line.strip()}"))


def check_turn(errors):
    source = TOP / "accel_fw" / "loop.cc"
    if not source.exists():
        errors.append(("Loop::turn", "accel_fw/loop.cc does not exist"))
        return
    turns = [f for f in functions_of(source.read_text()) if f[0].endswith("Loop::turn")]
    if not turns:
        errors.append(("Loop::turn", "accel_fw/loop.cc: no function Loop::turn"))


def self_test(errors):
    sample = "namespace a {\nint f(int x) // {\n{\n    auto g = [] { return '{'; };\n}\n}\n"
    body = "".join(f"    step({i});\n" for i in range(80))
    found = list(functions_of(sample + "void Loop::turn(int now)\n{\n" + body + "}\n"))
    if [(n, c) for n, _, c in found] != [("f", 4), ("Loop::turn", 83)]:
        errors.append(("linter", f"self test found {found}"))


RULES = (
    ["linter", "file length", "function length", "Loop::turn", "line width"]
    + ["kernel versions", "SPDX line", "machine paths"]
)


def main():
    arguments = sys.argv[1:]
    longest = "--longest" in arguments
    names = [a for a in arguments if not a.startswith("--")]
    paths = [pathlib.Path(n).resolve() for n in names] or tracked_files()
    errors = []
    table = []
    self_test(errors)
    for path in paths:
        if not is_script(path):
            continue
        text = path.read_text(errors="replace")
        check_text(path, text, errors)
        if path.suffix in CODE:
            check_code(path, text, errors)
            table += [(n, f"{path.relative_to(TOP)}:{at} {f}") for f, at, n in functions_of(text)]
    check_turn(errors)
    if longest:
        for length, where in sorted(table, reverse=True)[:20]:
            print(f"{length:4} {where}")
        return 0
    for rule in RULES:
        bad = [text for kind, text in errors if kind == rule]
        print(("not ok " if bad else "ok ") + rule)
        for text in bad:
            print("    " + text)
    print(f"    {len(paths)} files, {len(table)} functions")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
