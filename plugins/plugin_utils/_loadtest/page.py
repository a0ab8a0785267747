# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The HTML report of a load test: one file with SVG curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._loadtest.report import (
    NO_STATEMENTS,
    facts,
    noted,
    shown,
    title,
)

WIDTH, HEIGHT = 760, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 10, 34  # margins of a plot
TICKS = 5

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #656d76; --line: #d0d7de; --paper: #fff; --card: #f6f8fa;
  --one: #0969da; --two: #bc4c00; --three: #1a7f37; --bad: #cf222e }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #8d96a0; --line: #3d444d; --paper: #0d1117;
  --card: #151b23; --one: #4493f8; --two: #f0883e; --three: #3fb950; --bad: #f85149 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 1600px; padding: 0 1.5rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.05rem; margin: 0 0 .5rem }
p { color: var(--soft); margin: .2rem 0 }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: .8rem; margin: 1.2rem 0 }
.card, section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem }
.card b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums } .card span { color: var(--soft) }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 560px), 1fr)); gap: 1rem }
section, .grid { margin-bottom: 1rem } section { overflow-x: auto } .grid section { margin: 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left } td.text { white-space: normal; text-align: left }
.ok { color: var(--three) } .bad { color: var(--bad); font-weight: 600 }
svg { width: 100%; height: auto; display: block } svg text { fill: var(--soft); font-size: 12px }
svg .grid-line { stroke: var(--line) } svg .curve { fill: none; stroke-width: 1.8 }
.legend { display: flex; gap: 1.2rem; color: var(--soft) }
.legend i { display: inline-block; width: 14px; height: 3px; margin-right: .4rem; vertical-align: middle }
"""
COLOURS = ("var(--one)", "var(--two)", "var(--three)")


class Curve(NamedTuple):
    name: str
    points: Sequence[tuple[float, float | None]]  # without a value, the curve has a gap


def ticks(most: float, count: int = TICKS) -> list[float]:
    """Return round axis values from zero up to the maximum."""
    if most < 1e-9:
        return [0.0, 1.0]
    raw = most / count
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(each * magnitude for each in (1, 2, 2.5, 5, 10) if each * magnitude >= raw * (1 - 1e-9))
    return [number * step for number in range(math.ceil(most / step - 1e-9) + 1)]


def plot(curves: Sequence[Curve], unit: str, length: float = 0) -> str:
    """Return an SVG plot of curves over seconds, with a minimum length of the axis."""
    across = ticks(max([length, *(x for curve in curves for x, _y in curve.points)]), 8)
    up = ticks(max((y for curve in curves for _x, y in curve.points if y is not None), default=0))
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + x / across[-1] * inner_width, TOP + inner_height * (1 - y / up[-1])

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(", ".join(c.name for c in curves))}">'
    ]
    for value in up:
        _x, y = place(0, value)
        parts.append(f'<line class="grid-line" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in across:
        x, _y = place(value, 0)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 16}" text-anchor="middle">{value:g}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">seconds</text>')
    parts.append(f'<text x="2" y="{HEIGHT - 2}">{escape(unit)}</text>')
    for curve, colour in zip(curves, COLOURS, strict=False):
        for path in _paths(curve, place):
            parts.append(f'<path class="curve" stroke="{colour}" d="{path}"><title>{escape(curve.name)}</title></path>')
    parts.append("</svg>")
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{escape(curve.name)}</span>'
        for curve, colour in zip(curves, COLOURS, strict=False)
    )
    return f'{"".join(parts)}<div class="legend">{legend}</div>'


def _paths(curve: Curve, place: Any) -> Iterable[str]:
    parts: list[list[str]] = [[]]
    for x, y in curve.points:
        if y is None:
            parts.append([])
        else:
            across, up = place(x, y)
            parts[-1].append(f"{'L' if parts[-1] else 'M'}{across:.1f} {up:.1f}")
    for part in parts:
        if part:
            # A line of one point would be invisible.
            yield " ".join(part) + ("h2" if len(part) == 1 else "")


def bars(rows: Sequence[tuple[str, float, str]]) -> str:
    """Return a bar chart with labels."""
    most = max((value for _name, value, _text in rows), default=0) or 1
    longest = max((len(name) for name, _value, _text in rows), default=0)
    label = min(max(150, 7 * longest + 12), WIDTH // 2)
    height, room = 22, WIDTH - label - 130
    parts = [f'<svg viewBox="0 0 {WIDTH} {height * len(rows) + 4}" role="img">']
    for number, (name, value, text) in enumerate(rows):
        y = number * height
        width = max(1.0, value / most * room)
        parts.append(f'<text x="{label - 8}" y="{y + 16}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{label}" y="{y + 4}" width="{width:.1f}" height="14" rx="2" fill="var(--one)"/>')
        parts.append(f'<text x="{label + width + 6:.1f}" y="{y + 16}">{escape(text)}</text>')
    return "".join(parts) + "</svg>"


def table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{escape(shown(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def section(name: str, content: str, note: str = "") -> str:
    explained = f"<p>{escape(note)}</p>" if note else ""
    return f"<section><h2>{escape(name)}</h2>{explained}{content}</section>"


def page(found: dict[str, Any]) -> str:
    """Return the HTML page of a report."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>Load test: {escape(title(found))}</title><style>{STYLE}</style></head><body>",
        f"<h1>Load test</h1><p>{escape(title(found))}; begun {escape(str(found['settings']['begun']))}</p>",
        _cards(found),
        _objectives(found),
        '<div class="grid">',
        *_plots(found),
        "</div>",
        section("In words", table_of_facts(found)),
        _requests(found),
        _troubles(found),
        _statements(found),
        section("Settings", table(("option", "value"), found["settings"].items())),
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _cards(found: dict[str, Any]) -> str:
    runs, start = found["runs"], found["start_seconds"]
    cards = [
        ("completed", shown(runs["completed"]), f"of {shown(runs['submitted'])} submitted", False),
        ("not submitted", shown(runs["not_submitted"]), "rejected or no response", runs["not_submitted"] > 0),
        ("lost", shown(runs["lost"]), "not ended", runs["lost"] > 0),
        ("duplicated", shown(runs["duplicated"]), "started more than once", runs["duplicated"] > 0),
        ("runs/s", shown(found["rate"]["completed_per_second"]), "ended", False),
        ("start p95", f"{shown(start['p95'])} s", f"p50 {shown(start['p50'])}, p99 {shown(start['p99'])}", False),
        ("backlog", shown(found["backlog"]["most"]), "maximum of waiting runs", False),
        (
            "API p95",
            f"{shown(found['api_seconds']['p95'])} s",
            f"{shown(found['requests']['per_second'])} requests/s",
            False,
        ),
    ]
    shapes = (
        f'<div class="card"><span>{escape(name)}</span><b{" class=bad" if bad else ""}>{escape(value)}</b>'
        f"<span>{escape(note)}</span></div>"
        for name, value, note, bad in cards
    )
    return f'<div class="cards">{"".join(shapes)}</div>'


def _objectives(found: dict[str, Any]) -> str:
    if not found["objectives"]:
        return ""
    rows = "".join(
        f"<tr><td>{escape(each['name'])}</td><td>{escape(shown(each['seen']))}</td><td>{each['limit']:g}</td>"
        f'<td class="{"ok" if each["ok"] else "bad"}">{"ok" if each["ok"] else "missed"}</td></tr>'
        for each in found["objectives"]
    )
    head = "<tr><th>objective</th><th>seen</th><th>asked for</th><th></th></tr>"
    return section("Objectives", f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>")


def _plots(found: dict[str, Any]) -> Iterable[str]:
    timeline = found["timeline"]
    width = timeline["bucket_seconds"]
    length = max(found["settings"]["took_seconds"], len(timeline["submitted"]) * width)

    def over_time(name: str, text: str) -> Curve:
        return Curve(text, [((number + 0.5) * width, value) for number, value in enumerate(timeline[name])])

    rates = [over_time("submitted", "submitted"), over_time("started", "started"), over_time("completed", "ended")]
    yield section("Runs per second", plot(rates, "runs/s", length))
    starts = [over_time("start_p50", "half of the runs"), over_time("start_p95", "95 of 100 runs")]
    yield section("Seconds from the expected start to the start", plot(starts, "s", length))
    series = found["backlog"]["series"]
    backlog = [
        Curve(name, [(point[0], point[column]) for point in series])
        for column, name in ((1, "due"), (2, "pending"), (3, "running"))
    ]
    yield section("Backlog", plot(backlog, "runs", length))
    if found["processes"]:
        rows = [
            (each["name"], each["cores"], f"{each['cores']:.2f} cores, {each['memory_mb']:.0f} MiB")
            for each in sorted(found["processes"], key=lambda each: -each["cores"])
        ]
        rows.append(("this generator", found["generator"]["cores"], f"{found['generator']['cores']:.2f} cores"))
        yield section("Processors and memory", bars(rows))


def table_of_facts(found: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="text">{escape(text)}</td></tr>' for name, text in facts(found)
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _requests(found: dict[str, Any]) -> str:
    columns = ("request", "count", "mean", "p50", "p95", "p99", "most")
    rows = [[row[column] for column in columns] for row in found["requests"]["by_request"]]
    return section("Requests", table(columns, rows), "Duration in seconds for the client, the longest total first.")


def _troubles(found: dict[str, Any]) -> str:
    rows = [(text, count) for kind in ("troubles", "problems") for text, count in found["requests"][kind].items()]
    note = "Error responses with and without a retry, and runs that could not continue."
    return section("Errors", table(("error", "count"), rows), note) if rows else ""


def _statements(found: dict[str, Any]) -> str:
    if found["statements"] is None:
        return section("Statements", "", NO_STATEMENTS) if found["postgresql"] else ""
    rows = [[row["query"][:160] + noted(row), row["calls"], row["seconds"]] for row in found["statements"]]
    return section("Statements that took the longest", table(("statement", "calls", "seconds"), rows))
