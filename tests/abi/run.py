#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Law 8: the binary interface is frozen by test. Finds every struct of uapi/eta/*.h, makes a C and
# a C++ program that print size and offset of every field (and the value of every constant),
# and compares both with layout.golden. Each header is also compiled alone, with -Wpadded.

import argparse
import difflib
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "layout.golden"
WARN = ["-Wall", "-Wextra", "-Wpadded", "-Wpedantic", "-Werror"]
failures = 0


def report(ok, name, detail=""):
    global failures
    print(("ok " if ok else "not ok ") + name, flush=True)
    if not ok:
        failures += 1
        print(detail, file=sys.stderr)


def strip_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)


def structs_of(text):
    """Yields (name, fields) of each struct definition; nested structs are not allowed."""
    for match in re.finditer(r"^struct (\w+) \{(.*?)^\};", text, re.S | re.M):
        name, body = match.groups()
        if "{" in body or "union" in body:
            raise SystemExit(f"struct {name}: nested types have no place in the interface")
        fields = []
        for declaration in body.split(";"):
            declaration = declaration.strip()
            if declaration:
                fields.append(re.search(r"(\w+)(\s*\[[^\]]*\])*$", declaration).group(1))
        yield name, fields


def type_errors(header, text):
    """Only fixed-width types, other structs and char arrays may appear as fields."""
    allowed = re.compile(r"(__[us](8|16|32|64)|__be(16|32)|struct eta_\w+|char)\s+\w+")
    for name, body in re.findall(r"^struct (\w+) \{(.*?)^\};", text, re.S | re.M):
        for declaration in filter(None, (d.strip() for d in body.split(";"))):
            if not allowed.match(declaration) or "*" in declaration or ":" in declaration:
                yield f"{header}: struct {name}: type not allowed: {declaration}"


def constants_of(text):
    """Object-like macros with a value that is an integer expression."""
    for name, value in re.findall(r"^#define (ETA_\w+)[ \t]+([^\n]+)$", text, re.M):
        if not re.search(r"\"|sizeof|__atomic", value):
            yield name


def program(headers):
    lines = [f"#include <eta/{h.name}>" for h in headers]
    lines += ["#include <stddef.h>", "#include <stdio.h>", "int main(void)", "{"]
    for header in headers:
        text = strip_comments(header.read_text())
        lines.append(f'\tprintf("# {header.name}\\n");')
        for name in constants_of(text):
            lines.append(f'\tprintf("const {name} 0x%llx\\n", (unsigned long long)({name}));')
        for name, fields in structs_of(text):
            lines.append(f'\tprintf("struct {name} size %zu\\n", sizeof(struct {name}));')
            for field in fields:
                member = f"((struct {name} *)0)->{field}"
                lines.append(
                    f'\tprintf("  %zu {field} %zu\\n", offsetof(struct {name}, {field}),'
                    f" sizeof({member}));"
                )
    lines += ["\treturn 0;", "}"]
    return "\n".join(lines) + "\n"


def compile_alone(args, header):
    for compiler, language, standard in (
        (args.cc, "c", "gnu11"),
        (args.cxx, "c++", "c++20"),
    ):
        source = f"#include <eta/{header.name}>\nextern int unused;\n"
        pedantic = [w for w in WARN if w != "-Wpedantic" or language == "c"]
        command = [compiler, "-x", language, f"-std={standard}", *pedantic]
        command += [f"-I{args.uapi}", "-fsyntax-only", "-"]
        result = subprocess.run(command, input=source, text=True, capture_output=True)
        report(result.returncode == 0, f"{header.name} compiles alone as {language}", result.stderr)


def layout_by(args, compiler, language, standard, source):
    path = pathlib.Path(args.out) / f"layout.{'c' if language == 'c' else 'cc'}"
    binary = pathlib.Path(args.out) / f"layout_{'c' if language == 'c' else 'cxx'}"
    path.write_text(source)
    command = [compiler, "-x", language, f"-std={standard}", f"-I{args.uapi}", "-Wpadded"]
    subprocess.run([*command, "-Werror", str(path), "-o", str(binary)], check=True)
    return subprocess.run([str(binary)], check=True, text=True, capture_output=True).stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--cxx", default="g++")
    parser.add_argument("--uapi", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--write", action="store_true", help="write layout.golden")
    args = parser.parse_args()
    headers = sorted((pathlib.Path(args.uapi) / "eta").glob("*.h"))
    source = program(headers)
    as_c = layout_by(args, args.cc, "c", "gnu11", source)
    if args.write:
        GOLDEN.write_text(as_c)
        print(f"wrote {GOLDEN}")
        return 0
    as_cxx = layout_by(args, args.cxx, "c++", "gnu++20", source)
    for header in headers:
        compile_alone(args, header)
    errors = [e for h in headers for e in type_errors(h.name, strip_comments(h.read_text()))]
    report(not errors, "only fixed-width types in the interface", "\n".join(errors))
    golden = GOLDEN.read_text()
    for language, text in (("C", as_c), ("C++", as_cxx)):
        diff = difflib.unified_diff(golden.split("\n"), text.split("\n"), "golden", language, n=1)
        report(text == golden, f"layout seen by {language} equals layout.golden", "\n".join(diff))
    sizes = re.findall(r"^struct (\w+) size (\d+)$", as_c, re.M)
    odd = [f"{n}: {s} bytes" for n, s in sizes if int(s) % 8]
    report(not odd, "every struct is a multiple of 8 bytes", "\n".join(odd))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
