"""Names out of types may be any bytes; those of labels and families may not."""

import numpy as np
import pytest

from dynmon.bpf import MapType
from dynmon.btf.plans import Enumeration, Field, Integer, Record
from dynmon.metrics.decoders import decoder_of
from dynmon.metrics.exports import MapShape, export_of
from dynmon.metrics.fields import whole
from dynmon.models import DecoderConfig, MetricConfig
from dynmon.rendering import render

WORD = Integer(4, is_signed=False)


def export(keys, values, **metadata):
    """What a hash exports whose key and value have fields of these names."""
    key, value = (
        whole(
            Record(4 * len(names), tuple(Field(name, 4 * at, WORD, "u32") for at, name in enumerate(names))), "struct s"
        )
        for names in (keys, values)
    )
    document = {"name": "m", "map-name": "M", "open-metrics-metadata": {"type": "counter", "help": "", **metadata}}
    config = MetricConfig.model_validate(document, by_alias=True)
    return export_of(config, config.open_metrics_metadata, MapShape(MapType.HASH, 10, key, value, None))


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        (["gr\u00f6\u00dfe", 'a"b\n'], ["gr__e", "a_b"]),
        (["_x", "0", "le", "cube"], ["x", "key_0", "key_le", "key_cube"]),
        (["a-b", "a_b"], ["a_b", "key_a_b"]),
        (["pad", "padding1", "__mine", "_pad"], []),
    ],
)
def test_labels_have_names_that_labels_can_have(fields, labels):
    assert labels == [part.name for part in export(fields, ["n"]).parts]


def test_families_have_names_that_families_can_have():
    assert ["m_a_b", "m_n"] == export(["k"], ['a"b', "n"]).names


def test_the_name_of_an_enumerator_is_escaped():
    names = {0: 'a"\\', 1: "b"}
    field = Field("e", 0, Enumeration(4, WORD, names, {name: value for value, name in names.items()}), "enum e")
    rows = np.array([0, 1, 2], "<u4").view(np.uint8).reshape(3, 4)

    assert b'a\\"\\\\b2' == render(decoder_of(DecoderConfig(name="enum")).parts(field), rows)
