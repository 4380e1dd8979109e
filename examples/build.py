"""Make ``examples/NAME.json`` out of each folder ``examples/NAME`` (``make examples``).

A folder has one C file, which becomes the ingress path, and the metrics of its maps. The egress path is
written as ``{}``, which is how a configuration says "leave it as it is".
"""

from __future__ import annotations

import json
from pathlib import Path

from dynmon.cli.pack import Sources, pack, read_metrics

EXAMPLES = Path(__file__).resolve().parent


def example_names() -> list[str]:
    """The names of all examples, sorted."""
    return sorted(file.parent.name for file in EXAMPLES.glob("*/metrics.yaml"))


def source_of(name: str) -> Path:
    """The C file of the example `name`."""
    return EXAMPLES / name / f"{name}.c"


def config_of(name: str) -> Path:
    """The configuration made from the example `name`."""
    return EXAMPLES / f"{name}.json"


def build(name: str) -> str:
    """The text of the configuration of the example `name`."""
    metrics = read_metrics(EXAMPLES / name / "metrics.yaml", ("ingress",))
    document = pack(Sources({"ingress": source_of(name)}, metrics)) | {"egress-path": {}}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in example_names():
        config_of(name).write_text(build(name))
        print(config_of(name).relative_to(EXAMPLES.parent))
