"""How a metric is exported: the `open-metrics-metadata` of a metric's configuration."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictFloat, StrictInt, model_validator

from dynmon.models.base import CaselessEnum, Document, MetricType

# The lexical rules of OpenMetrics 1.0, "ABNF"; the colon is left to recording rules there, but accepted.
METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
UNIT = re.compile(r"[a-zA-Z0-9_:]+")
# Added by Dynmon or given a meaning by OpenMetrics: a user's label of the same name would be ambiguous.
RESERVED_LABELS = frozenset({"le", "quantile", "cube", "direction", "interface", "cpu", "index"})
MAX_BUCKETS = 1024
MAX_REPEATS = 3
BEHIND_LAST_BUCKET = "bucket-max+1"


def _check_label_name(name: str) -> str:
    if not LABEL_NAME.fullmatch(name) or name.startswith("__"):
        raise ValueError(f"{name!r} is not a label name (letters, digits and _, not starting with a digit or __)")
    if name in RESERVED_LABELS:
        raise ValueError(f"{name!r} is a reserved label name")
    return name


def _check_metric_name(name: str) -> str:
    if not METRIC_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a metric name (letters, digits, _ and :, not starting with a digit)")
    return name


def _check_unit(unit: str) -> str:
    if not UNIT.fullmatch(unit):
        raise ValueError(f"{unit!r} is not a unit (letters, digits and _, as in seconds or bytes)")
    return unit


LabelName = Annotated[str, AfterValidator(_check_label_name)]
Path = Annotated[str, Field(min_length=1, max_length=256)]
Unit = Annotated[str, AfterValidator(_check_unit)]
Multiplier = Annotated[StrictFloat, Field(gt=0)]
Bound = Annotated[StrictInt, Field(ge=0, le=1 << 32)]


class DecoderName(StrEnum):
    """What can be done to the bytes of a key's field, or to what the decoder before it made of them."""

    UINT = "uint"
    INT = "int"
    INET_IP = "inet_ip"
    MAC = "mac"
    PORT = "port"
    PROTO = "proto"
    STRING = "string"
    HEX = "hex"
    ENUM = "enum"
    IFNAME = "ifname"
    DNAME = "dname"
    ETHER_TYPE = "ether_type"
    ERRNO = "errno"
    BOOL = "bool"
    KTIME = "ktime"
    CIDR = "cidr"
    VLAN = "vlan"
    STATIC_MAP = "static_map"
    REGEXP = "regexp"
    FILE = "file"


# The decoder that each parameter is for; those without a default cannot be left out.
PARAMETERS = {
    "services": DecoderName.PORT,
    "prefix_length": DecoderName.CIDR,
    "static_map": DecoderName.STATIC_MAP,
    "allow_unknown": DecoderName.STATIC_MAP,
    "regexps": DecoderName.REGEXP,
    "csv": DecoderName.FILE,
}
REQUIRED = {DecoderName.STATIC_MAP: "static_map", DecoderName.REGEXP: "regexps", DecoderName.FILE: "csv"}


def _check_regexp(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if groups > 1:
        raise ValueError("has more than one group: the value is that of one group, or the whole text")
    bare = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", pattern, flags=re.DOTALL)
    # Texts come out of packets, and Python tries all ways to match: these two could take it longer than anybody waits.
    if re.search(r"\)[*+{]", bare):
        raise ValueError("repeats a group: repeat characters, as in [a-z.]+")
    if len(re.findall(r"[*+]|\{[0-9]*,\}", bare)) > MAX_REPEATS:
        raise ValueError(f"repeats more than {MAX_REPEATS} times without end")
    return pattern


def _check_csv(text: str) -> str:
    table = csv_table(text)
    if not table:
        raise ValueError("has no line with a value and a text, as in 10.0.0.0/8,office")
    return text


def csv_table(text: str) -> dict[str, str]:
    """The lines of a table, the first column → the second; a line that begins with ``#`` is a remark.

    Raises:
        ValueError: A line has not two columns, or names a network whose bits go beyond its length.
    """
    table: dict[str, str] = {}
    for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
        if not row or row[0].startswith("#"):
            continue
        if len(row) != 2:
            raise ValueError(f"line {number} has {len(row)} columns: a value and a text are wanted")
        key = row[0].strip()
        if "/" in key:
            try:
                key = str(ip_network(key))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
        table[key] = row[1].strip()
    return table


class DecoderConfig(Document):
    """One step of decoding; a name alone stands for the step without parameters."""

    name: DecoderName
    services: StrictBool | None = None
    prefix_length: Annotated[StrictInt, Field(ge=0, le=128)] | None = None
    static_map: dict[str, str] | None = None
    allow_unknown: StrictBool | None = None
    regexps: Annotated[tuple[Annotated[str, AfterValidator(_check_regexp)], ...], Field(min_length=1)] | None = None
    csv: Annotated[str, AfterValidator(_check_csv)] | None = None

    @model_validator(mode="after")
    def _parameters_are_its_own(self) -> DecoderConfig:
        for parameter, owner in PARAMETERS.items():
            if getattr(self, parameter) is not None and owner is not self.name:
                raise ValueError(f"has {parameter.replace('_', '-')}, which is a parameter of {owner}")
        wanted = REQUIRED.get(self.name)
        if wanted and getattr(self, wanted) is None:
            raise ValueError(f"is {self.name} and must have {wanted.replace('_', '-')}")
        return self


def _named(decoder: Any) -> Any:
    return {"name": decoder} if isinstance(decoder, str) else decoder


class KeyLabel(Document):
    """A label out of the key: from one field of it, or, of a key that is no struct, from all of it."""

    name: LabelName
    field: Path | None = None
    decoders: tuple[Annotated[DecoderConfig, BeforeValidator(_named)], ...] | None = None


class Label(Document):
    """A constant label on every sample of a metric."""

    name: LabelName
    value: str


class ValueConfig(Document):
    """A family out of one field of the value."""

    field: Path
    name: Annotated[str, AfterValidator(_check_metric_name)] | None = None
    type: MetricType | None = None
    help: str | None = None
    unit: Unit | None = None
    multiplier: Multiplier | None = None

    @model_validator(mode="after")
    def _is_a_number(self) -> ValueConfig:
        if self.type in DISTRIBUTIONS:
            raise ValueError(f"has type {self.type}: that is a type for the metric as a whole")
        return self


class PerCpu(CaselessEnum):
    """What becomes of the values of the CPUs."""

    SUM = "sum"
    LABEL = "label"


class BucketType(CaselessEnum):
    """What the buckets of a histogram hold, by their numbers."""

    EXP2 = "exp2"
    EXP2ZERO = "exp2zero"
    LINEAR = "linear"
    FIXED = "fixed"


DISTRIBUTIONS = frozenset({MetricType.HISTOGRAM, MetricType.SUMMARY})


def _numbered(names: Any) -> Any:
    return {str(number): name for number, name in enumerate(names)} if isinstance(names, list | tuple) else names


Index = Annotated[str, Field(pattern="^(0|[1-9][0-9]{0,9})$")]
IndexNames = Annotated[dict[Index, str], BeforeValidator(_numbered)]


class OpenMetricsMetadata(Document):
    """How a metric is exported as OpenMetrics; a metric without it is exported as JSON only."""

    help: str
    type: MetricType
    labels: tuple[Label, ...] | None = None
    key_labels: tuple[KeyLabel, ...] | None = None
    drop: tuple[Path, ...] | None = None
    keep: tuple[Path, ...] | None = None
    index_names: IndexNames | None = None
    per_cpu: PerCpu | None = None
    value_field: Path | None = None
    values: tuple[ValueConfig, ...] | None = None
    unit: Unit | None = None
    multiplier: Multiplier | None = None
    bucket_type: BucketType | None = None
    bucket_min: Bound | None = None
    bucket_max: Bound | None = None
    bucket_keys: tuple[StrictFloat, ...] | None = None
    bucket_multiplier: Multiplier | None = None
    bucket_field: Path | None = None
    sum_field: Path | None = None
    count_field: Path | None = None
    quantiles: tuple[Annotated[StrictFloat, Field(ge=0, le=1)], ...] | None = None
    series_limit: Annotated[StrictInt, Field(ge=1, le=1 << 32)] | None = None

    @model_validator(mode="after")
    def _names_are_unique(self) -> OpenMetricsMetadata:
        constant, of_keys = [each.name for each in self.labels or ()], [each.name for each in self.key_labels or ()]
        refuse_duplicates(constant + of_keys, "label")
        refuse_duplicates([each.name for each in self.values or () if each.name], "value")
        return self

    @model_validator(mode="after")
    def _keys_go_together(self) -> OpenMetricsMetadata:
        for one, other in (("drop", "keep"), ("value_field", "values")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"has {_kebab(one)} and {_kebab(other)}: one of them is enough")
        if self.type not in DISTRIBUTIONS:
            self._refuse_keys(BUCKETING, "histogram or summary")
        if self.type in DISTRIBUTIONS:
            self._refuse_keys(("values",), "counter, gauge or untyped")
        if self.type is not MetricType.SUMMARY:
            self._refuse_keys(("quantiles",), "summary")
        return self

    @model_validator(mode="after")
    def _buckets_are_right(self) -> OpenMetricsMetadata:
        if (self.bucket_type is BucketType.FIXED) != (self.bucket_keys is not None):
            raise ValueError("must have bucket-keys if bucket-type is fixed, and only then")
        keys = self.bucket_keys or ()
        if any(second <= first for first, second in itertools.pairwise(keys)):
            raise ValueError("has bucket-keys that do not increase")
        if keys and (self.bucket_min is not None or self.bucket_max is not None):
            raise ValueError("has bucket-keys, so bucket-min and bucket-max have no meaning")
        first = self.bucket_min or 0
        last = first if self.bucket_max is None else self.bucket_max
        if not 0 <= last - first < MAX_BUCKETS or len(keys) > MAX_BUCKETS:
            raise ValueError(f"must have 1 to {MAX_BUCKETS} buckets from bucket-min to bucket-max")
        if self.sum_field == BEHIND_LAST_BUCKET and self.bucket_max is None:
            raise ValueError(f"has sum-field {BEHIND_LAST_BUCKET}, so it must have bucket-max")
        return self

    def _refuse_keys(self, keys: Iterable[str], types: str) -> None:
        wrong = next((key for key in keys if getattr(self, key) is not None), None)
        if wrong:
            raise ValueError(f"has {_kebab(wrong)}, but its type is {self.type}, not {types}")


BUCKETING = (
    "bucket_type",
    "bucket_min",
    "bucket_max",
    "bucket_keys",
    "bucket_multiplier",
    "bucket_field",
    "sum_field",
    "count_field",
)


def refuse_duplicates(names: list[str], what: str) -> None:
    """Every name once.

    Raises:
        ValueError: Some are there more than once.
    """
    duplicates = sorted(name for name, count in Counter(names).items() if count > 1)
    if duplicates:
        raise ValueError(f"{what} name used more than once: {', '.join(duplicates)}")


def _kebab(name: str) -> str:
    return name.replace("_", "-")
