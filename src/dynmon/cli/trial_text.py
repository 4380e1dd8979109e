"""A dry run as text for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynmon.cli.polycubectl.grammar import View
from dynmon.cli.polycubectl.render import render

EVERYTHING = View("verbose")
MAX_ENTRIES = 20


def explanation_text(explanation: Mapping[str, Any]) -> str:
    """Each path with its programs, maps and metrics as tables."""
    return "\n\n".join(_path_text(path) for path in explanation.values())


def report_text(report: Mapping[str, Any]) -> str:
    """What became of the packets, and what was counted."""
    paths = report["explanation"]
    path = paths[f"{report['direction']}-path"]
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
        "notes": report["notes"],
        "skipped": packets["skipped"],
        "verdicts": report["verdicts"],
        "warnings": _warnings(path),
        "log": _log(report["log"]),
    }
    parts = [render({key: value for key, value in shown.items() if value != []}, EVERYTHING)]
    if text := report["open-metrics"].removesuffix("# EOF\n").rstrip("\n"):
        parts.append(text)
    parts += [_map_text(each) for each in report["maps"]]
    return "\n\n".join(parts)


def _path_text(path: Mapping[str, Any]) -> str:
    leaves = (
        "name",
        "direction",
        "hook",
        "spelling",
        "program",
        "instructions",
        "verified-instructions",
        "stack-bytes",
    )
    shown: dict[str, Any] = {key: path[key] for key in leaves if path[key] is not None}
    shown["memory-bytes"] = path["memory-bytes"]
    shown["helpers"] = ", ".join(path["helpers"]) or "none"
    shown["programs"] = path["programs"]
    shown["maps"] = [{key: each[key] for key in MAP_COLUMNS} for each in path["maps"]]
    shown["tail-calls"] = path["tail-calls"]
    shown["metrics"] = [_metric_row(each) for each in path["metrics"]]
    shown["decoding"] = [*_decoding(path)]
    shown["warnings"] = _warnings(path)
    return render({key: value for key, value in shown.items() if value != []}, EVERYTHING)


MAP_COLUMNS = ("name", "type", "key-bytes", "value-bytes", "max-entries", "memory-bytes", "made")


def _metric_row(metric: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": metric["name"],
        "reads": metric["variable"] or metric["map"],
        "exported-as": metric["exported-as"] or "not exported",
        "series": metric["series"],
        "labels": ", ".join(metric["labels"]),
        "notes": "; ".join(filter(None, [metric["left-out"], *metric["notes"]])),
    }


def _decoding(path: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How each part of each key and value is shown: of the metrics, and of maps that no metric reads."""
    read = {metric["map"] for metric in path["metrics"]}
    subjects = [*path["metrics"], *(each for each in path["maps"] if each["name"] not in read)]
    rows = []
    for subject in subjects:
        for leaf in (*subject["key"], *subject["value"]):
            rows.append({"of": subject["name"], **leaf})
        if subject.get("unread"):
            rows.append({"of": subject["name"], "why": subject["unread"]})
    return rows


def _warnings(path: Mapping[str, Any]) -> list[str]:
    return [f"{each['file']}:{each['line']}:{each['column']}: {each['message']}" for each in path["warnings"]]


def _log(log: Mapping[str, Any]) -> list[str]:
    lines = [f"packet {line['packet']}: {line['level']}: {line['text']}" for line in log["lines"]]
    return [*lines, f"and {log['left-out']} more"] if log["left-out"] else lines


def _map_text(contents: Mapping[str, Any]) -> str:
    entries = contents["entries"]
    shown = entries[:MAX_ENTRIES]
    more = len(entries) - len(shown) + contents["left-out"]
    text = render({f"{contents['name']} ({contents['type']})": shown}, EVERYTHING).lstrip("\n")
    return f"{text}\n and {more} more" if more else text
