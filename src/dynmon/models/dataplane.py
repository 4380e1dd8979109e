"""The code of a cube and what its maps mean: the `dataplane-config` document."""

from __future__ import annotations

import base64
import gzip
import io
import zlib
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, StrictBool, StrictInt, model_validator

from dynmon.models.base import Direction, Document, Hook, Merge
from dynmon.models.open_metrics import METRIC_NAME, OpenMetricsMetadata, refuse_duplicates

MAX_CODE_CHARACTERS = 1 << 20
MAX_OBJECT_BYTES = 16 << 20
MAX_MAP_ENTRIES = (1 << 32) - 1
ELF_MAGIC = b"\x7fELF"
GZIP_MAGIC = b"\x1f\x8b"
DEFAULT_PATH_NAME = "Default path config"


def _check_segment(name: str) -> str:
    if not name or len(name) > 128:
        raise ValueError("must have 1 to 128 characters")
    if any(character in "/?#" or not character.isprintable() for character in name):
        raise ValueError("must not contain '/', '?', '#' or unprintable characters: it is part of a URL")
    return name


Segment = Annotated[str, AfterValidator(_check_segment)]


def decode_object(text: str) -> bytes:
    """The bytes of an ELF object in base64, which may be gzipped.

    Raises:
        ValueError: It is neither, or larger than MAX_OBJECT_BYTES.
    """
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise ValueError("is not base64, or cut off: encode the .o file, as with base64 -w0") from error
    if raw.startswith(GZIP_MAGIC):
        raw = _decompressed(raw)
    if len(raw) > MAX_OBJECT_BYTES:
        raise ValueError(f"is larger than {MAX_OBJECT_BYTES >> 20} MiB")
    if not raw.startswith(ELF_MAGIC):
        raise ValueError("is not an ELF file: compile with clang -target bpf -c, and encode the .o file")
    return raw


def _decompressed(raw: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            return stream.read(MAX_OBJECT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError("is compressed with gzip, but damaged or cut off") from error


def _check_object(text: str) -> str:
    decode_object(text)
    return text


Name = Annotated[str, Field(min_length=1, max_length=128)]
TypeName = Annotated[str, Field(min_length=1, max_length=256)]


class ExtractionOptions(Document):
    """What reading a metric does to its map."""

    swap_on_read: StrictBool = False
    empty_on_read: StrictBool = False


class MetricConfig(Document):
    """A map or a global variable of the injected code, under the name it is read by.

    `type` and `key_type` name the C types of values and keys where the object does not tell them. `merge` says how
    values that were read at different times become one: a word, or a word for each field by its path. With
    `per_interface` each interface that the cube is attached to has a map of its own.
    """

    name: Segment
    map_name: Name | None = None
    variable: Name | None = None
    type: TypeName | None = None
    key_type: TypeName | None = None
    extraction_options: ExtractionOptions = ExtractionOptions()
    per_interface: StrictBool | None = None
    merge: Merge | dict[Name, Merge] | None = None
    open_metrics_metadata: OpenMetricsMetadata | None = None

    @model_validator(mode="after")
    def _reads_one_thing(self) -> MetricConfig:
        if (self.map_name is None) == (self.variable is None):
            raise ValueError("must have map-name or variable, and not both")
        if self.variable is not None and self.key_type is not None:
            raise ValueError("has key-type, but a variable has no keys")
        return self

    @model_validator(mode="after")
    def _exported_name_is_valid(self) -> MetricConfig:
        if self.open_metrics_metadata and not METRIC_NAME.fullmatch(self.name):
            raise ValueError(
                f"metric {self.name!r} is exported as OpenMetrics, so its name may only have letters, digits, _ and :"
            )
        return self


class PathConfig(Document):
    """The code of one direction, how to load it, and its metrics.

    `code` is C, in the dialect or as it is written for libbpf; `object` is an ELF object in base64. `program` picks one
    of several programs and `program_type` says what it is where its section does not. `map_sizes`, `constants` and
    `initial_entries` are given to the code before it sees a packet, by the names it declares. `keep_maps` are those
    whose contents go on when this code takes over: all, or some by name.
    """

    name: str = "unnamed"
    code: Annotated[str, Field(min_length=1, max_length=MAX_CODE_CHARACTERS)] | None = None
    object: Annotated[str, Field(min_length=1), AfterValidator(_check_object)] | None = None
    program: Name | None = None
    program_type: Hook | None = None
    map_sizes: dict[Name, Annotated[StrictInt, Field(ge=1, le=MAX_MAP_ENTRIES)]] | None = None
    constants: dict[Name, JsonValue] | None = None
    initial_entries: dict[Name, list[JsonValue]] | None = None
    keep_maps: StrictBool | tuple[Name, ...] | None = None
    metric_configs: tuple[MetricConfig, ...] = ()

    @model_validator(mode="after")
    def _has_one_kind_of_code(self) -> PathConfig:
        if (self.code is None) == (self.object is None):
            raise ValueError("must have code (C source) or object (an ELF object in base64), and not both")
        return self

    @property
    def object_bytes(self) -> bytes | None:
        """The ELF object, None where there is C code instead."""
        return None if self.object is None else decode_object(self.object)

    @model_validator(mode="after")
    def _metric_names_are_unique(self) -> PathConfig:
        refuse_duplicates([metric.name for metric in self.metric_configs], "metric")
        return self

    def wire(self) -> dict[str, Any]:
        document = super().wire()
        if not self.metric_configs:
            del document["metric-configs"]
        return document


class DataplaneConfig(Document):
    """Both paths; one that is not mentioned stays as it is."""

    ingress_path: PathConfig | None = None
    egress_path: PathConfig | None = None

    def path(self, direction: Direction) -> PathConfig | None:
        """The path of `direction`, None when it is not mentioned."""
        return self.ingress_path if direction is Direction.INGRESS else self.egress_path
