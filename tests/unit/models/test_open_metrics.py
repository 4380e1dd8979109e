"""What can be said about a metric, and what contradicts itself: known before there is a map."""

import pytest

from dynmon.errors import InvalidInputError
from dynmon.models import OpenMetricsMetadata, validate_document


def metadata(**more):
    kebab = {key.replace("_", "-"): value for key, value in more.items()}
    return validate_document(OpenMetricsMetadata, {"help": "Help.", "type": "counter", **kebab}, "metadata")


def decoder(**parameters):
    return {"key_labels": [{"name": "x", "decoders": [parameters]}]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"labels": [{"name": "a", "value": ""}], "key_labels": [{"name": "a"}]}, "label name used more than once: a"),
        ({"key_labels": [{"name": "le"}]}, r"key-labels\[0\].name: 'le' is a reserved label name"),
        ({"key_labels": [{"name": "a", "decoders": ["utf8"]}]}, r"key-labels\[0\].decoders\[0\].name: must be 'uint'"),
        ({"drop": ["a"], "keep": ["b"]}, "has drop and keep: one of them is enough"),
        ({"value_field": "a", "values": [{"field": "b"}]}, "has value-field and values"),
        ({"values": [{"field": "a", "type": "histogram"}]}, r"values\[0\]: has type histogram"),
        ({"values": [{"field": "a", "name": "1a"}]}, "'1a' is not a metric name"),
        ({"unit": "per second"}, "unit: 'per second' is not a unit"),
        ({"multiplier": 0}, "multiplier: must be more than 0"),
        ({"multiplier": "2"}, "multiplier: must be a number"),
        ({"per_cpu": "max"}, "per-cpu: must be 'sum' or 'label'"),
        ({"series_limit": 0}, "series-limit: must be at least 1"),
        ({"index_names": {"one": "a"}}, "index-names"),
        ({"bucket_type": "linear"}, "has bucket-type, but its type is counter, not histogram or summary"),
        ({"quantiles": [0.5]}, "has quantiles, but its type is counter, not summary"),
        ({"type": "histogram", "values": [{"field": "a"}]}, "has values, but its type is histogram"),
        ({"type": "summary", "quantiles": [1.5]}, r"quantiles\[0\]: must be at most 1"),
        ({"type": "histogram", "bucket_type": "fixed"}, "must have bucket-keys if bucket-type is fixed, and only then"),
        ({"type": "histogram", "bucket_keys": [1]}, "must have bucket-keys if bucket-type is fixed, and only then"),
        ({"type": "histogram", "bucket_type": "fixed", "bucket_keys": [2, 2]}, "bucket-keys that do not increase"),
        ({"type": "histogram", "bucket_min": 5, "bucket_max": 4}, "must have 1 to 1024 buckets"),
        ({"type": "histogram", "bucket_max": 1024}, "must have 1 to 1024 buckets"),
        ({"type": "histogram", "sum_field": "bucket-max+1"}, "so it must have bucket-max"),
        (decoder(name="uint", services=True), "has services, which is a parameter of port"),
        (decoder(name="static_map"), "is static_map and must have static-map"),
        (decoder(name="regexp", regexps=["("]), r"regexps\[0\]: is not a regular expression"),
        (decoder(name="regexp", regexps=["(a)(b)"]), "has more than one group"),
        (decoder(name="regexp", regexps=["(a+)+$"]), "repeats a group"),
        (decoder(name="regexp", regexps=[".*a.*b.*c.*"]), "repeats more than 3 times without end"),
        (decoder(name="file", csv="10.0.0.1/8,x"), "csv: line 1: 10.0.0.1/8 has host bits set"),
        (decoder(name="file", csv="a,b,c"), "line 1 has 3 columns"),
        (decoder(name="file", csv="# nothing"), "has no line with a value and a text"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(document, message):
    with pytest.raises(InvalidInputError, match=message):
        metadata(**document)


@pytest.mark.parametrize("pattern", [r"^eth([0-9]+)$", r"\(.*\)+", "[)*+]+", "(?:a|b)c", "x{2,4}", "^(GET|POST) "])
def test_expressions_that_no_text_makes_slow(pattern):
    assert metadata(**decoder(name="regexp", regexps=[pattern])).key_labels[0].decoders[0].regexps == (pattern,)


def test_a_decoder_without_parameters_is_its_name():
    [label] = metadata(key_labels=[{"name": "x", "decoders": ["uint", {"name": "proto"}]}]).key_labels

    assert ["uint", "proto"] == [each.name for each in label.decoders]


def test_names_of_indexes_are_a_list_or_an_object():
    assert {"0": "a", "1": "b"} == metadata(index_names=["a", "b"]).index_names
    assert {"6": "tcp"} == metadata(index_names={"6": "tcp"}).index_names
