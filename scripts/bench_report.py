# SPDX-License-Identifier: MIT
"""Table, JSON, Markdown and SVG of scripts/bench.py. Draws with nothing but text."""

import html
import json
import math

# Units of which less is better.
LESS_IS_BETTER = {"us", "us/request", "s/GB", "bytes/end"}


def gain(row):
    """How many times better ETA is; below 1: worse. None: one side is missing."""
    if not row["ratio"] or not row["eta"] or not row["os"]:
        return None
    if row["unit"] in LESS_IS_BETTER:
        return row["os"] / row["eta"]
    return row["eta"] / row["os"]


def number(value):
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}"


HEAD = ["name", "path", "conns", "in flight", "metric", "unit", "ETA", "OS", "ETA/OS", "floor"]


def cells(row):
    return [row["name"], row["path"], str(row["connections"]), str(row["inflight"]),
            row["metric"], row["unit"], number(row["eta"]), number(row["os"]),
            number(row["ratio"]), number(row["floor"])]


def table(rows):
    lines = [HEAD] + [cells(r) for r in rows]
    width = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    out = []
    for n, line in enumerate(lines):
        parts = [c.rjust(w) if i >= 6 else c.ljust(w) for i, (c, w) in enumerate(zip(line, width))]
        out.append("  ".join(parts).rstrip())
        if n == 0:
            out.append("-" * len(out[0]))
    return "\n".join(out)


def markdown(rows):
    out = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * 6 + "---:|" * 4]
    out += ["| " + " | ".join(cells(r)) + " |" for r in rows]
    return "\n".join(out)


# What the project set out to reach: (sentence, row to look at, value of it, goal, at least?).
# Said beside the figures; nothing fails by it.
GOALS = [
    ("echo, 1 connection: p50 beside blocking loopback",
     ("echo blocking", "same-host against loopback two cores", 1, 1, "p50"), "eta/os", 0.2, False),
    ("echo, 1 connection: p50 beside busy-polled loopback",
     ("echo busy", "same-host against loopback", 1, 1, "p50"), "eta/os", 0.5, False),
    ("echo, 32 connections: requests/s beside loopback",
     ("echo", "same-host against loopback", 32, 1, "rate"), "eta/os", 4, True),
    ("echo, 256 connections: requests/s beside loopback",
     ("echo", "same-host against loopback", 256, 1, "rate"), "eta/os", 6, True),
    ("AF_XDP: requests per CPU second beside veth, offloads off",
     ("echo", "wire af_xdp against veth offloads off", 32, 1, "cpu"), "os/eta", 0.8, True),
    ("TAP: bulk up beside veth, offloads on",
     ("bulk up", "wire tap against veth offloads on", 1, 0, "throughput"), "eta/os", 0.5, True),
    ("TAP: bulk down beside veth, offloads on",
     ("bulk down", "wire tap against veth offloads on", 1, 0, "throughput"), "eta/os", 0.5, True),
    ("idle: bytes per connection end",
     ("idle", "same-host against loopback", None, 0, "user memory"), "eta", 2048, False),
]


def find_row(rows, key):
    name, path, connections, inflight, metric = key
    for r in rows:
        if (r["name"], r["path"], r["inflight"], r["metric"]) == (name, path, inflight, metric):
            if connections in (None, r["connections"]):
                return r
    return None


def goal_value(row, kind):
    if row is None or row["eta"] is None or (kind != "eta" and not row["os"]):
        return None
    if kind == "eta":
        return row["eta"]
    return row["eta"] / row["os"] if kind == "eta/os" else row["os"] / row["eta"]


def goals(rows):
    """Lines of a Markdown table: goal, figure, reached or not."""
    out = ["| goal | wanted | measured | |", "|---|---:|---:|---|"]
    for text, key, kind, limit, at_least in GOALS:
        value = goal_value(find_row(rows, key), kind)
        if value is None:
            out.append(f"| {text} | {limit:g} | - | not measured |")
            continue
        reached = value >= limit if at_least else value <= limit
        sign = "at least" if at_least else "at most"
        out.append(f"| {text} | {sign} {limit:g} | {number(value)} | "
                   f"{'reached' if reached else 'not reached'} |")
    return "\n".join(out)


BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def write_document(path, rows, conditions):
    """Replaces what lies between the two marks of Documentation/performance.md."""
    with open(path, encoding="utf-8") as f:
        head, _, rest = f.read().partition(BEGIN)
        tail = rest.partition(END)[2]
    body = f"{BEGIN}\n\n{conditions}\n\n{goals(rows)}\n\n{markdown(rows)}\n\n{END}"
    with open(path, "w", encoding="utf-8") as f:
        f.write(head + body + tail)


def write_json(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")


def label(row):
    text = f"{row['name']} {row['connections']}x{row['inflight']}" if row["inflight"] else row["name"]
    return f"{text} {row['metric']}"


LEFT, WIDE, BAR, GAP = 330, 460, 16, 6
LOW, HIGH = 1 / 16, 32  # ends of the scale, times better


def place(value):
    """Horizontal position of a ratio on the logarithmic scale."""
    value = min(max(value, LOW), HIGH)
    return LEFT + WIDE * math.log(value / LOW) / math.log(HIGH / LOW)


def scale_lines(height):
    out = []
    value = LOW
    while value <= HIGH:
        x = place(value)
        color = "#444" if value == 1 else "#ddd"
        text = f"{value:g}x" if value >= 1 else f"1/{1 / value:g}"
        out.append(f'<line x1="{x:.1f}" y1="44" x2="{x:.1f}" y2="{height - 10}" stroke="{color}"/>')
        out.append(f'<text x="{x:.1f}" y="40" text-anchor="middle" fill="#666">{text}</text>')
        value *= 2
    return out


def bar(row, y):
    value = gain(row)
    text = html.escape(label(row))
    out = [f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{text}</text>']
    if value is None:
        out.append(f'<text x="{place(1) + 6:.1f}" y="{y + 12}" fill="#999">not measured</text>')
        return out
    one, end = place(1), place(value)
    color = "#2a7f3f" if value >= 1 else "#b5442e"
    out.append(f'<rect x="{min(one, end):.1f}" y="{y}" width="{abs(end - one):.1f}" '
               f'height="{BAR}" fill="{color}"/>')
    out.append(f'<text x="{max(one, end) + 6:.1f}" y="{y + 12}">{value:.2f}x</text>')
    return out


def svg(rows):
    groups = {}
    for row in rows:
        groups.setdefault(row["path"], []).append(row)
    height = 60 + sum(30 + (BAR + GAP) * len(g) for g in groups.values())
    body = []
    y = 56
    for path, group in groups.items():
        body.append(f'<text x="10" y="{y + 14}" font-weight="bold">{html.escape(path)}</text>')
        y += 24
        for row in group:
            body += bar(row, y)
            y += BAR + GAP
        y += 6
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDE + 90}" height="{height}" '
            'font-family="sans-serif" font-size="12">', '<!-- SPDX-License-Identifier: MIT -->',
            '<rect width="100%" height="100%" fill="white"/>',
            '<text x="10" y="20" font-size="15">ETA against the OS stack: how many times better '
            '(right of 1x) or worse</text>']
    return "\n".join(head + scale_lines(height) + body + ["</svg>"]) + "\n"


def write_svg(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        f.write(svg(rows))
