"""A dataplane-config document out of the files that people have: C sources or objects, and a description of metrics.

Three forms are understood:

- C files or objects named one by one, with metrics given on the command line or in a file;
- a folder with ``ingress.c`` (or ``probe.c``) and ``egress.c``, or with a single C file of any name for ingress, and
  ``metrics.yaml`` or ``metrics.json``; where there is no C file, ``.o`` files of these names;
- a JSON or YAML document in which ``"code-file": "probe.c"`` stands instead of ``"code"``.

The source text travels as it is, to the byte; headers that stand beside it travel within it.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynmon.cli.local_includes import with_local_includes
from dynmon.errors import InvalidInputError

SOURCES = {"ingress": ("ingress", "probe"), "egress": ("egress",)}
ELF_MAGIC = b"\x7fELF"
METRICS_FILES = ("metrics.yaml", "metrics.yml", "metrics.json")
METRIC_TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
PATH_KEYS = ("ingress-path", "egress-path")
MAX_FILE_BYTES = 64 << 20

JsonObject = dict[str, Any]


class PackError(InvalidInputError):
    """Files that no dataplane-config can be made from."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a dataplane and the metrics of each direction; a direction without a file has no path."""

    files: Mapping[str, Path]
    metrics: Mapping[str, Sequence[JsonObject]] = field(default_factory=dict)
    name: str | None = None


def pack(sources: Sources) -> JsonObject:
    """The dataplane-config document of these files.

    Raises:
        PackError: A file cannot be read, or the result is not a valid dataplane-config.
    """
    document = {
        f"{direction}-path": _path_of(file, sources.metrics.get(direction, ()), sources.name)
        for direction, file in sources.files.items()
    }
    _check(document)
    return document


def find_sources(folder: Path, name: str | None = None) -> Sources:
    """The sources in `folder`, under their usual names.

    Raises:
        PackError: There are none, or two that mean the same.
    """
    files = _usual_files(folder, ".c") or _only_file(folder, ".c") or _usual_files(folder, ".o")
    files = files or _only_file(folder, ".o")
    if not files:
        raise PackError(f"{folder} has no C file and no object")
    description = _only_one(folder, METRICS_FILES)
    metrics = read_metrics(description, tuple(files)) if description else {}
    return Sources(files, metrics, name or folder.resolve().name)


def read_metrics(file: Path, directions: Sequence[str]) -> dict[str, Sequence[JsonObject]]:
    """The metrics that `file` describes: a list for every direction, or an object with a list for each.

    Raises:
        PackError: It is neither.
    """
    document = parse_text(read_text(file), str(file))
    if isinstance(document, list):
        return dict.fromkeys(directions, document)
    if not isinstance(document, dict) or not all(isinstance(value, list) for value in document.values()):
        raise PackError(f"{file} must be a list of metrics, or an object of lists under ingress and egress")
    unknown = sorted(str(key) for key in document if key not in SOURCES)
    if unknown:
        raise PackError(f"{file} has {', '.join(unknown)}; it may have ingress and egress")
    without_code = sorted(key for key in document if key not in directions)
    if without_code:
        raise PackError(f"{file} describes {without_code[0]} metrics, but there is no {without_code[0]} code")
    return document


def parse_metric(text: str) -> JsonObject:
    """A metric written ``name=MAP[:type[:help]]``.

    Raises:
        PackError: It is not written so.
    """
    name, equals, rest = text.partition("=")
    map_name, *metadata = rest.split(":", 2)
    if not (name and equals and map_name):
        raise PackError(f"metric {text!r} must be written name=MAP[:type[:help]]")
    metric: JsonObject = {"name": name, "map-name": map_name}
    if metadata:
        if metadata[0].lower() not in METRIC_TYPES:
            raise PackError(f"metric {text!r}: the type must be one of {', '.join(METRIC_TYPES)}")
        help_text = metadata[1] if len(metadata) > 1 else name.replace("_", " ")
        metric["open-metrics-metadata"] = {"help": help_text, "type": metadata[0].lower()}
    return metric


def resolve_code_files(document: Any, folder: Path) -> Any:
    """`document` with every ``code-file`` of its paths replaced by the code in that file, relative to `folder`.

    The paths may stand at the top or under ``dataplane-config``, as in the body that creates a cube.

    Raises:
        PackError: A file cannot be read, or a path has both keys.
    """
    if not isinstance(document, dict):
        return document
    resolved = dict(document)
    for key in (*PATH_KEYS, "dataplane-config"):
        if isinstance(document.get(key), dict):
            resolved[key] = resolve_code_files(document[key], folder)
    if "code-file" in document:
        if "code" in document:
            raise PackError("code and code-file cannot be used together")
        if not isinstance(document["code-file"], str) or "\0" in document["code-file"]:
            raise PackError(f"code-file must be the name of a file, not {document['code-file']!r}")
        code = code_of(folder / document["code-file"])
        [word] = code
        resolved = {word if key == "code-file" else key: value for key, value in resolved.items()} | code
    return resolved


def parse_text(text: str, where: str) -> Any:
    """`text` as JSON, or as YAML when it is not JSON.

    Raises:
        PackError: It is neither; the sentence has the line and column.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise PackError(f"{where} is nested too deeply") from error
    except json.JSONDecodeError as error:
        json_error = error
    if text.lstrip().startswith(("{", "[")):
        # Whoever writes a brace means JSON, and what YAML has to say about it would not help.
        place = f"line {json_error.lineno} column {json_error.colno}"
        raise PackError(f"{where} is not valid JSON: {place}: {json_error.msg}") from json_error
    return _parse_yaml(text, where)


def read_text(file: Path) -> str:
    """The text of `file`, to the byte: line ends stay what they are.

    Raises:
        PackError: It cannot be read, is too long or is not UTF-8.
    """
    raw = read_bytes(file)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise PackError(f"{file} is not UTF-8 text (byte {error.start})") from error


def read_bytes(file: Path) -> bytes:
    """What is in `file`.

    Raises:
        PackError: It cannot be read, or is too long.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PackError(f"cannot read {file}: {error.strerror}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise PackError(f"{file} is longer than {MAX_FILE_BYTES >> 20} MiB")
    return raw


def code_of(file: Path) -> JsonObject:
    """The code in `file` as a path has it: C text with its local headers, or an object in base64.

    Raises:
        PackError, IncludeError: It cannot be read.
    """
    raw = read_bytes(file)
    if raw.startswith(ELF_MAGIC):
        return {"object": base64.b64encode(gzip.compress(raw, mtime=0)).decode()}
    return {"code": with_local_includes(read_text(file), file, read_text)}


def _path_of(file: Path, metrics: Sequence[JsonObject], name: str | None) -> JsonObject:
    path: JsonObject = {"name": name or file.stem, **code_of(file)}
    return path | ({"metric-configs": list(metrics)} if metrics else {})


def _usual_files(folder: Path, suffix: str) -> dict[str, Path]:
    found = {
        direction: _only_one(folder, [name + suffix for name in candidates])
        for direction, candidates in SOURCES.items()
    }
    return {direction: file for direction, file in found.items() if file}


def _only_file(folder: Path, suffix: str) -> dict[str, Path]:
    """The one source of a folder that has none of the usual names."""
    found = sorted(folder.glob(f"*{suffix}"))
    if len(found) > 1:
        kind = "C files" if suffix == ".c" else "objects"
        raise PackError(
            f"{folder} has {len(found)} {kind}; it needs a single one, or ingress{suffix} and egress{suffix}"
        )
    return {"ingress": found[0]} if found else {}


def _only_one(folder: Path, names: Sequence[str]) -> Path | None:
    found = [folder / name for name in names if (folder / name).exists()]
    if len(found) > 1:
        raise PackError(f"{folder} has both {found[0].name} and {found[1].name}; keep one")
    return found[0] if found else None


def _check(document: JsonObject) -> None:
    from dynmon.models import DataplaneConfig, validate_document

    try:
        validate_document(DataplaneConfig, document, "the dataplane-config")
    except InvalidInputError as error:
        raise PackError(str(error)) from error


def _parse_yaml(text: str, where: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except RecursionError as error:
        raise PackError(f"{where} is nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1} column {mark.column + 1}: " if mark else ""
        raise PackError(f"{where} is neither JSON nor YAML: {place}{error.problem}") from error
    except yaml.YAMLError as error:
        raise PackError(f"{where} is neither JSON nor YAML: {error}") from error
