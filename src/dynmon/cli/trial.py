"""``dynmon test`` and ``dynmon explain``: what code does, tried in this process without a daemon."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from dynmon.cli.expectations import misses, parse_expectation
from dynmon.cli.pack import (
    PackError,
    Sources,
    find_sources,
    pack,
    parse_metric,
    parse_text,
    read_metrics,
    read_text,
    resolve_code_files,
)
from dynmon.cli.problem import explain as explain_problem
from dynmon.errors import DynmonError, InjectionError

Commands = argparse._SubParsersAction
Value = TypeVar("Value")

CONFIGURATIONS = (".json", ".yaml", ".yml")
TEST_EPILOG = """\
examples:
  dynmon test probe.c capture.pcap --metric packets_total=PKT_COUNTER:counter --expect packets_total=42
  dynmon test examples/flows capture.pcapng --json
  dynmon test config.json capture.pcap.gz --egress --open-metrics

exit status: 0 done, and all expectations hold; 1 the code cannot run, the capture cannot be read or an
expectation does not hold; 2 wrong usage
"""
EXPLAIN_EPILOG = """\
examples:
  dynmon explain probe.c --metric packets_total=PKT_COUNTER:counter
  dynmon explain probe.o --xdp --program count_packets --json
"""


def add_test(commands: Commands[argparse.ArgumentParser]) -> None:
    """The parser of ``dynmon test``."""
    parser = commands.add_parser(
        "test",
        help="run code on the packets of a capture, attached to nothing",
        description="Compile and load code, run it on every packet of a capture, attached to nothing, and report.",
        epilog=TEST_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_code(parser)
    parser.add_argument("capture", type=_file, help="a pcap or pcapng file, which may be gzipped; - is standard input")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the whole report as JSON")
    output.add_argument("--open-metrics", action="store_true", help="print the metrics as OpenMetrics text alone")
    parser.add_argument(
        "--expect",
        metavar="NAME=N",
        action="append",
        default=[],
        type=_parsed(parse_expectation),
        help="fail unless the sample has this value; also 'NAME{label=\"x\"}=N' and 'MAP[KEY]=N'",
    )
    parser.set_defaults(run=_run_test)


def add_explain(commands: Commands[argparse.ArgumentParser]) -> None:
    """The parser of ``dynmon explain``."""
    parser = commands.add_parser(
        "explain",
        help="say what code is and what it would export, without running it",
        description="Compile, load and verify code, attached to nothing, and say what it is and what it would export.",
        epilog=EXPLAIN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_code(parser)
    parser.add_argument("--json", action="store_true", help="print the whole explanation as JSON")
    parser.set_defaults(run=_run_explain)


def _add_code(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        type=Path,
        help="a C file, an object, a folder as dynmon pack takes it, or a dataplane-config in JSON or YAML",
    )
    parser.add_argument("--egress", action="store_true", help="it is the code, or the path of it, for sent packets")
    parser.add_argument("--xdp", action="store_true", help="the code for received packets runs at XDP, not at TC")
    parser.add_argument(
        "--passive", action="store_true", help="as in a passive cube: have the kernel prove that it only looks"
    )
    parser.add_argument(
        "--metric",
        metavar="NAME=MAP[:TYPE[:HELP]]",
        action="append",
        default=[],
        type=_parsed(parse_metric),
        help="a metric",
    )
    parser.add_argument(
        "--metrics", metavar="FILE", type=Path, help="YAML or JSON: metrics as dynmon pack --metrics takes them"
    )
    parser.add_argument("--program", metavar="NAME", help="the program to run, where there are several")
    parser.add_argument(
        "--map-size",
        metavar="MAP=N",
        action="append",
        default=[],
        type=_parsed(_parse_map_size),
        help="how many entries a map has, above all one that leaves its size open",
    )
    parser.add_argument(
        "--constant",
        metavar="NAME=JSON",
        action="append",
        default=[],
        type=_parsed(_parse_constant),
        help="the value of a const volatile global",
    )


def _parsed(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """`parse` for argparse, which then says which option is wrong and exits with 2."""

    def parsed(text: str) -> Value:
        try:
            return parse(text)
        except (ValueError, DynmonError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def _file(name: str) -> Path:
    return Path("/dev/stdin" if name == "-" else name)


def _parse_map_size(text: str) -> tuple[str, int]:
    name, _, size = text.partition("=")
    if not (name and size.isdecimal()):
        raise ValueError(f"{text!r} must be written MAP=N, such as FLOWS=1024")
    return name, int(size)


def _parse_constant(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"{text!r} must be written NAME=JSON, such as threshold=100")
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not JSON; a string needs quotes") from error


def _run_test(options: argparse.Namespace) -> int:
    from dynmon.cli.trial_text import report_text

    try:
        capture = options.capture.open("rb", buffering=0)
    except OSError as error:
        raise PackError(f"cannot read {options.capture}: {error.strerror}") from error
    with capture:
        report = _rehearsed(options, capture)
    if report is None:
        return 1
    if options.json:
        text = _as_json(report)
    else:
        text = report["open-metrics"] if options.open_metrics else report_text(report) + "\n"
    print(text, end="", flush=True)
    missed = list(misses(report, options.expect))
    for sentence in missed:
        print(f"dynmon: {sentence}", file=sys.stderr)
    return 1 if missed else 0


def _run_explain(options: argparse.Namespace) -> int:
    from dynmon.cli.trial_text import explanation_text

    report = _rehearsed(options, None)
    if report is None:
        return 1
    explanation = report["explanation"]
    print(_as_json(explanation) if options.json else explanation_text(explanation) + "\n", end="", flush=True)
    return 0


def _as_json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rehearsed(options: argparse.Namespace, capture: BinaryIO | None) -> dict[str, Any] | None:
    """The report, None where the code was refused, which has been said then."""
    from dynmon.models import CubeType, DataplaneConfig, Direction, LogLevel, validate_document
    from dynmon.trial import Rehearsal, rehearse, workbench

    document, files = _document(options)
    rehearsal = Rehearsal(
        validate_document(DataplaneConfig, document, "the dataplane-config"),
        CubeType.XDP_SKB if options.xdp else CubeType.TC,
        LogLevel.TRACE,
        options.passive,
        capture=capture,
        direction=Direction.EGRESS if options.egress else None,
    )
    try:
        with workbench(_cache_dir()) as foundry:
            return rehearse(foundry, rehearsal)
    except InjectionError as error:
        lines = explain_problem(str(error), _in_files(error.fields(), files))
        print("dynmon: " + "\n".join(lines), file=sys.stderr)
        return None


def _document(options: argparse.Namespace) -> tuple[dict[str, Any], Mapping[str, Path]]:
    """The dataplane-config that the command line says, and the file of each direction's code where that is known."""
    direction = "egress" if options.egress else "ingress"
    files: Mapping[str, Path] = {}
    if options.source.is_dir():
        sources = find_sources(options.source)
        files, document = sources.files, pack(sources)
    elif options.source.suffix in CONFIGURATIONS:
        document = _read_configuration(options.source)
    else:
        files = {direction: options.source}
        document = pack(Sources(files))
    return _with_options(document, options, direction), files


def _read_configuration(file: Path) -> dict[str, Any]:
    document = resolve_code_files(parse_text(read_text(file), str(file)), file.parent)
    if isinstance(document, dict) and isinstance(document.get("dataplane-config"), dict):
        document = document["dataplane-config"]  # the body that creates a cube
    if not isinstance(document, dict):
        raise PackError(f"{file} is not a dataplane-config: it must be an object")
    return document


def _with_options(document: dict[str, Any], options: argparse.Namespace, direction: str) -> dict[str, Any]:
    """`document` with what the command line adds to the path that it is about."""
    key = f"{direction}-path"
    path = document.get(key)
    if not isinstance(path, dict) or not path:
        present = [name for name in ("ingress-path", "egress-path") if document.get(name)]
        if options.egress or not present:
            raise PackError(f"there is no {direction} code in {options.source}")
        key, path = present[0], document[present[0]]
    path = dict(path)
    described = read_metrics(options.metrics, (direction,)).get(direction, ()) if options.metrics else ()
    if metrics := [*path.get("metric-configs", ()), *described, *options.metric]:
        path["metric-configs"] = metrics
    if options.program:
        path["program"] = options.program
    for name, given in (("map-sizes", options.map_size), ("constants", options.constant)):
        if given:
            path[name] = {**path.get(name, {}), **dict(given)}
    return {**document, key: path}


def _cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "dynmon"


def _in_files(fields: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, Any]:
    """The facts of an error with the names of files in place of directions."""
    findings = [
        {**each, "file": str(files.get(each.get("file", ""), each.get("file", "code")))}
        for each in fields.get("diagnostics", ())
    ]
    return {**fields, "diagnostics": findings}
