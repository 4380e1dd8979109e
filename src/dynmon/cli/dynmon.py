"""The ``dynmon`` command: work with code as files, without a daemon, and with what a daemon exports."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dynmon import __version__
from dynmon.cli.dashboard import add_dashboard
from dynmon.cli.pack import PackError, Sources, find_sources, pack, parse_metric, read_metrics
from dynmon.cli.problem import explain
from dynmon.cli.trial import add_explain, add_test
from dynmon.errors import DynmonError

INTERRUPTED = 130  # as a shell says it
EPILOG = """\
examples:
  dynmon pack probe.c --metric packets_total=PKT_COUNTER:counter:'Packets seen' > config.json
  dynmon pack ingress.c --egress egress.c --metrics metrics.yaml > config.json
  dynmon pack examples/flows > config.json
  curl -T config.json localhost:9000/polycube/v1/dynmon/monitor/dataplane-config
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 is success, 1 a failure, 2 a usage error."""
    options = build_parser().parse_args(arguments)
    try:
        status = int(options.run(options))
        sys.stdout.flush()
        return status
    except DynmonError as error:
        print("dynmon: " + "\n".join(explain(str(error), error.fields())), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader left; nothing is left to say to anybody
        return 1
    except OSError as error:
        print(f"dynmon: {error.filename or 'standard output'}: {error.strerror}", file=sys.stderr)
        os._exit(1)  # Python would try again to write what it could not


def build_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="dynmon",
        description="Work with code as files: pack it, explain it, test it; make a dashboard of what it exports.",
    )
    parser.add_argument("--version", action="version", version=f"dynmon {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_pack(commands)
    add_explain(commands)
    add_test(commands)
    add_dashboard(commands)
    return parser


def _add_pack(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "pack",
        help="make a dataplane-config JSON from C files or objects",
        description="Make a dataplane-config JSON from C files or objects and a description of their metrics.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source",
        nargs="?",
        type=Path,
        help="the C file or object of the ingress path; or a folder with one C file, or with ingress.c and egress.c, "
        "and metrics.yaml or metrics.json",
    )
    parser.add_argument("--egress", metavar="FILE", type=Path, help="the C file or object of the egress path")
    parser.add_argument(
        "--metric", metavar="NAME=MAP[:TYPE[:HELP]]", action="append", default=[], help="a metric of the ingress path"
    )
    parser.add_argument(
        "--egress-metric",
        metavar="NAME=MAP[:TYPE[:HELP]]",
        action="append",
        default=[],
        help="a metric of the egress path",
    )
    parser.add_argument(
        "--metrics",
        metavar="FILE",
        type=Path,
        help="YAML or JSON: a list of metric-configs for both paths, or an object with a list under ingress and egress",
    )
    parser.add_argument("--name", help="name of the paths (default: the file's or folder's name)")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write here instead of standard output")
    parser.set_defaults(run=_run_pack)


def _run_pack(options: argparse.Namespace) -> int:
    text = json.dumps(pack(_sources(options)), indent=2, ensure_ascii=False) + "\n"
    if options.output is None:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
        return 0
    try:
        options.output.write_bytes(text.encode())
    except OSError as error:
        raise PackError(f"cannot write {options.output}: {error.strerror}") from error
    return 0


def _sources(options: argparse.Namespace) -> Sources:
    given = {"ingress": options.source, "egress": options.egress}
    if options.source and options.source.is_dir():
        found = find_sources(options.source, options.name)
        files = {**found.files} | ({"egress": options.egress} if options.egress else {})
        metrics, name = dict(found.metrics), found.name
    else:
        files = {direction: file for direction, file in given.items() if file}
        metrics, name = {}, options.name
    if not files:
        raise PackError("nothing to pack: name a C file, an object or a folder, or --egress FILE")
    if options.metrics:
        metrics = read_metrics(options.metrics, tuple(files))
    for direction, texts in (("ingress", options.metric), ("egress", options.egress_metric)):
        if texts and direction not in files:
            raise PackError(f"a metric of the {direction} path is given, but no {direction} code")
        metrics[direction] = [*metrics.get(direction, ()), *map(parse_metric, texts)]
    return Sources(files, metrics, name)
