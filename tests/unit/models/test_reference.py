"""docs/reference/configuration.md says what the models accept: no key more, no key less."""

from __future__ import annotations

import json
import re

import pytest

from dynmon.arguments import parse_arguments
from dynmon.models import (
    CubeConfig,
    DataplaneConfig,
    DecoderConfig,
    DecoderName,
    ExtractionOptions,
    KeyLabel,
    LogLevel,
    MetricConfig,
    OpenMetricsMetadata,
    PathConfig,
    ValueConfig,
    validate_document,
)
from dynmon.models.open_metrics import RESERVED_LABELS

SECTIONS = {
    "A configuration": DataplaneConfig,
    "A path": PathConfig,
    "A metric": MetricConfig,
    "Extraction options": ExtractionOptions,
    "OpenMetrics metadata": OpenMetricsMetadata,
    "A key label": KeyLabel,
    "Decoders": DecoderConfig,
    "A value": ValueConfig,
    "A cube": CubeConfig,
}


@pytest.fixture(scope="module")
def reference(repository):
    return (repository / "docs/reference/configuration.md").read_text()


@pytest.fixture(scope="module")
def sections(reference):
    parts = re.split(r"^## (.*)$", reference, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(("title", "model"), SECTIONS.items())
def test_each_table_has_the_keys_of_its_model(sections, title, model):
    (table,) = [part for part in sections[title].split("\n\n") if part.startswith("| key |")]
    documented = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)

    assert {field.alias for field in model.model_fields.values()} == set(documented)


def test_the_examples_are_valid(reference):
    examples = re.findall(r"```json\n(.*?)```", reference, re.DOTALL)
    documents = [validate_document(DataplaneConfig, json.loads(example), "the example") for example in examples]
    first, second, third, fourth, *_ = documents

    assert "packets_total" == first.ingress_path.metric_configs[0].name
    assert first.egress_path is None
    assert "first" == second.ingress_path.program
    assert "seen" == third.ingress_path.metric_configs[0].variable
    assert {"last_seen": "max"} == fourth.ingress_path.metric_configs[0].merge


def test_reserved_words_are_named(sections):
    assert all(f"`{label}`" in sections["OpenMetrics metadata"] for label in RESERVED_LABELS)
    assert all(f"`{level}`" in sections["A cube"] for level in LogLevel)


def test_the_options_of_the_daemon_are_documented(sections, capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help", "--version"}

    assert options == set(re.findall(r"`(--[a-z-]+)`", sections["The daemon"]))


def test_every_decoder_is_described(sections):
    (table,) = [part for part in sections["Decoders"].split("\n\n") if "| decoder |" in part]
    described = re.findall(r"`([a-z_]+)`", "".join(row.split("|")[1] for row in table.splitlines()))

    assert sorted(DecoderName) == sorted(described)
