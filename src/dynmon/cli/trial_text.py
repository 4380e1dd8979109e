"""A dry run as text for people, readable in 80 columns unless a name or a key is longer than that."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dynmon.cli.polycubectl.grammar import View
from dynmon.cli.polycubectl.render import inline, render

EVERYTHING = View("verbose")
MAX_ENTRIES = 20
# An array of more numbers than these is told by those of them that are not zero.
MAX_NUMBERS = 8
WIDTH_OF_FILES = 100
MIN_TEXT_WIDTH = 30
MAX_CONSTANT_CHARACTERS = 200
GAP = "  "


def explanation_text(explanation: Mapping[str, Any]) -> str:
    """Each path with its programs, maps and metrics as tables."""
    return "\n\n".join(_path_text(path) for path in explanation.values())


def report_text(report: Mapping[str, Any]) -> str:
    """What became of the packets, and what was counted."""
    path = report["explanation"][f"{report['direction']}-path"]
    packets = report["packets"]
    shown: dict[str, Any] = {
        "code": f"{path['program']} ({path['spelling']}), {path['direction']} at {path['hook']}",
        "packets": packets["run"] if packets["run"] == packets["total"] else f"{packets['run']} of {packets['total']}",
    }
    if packets["stopped"]:
        shown["stopped"] = packets["stopped"]
    if times := report["ns-per-packet"]:
        spread = f"median {times['median']}, {times['min']} to {times['max']}"
        shown["ns-per-packet"] = f"{times['mean']} ({spread})"
    shown |= {
        "notes": [line for note in report["notes"] for line in _wrapped(note)],
        "skipped": packets["skipped"],
        "verdicts": report["verdicts"],
        "warnings": _warnings(path),
        "log": _log(report["log"]),
    }
    parts = [_rendered(shown)]
    if text := report["open-metrics"].removesuffix("# EOF\n").rstrip("\n"):
        parts.append(text)
    if report["maps"]:
        texts = {each["name"]: _byte_strings(each["name"], path) for each in path["maps"]}
        parts.append("maps:\n" + "\n".join(_map_text(each, texts[each["name"]]) for each in report["maps"]))
    return "\n\n".join(parts)


def _path_text(path: Mapping[str, Any]) -> str:
    shown: dict[str, Any] = {key: path[key] for key in LEAVES if path[key] is not None}
    shown["helpers"] = ", ".join(path["helpers"]) or "none"
    shown["programs"] = [{key: each[key] for key in PROGRAM_COLUMNS} for each in path["programs"]]
    shown["maps"] = [{key: each[key] for key in MAP_COLUMNS} for each in path["maps"] if each["made"]]
    shown["not made, because the program does not use them"] = _wrapped(
        ", ".join(each["name"] for each in path["maps"] if not each["made"])
    )
    shown["constants"] = _table([_constant_row(each) for each in path["constants"]])
    shown["tail-calls"] = path["tail-calls"]
    shown["metrics"] = [*_table([_metric_row(each) for each in path["metrics"]]), *_metric_notes(path["metrics"])]
    shown["exports"] = [*_decisions(path["metrics"])]
    shown["decoding"] = [*_decoding(path)]
    shown["warnings"] = _warnings(path)
    return _rendered(shown)


LEAVES = (
    "name",
    "direction",
    "hook",
    "spelling",
    "passive",
    "program",
    "instructions",
    "verified-instructions",
    "stack-bytes",
    "memory-bytes",
)
PROGRAM_COLUMNS = ("name", "section", "hook", "instructions", "why")
MAP_COLUMNS = ("name", "type", "key-bytes", "value-bytes", "max-entries", "memory-bytes")
LEAF_COLUMNS = ("path", "type-name", "offset", "size", "shown-as", "why")


def _constant_row(constant: Mapping[str, Any]) -> dict[str, Any]:
    value = constant["value"]
    text = _text(value) if constant["type-name"].startswith("char[") else inline(value)
    return {**constant, "value": textwrap.shorten(text, MAX_CONSTANT_CHARACTERS, placeholder=" …")}


def _metric_row(metric: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": metric["name"],
        "reads": metric["variable"] or metric["map"],
        "exported-as": metric["exported-as"] or "not exported",
        "series": metric["series"],
        "labels": ", ".join(metric["labels"]),
    }


def _metric_notes(metrics: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What there is to say about metrics, once for all that it is true of."""
    true_of: dict[str, list[str]] = {}
    for metric in metrics:
        for note in filter(None, (metric["left-out"], *metric["notes"])):
            true_of.setdefault(note, []).append(metric["name"])
    for note, names in true_of.items():
        yield from _wrapped(f"{', '.join(names)}: {note}")


def _decisions(metrics: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where labels and families come from: of the metrics that have labels out of keys, or several families."""
    for metric in metrics:
        if len(metric["decisions"]) > 1:
            yield f"{metric['name']}:"
            yield from (f" {line}" for line in _table(metric["decisions"]))


def _decoding(path: Mapping[str, Any]) -> Iterator[str]:
    """How each part of each key and value is shown: of the metrics, and of maps that no metric reads.

    What is laid out alike is told once, and the index of an array not at all.
    """
    read = {metric["map"] for metric in path["metrics"]}
    subjects = [*path["metrics"], *(each for each in path["maps"] if each["made"] and each["name"] not in read)]
    alike: dict[tuple[str, ...], list[str]] = {}
    for subject in subjects:
        is_array = subject.get("map-type", subject.get("type", "")).endswith("array")
        leaves = [*([] if is_array else subject["key"]), *subject["value"]]
        lines = _table([{key: leaf[key] for key in LEAF_COLUMNS} for leaf in leaves])
        lines += _wrapped(subject.get("unread") or "")
        alike.setdefault(tuple(lines), []).append(subject["name"])
    for shared, names in alike.items():
        yield from _wrapped(", ".join(names) + ":")
        yield from (f" {line}" for line in shared)


def _warnings(path: Mapping[str, Any]) -> list[str]:
    return [f"{each['file']}:{each['line']}:{each['column']}: {each['message']}" for each in path["warnings"]]


def _log(log: Mapping[str, Any]) -> list[str]:
    lines = [f"packet {line['packet']}: {line['level']}: {line['text']}" for line in log["lines"]]
    return [*lines, f"and {log['left-out']} more"] if log["left-out"] else lines


def _byte_strings(name: str, path: Mapping[str, Any]) -> set[str]:
    """The parts of the keys and values of a map that are arrays of bytes."""
    leaves = [leaf for each in path["maps"] if each["name"] == name for leaf in (*each["key"], *each["value"])]
    return {leaf["path"] for leaf in leaves if leaf["type-name"].endswith(f"[{leaf['size']}]")}


def _map_text(contents: Mapping[str, Any], byte_strings: set[str]) -> str:
    entries = contents["entries"]
    title = f" {contents['name']} ({contents['type']}):"
    if not entries:
        return f"{title} empty"
    if all(not isinstance(entry, dict | list) for entry in entries):
        if len(entries) <= MAX_NUMBERS and not contents["left-out"]:
            return f"{title} {inline(entries)}"
        entries = [{"index": index, "value": value} for index, value in enumerate(entries) if value]
        title = f"{title.removesuffix(':')}, all others are 0:"
    rows = [_row(entry, byte_strings) for entry in entries[:MAX_ENTRIES]]
    more = len(entries) - len(rows) + contents["left-out"]
    lines = [title, *(f"  {line}" for line in render(rows, EVERYTHING).splitlines())]
    return "\n".join([*lines, f"  and {more} more"] if more else lines)


def _row(entry: Any, byte_strings: set[str]) -> dict[str, Any]:
    """The fields of an entry; key and value need no name where their fields have their own."""
    if not isinstance(entry, dict):
        return {"value": entry}
    if set(entry) != {"key", "value"}:
        return {name: _cell(f"value.{name}", part, byte_strings) for name, part in entry.items()}
    row: dict[str, Any] = {}
    for side, whole in entry.items():
        fields = {f"{side}.{name}": part for name, part in whole.items()} if isinstance(whole, dict) else {side: whole}
        for path, part in fields.items():
            name = path.removeprefix(f"{side}.")
            row[path if name in row else name] = _cell(path, part, byte_strings)
    return row


def _cell(path: str, part: Any, byte_strings: set[str]) -> Any:
    return _text(part) if path in byte_strings else part


def _text(part: Sequence[int]) -> str:
    """An array of bytes as the text that it holds, else in hexadecimal."""
    data = bytes(byte & 0xFF for byte in part)
    text = data.rstrip(b"\0").decode("ascii", errors="replace")
    return text if text and text.isascii() and text.isprintable() else data.hex()


def _rendered(shown: Mapping[str, Any]) -> str:
    return render({key: value for key, value in shown.items() if value != []}, EVERYTHING)


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows in columns, without those that are empty; the last column is prose and goes on in further lines."""
    if not rows:
        return []
    columns = [column for column in rows[0] if any(row[column] != "" for row in rows)]
    cells = [columns, *([inline(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    is_number = [all(isinstance(row[column], int) for row in rows) for column in columns]
    lines = []
    for row in cells:
        padded = zip(row, widths, is_number, strict=True)
        *others, prose = (text.rjust(size) if right else text.ljust(size) for text, size, right in padded)
        start = "".join(cell + GAP for cell in others)
        lines += _wrapped(prose, start) or [start.rstrip()]
    return lines


def _wrapped(text: str, start: str = "") -> list[str]:
    width = shutil.get_terminal_size((WIDTH_OF_FILES, 0)).columns - 2  # what these lines are indented by
    return textwrap.wrap(
        text,
        max(width, len(start) + MIN_TEXT_WIDTH),
        initial_indent=start,
        subsequent_indent=" " * (len(start) or 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
