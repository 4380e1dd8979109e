"""What a script says of code and metrics → the documents that a cube takes."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, TypeGuard

from dynmon.errors import InvalidInputError, NotFoundError
from dynmon.models import CubeConfig, CubeType, DataplaneConfig, Direction, LogLevel, MetricConfig, validate_document
from dynmon.models.dataplane import ELF_MAGIC, GZIP_MAGIC
from dynmon.models.open_metrics import METRIC_NAME

Code = str | bytes | os.PathLike[str]
Metric = str | Mapping[str, Any] | MetricConfig
Metrics = Mapping[str, Metric] | Iterable[Metric]
Config = DataplaneConfig | Mapping[str, Any] | str | os.PathLike[str]

# Every function has a brace, every declaration ends with a semicolon.
SIGNS_OF_C = frozenset("\n;{")
JSON_SUFFIX = ".json"
TOTAL = "_total"


class CodeOptions(TypedDict, total=False):
    """How the code is to be loaded: keys of a path's document, as Python spells them."""

    program: str
    program_type: str
    map_sizes: Mapping[str, int]
    constants: Mapping[str, Any]
    initial_entries: Mapping[str, list[Any]]
    keep_maps: bool | Sequence[str]


class CodeNotFound(NotFoundError):
    """The file with the code, or with the whole configuration, cannot be read."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"read {str(path)!r}: {error.strerror or error}")
        self.path = path

    def fields(self) -> Mapping[str, Any]:
        return {"file": str(self.path)}


class NothingToRun(InvalidInputError):
    """A monitor was asked for without code, or with two descriptions of it."""


def cube_document(
    config: DataplaneConfig, hook: CubeType | str, loglevel: LogLevel | str, *, passive: bool = False
) -> CubeConfig:
    """A cube that runs `config`.

    Raises:
        InvalidDocument: There is no such hook, or no such level.
    """
    document = {"type": hook, "loglevel": loglevel, "passive": passive, "dataplane-config": config}
    return validate_document(CubeConfig, document, "monitor")


def dataplane_document(
    code: Code | Config | None,
    egress: Code | None,
    metrics: Metrics | None,
    config: Config | None,
    options: CodeOptions,
) -> DataplaneConfig:
    """`config` itself, also where it stands in the place of `code`, or what the other arguments come to.

    Raises:
        NothingToRun: There is neither, or both.
        CodeNotFound: A file cannot be read.
        InvalidDocument: With every fault and its place.
    """
    if config is None and _is_config(code):
        code, config = None, code
    codes = {Direction.INGRESS: code, Direction.EGRESS: egress}
    given = {direction: each for direction, each in codes.items() if each is not None}
    if config is not None:
        if given or metrics is not None or options:
            raise NothingToRun("config says everything: give it alone, or else code, egress and what belongs to them")
        document = validate_document(DataplaneConfig, _parsed(config), "config")
        if not any(document.path(direction) for direction in Direction):
            raise NothingToRun("config has neither ingress-path nor egress-path: nothing would run")
        return document
    if not given:
        raise NothingToRun("nothing would run: give code for received packets, egress for sent ones, or config")
    shared = {key.replace("_", "-"): value for key, value in options.items()}
    # An iterator would be empty for the second direction.
    shared["metric-configs"] = [_metric_document(*each) for each in _named(metrics)] if metrics is not None else []
    paths = {direction.path_name: {**_code_document(each), **shared} for direction, each in given.items()}
    return validate_document(DataplaneConfig, paths, "monitor")


def metric_of(name: str) -> MetricConfig:
    """A metric for a map or a global variable, under its own name.

    Raises:
        InvalidDocument: The name is too long for a metric.
    """
    return validate_document(MetricConfig, _metric_document(name, name), "metric")


def _is_config(given: Code | Config | None) -> TypeGuard[Config]:
    if isinstance(given, str | os.PathLike):
        return _is_file(given) and os.fspath(given).endswith(JSON_SUFFIX)
    return isinstance(given, DataplaneConfig | Mapping)


def _is_file(given: str | os.PathLike[str]) -> bool:
    return not isinstance(given, str) or (given != "" and not SIGNS_OF_C.intersection(given))


def _parsed(config: Config) -> DataplaneConfig | Mapping[str, Any]:
    if isinstance(config, DataplaneConfig | Mapping):
        return config
    content = _read(Path(config))
    try:
        return json.loads(content)  # type: ignore[no-any-return]
    except ValueError as error:
        raise InvalidInputError(f"read {os.fspath(config)!r}: {error}") from error


def _code_document(code: Code | Config) -> dict[str, str]:
    if isinstance(code, DataplaneConfig | Mapping):
        raise NothingToRun("egress is code: a configuration is for both directions, and given alone")
    if isinstance(code, bytes):
        return _contents(code)
    if isinstance(code, str) and not _is_file(code):
        return {"code": code}
    path = Path(code)
    return {"name": path.name, **_contents(_read(path))}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CodeNotFound(path, error) from error


def _contents(raw: bytes) -> dict[str, str]:
    if raw.startswith((ELF_MAGIC, GZIP_MAGIC)):
        return {"object": base64.b64encode(raw).decode()}
    return {"code": raw.decode(errors="replace")}


def _named(metrics: Metrics) -> list[tuple[str, Metric]]:
    if isinstance(metrics, Mapping):
        return list(metrics.items())
    return [(each if isinstance(each, str) else "", each) for each in metrics]


def _metric_document(name: str, metric: Metric) -> Mapping[str, Any] | MetricConfig:
    if isinstance(metric, MetricConfig):
        return metric
    if not isinstance(metric, str):
        return {"name": name, **metric} if name else metric
    document = {"name": name, "map-name": metric}
    if not METRIC_NAME.fullmatch(name):  # then it cannot be exported
        return document
    kind = "counter" if name.endswith(TOTAL) else "untyped"
    return {**document, "open-metrics-metadata": {"type": kind, "help": f"Contents of {metric}"}}
