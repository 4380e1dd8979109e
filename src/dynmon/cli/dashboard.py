"""``dynmon dashboard``: a Grafana dashboard of what a cube of a running daemon exports."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from dynmon.cli.grafana import dashboard
from dynmon.cli.panels import health_of, panels_of

Commands = argparse._SubParsersAction
EPILOG = """\
example:
  dynmon dashboard monitor > monitor.json

The file can be imported in Grafana, or lie in a folder that it provisions dashboards from. Made again, it replaces the
one of before. The daemon is found as polycubectl finds it.
"""


def add_dashboard(commands: Commands[argparse.ArgumentParser]) -> None:
    """The parser of ``dynmon dashboard``."""
    parser = commands.add_parser(
        "dashboard",
        help="make a Grafana dashboard of what a cube exports",
        description="Make a Grafana dashboard of what a cube of a running daemon exports to Prometheus.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cube", help="the name of the cube")
    parser.add_argument("--url", help="the daemon (default: as polycubectl's settings say)")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write here instead of standard output")
    parser.set_defaults(run=_run)


def dashboard_of(cube: str, exposition: str) -> dict[str, Any]:
    """The dashboard of a cube that has this OpenMetrics text."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    families = list(text_string_to_metric_families(exposition))  # type: ignore[no-untyped-call]
    panels = panels_of(families, cube)
    known = f'dynmon_cube_failed_scrapes_total{{cube="{cube}"'
    return dashboard(
        cube,
        {**({cube: panels} if panels else {}), "The monitor itself": health_of(cube)},
        job_query=f"label_values({known}}}, job)",
        instance_query=f'label_values({known},job="$job"}}, instance)',
    )


def _run(options: argparse.Namespace) -> int:
    from dynmon.cli.polycubectl.config import environment_config
    from dynmon.cli.polycubectl.connection import connect

    config = environment_config()
    with connect(replace(config, url=options.url) if options.url else config) as client:
        document = dashboard_of(options.cube, client.exposition(options.cube))
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if options.output:
        options.output.write_bytes(text.encode())
    else:
        sys.stdout.buffer.write(text.encode())
    return 0
