"""The tree of resources: what follows from its declaration alone."""

from __future__ import annotations

import pytest

from dynmon.api import help as helps
from dynmon.api.help import Help, HelpNotAvailable, HelpRequest
from dynmon.api.resources import CUBE, cube_trails
from dynmon.api.services import data_model
from dynmon.api.tree import Container, Leaf, ListOf
from dynmon.models import CubeConfig, DataplaneConfig, Direction, MetricConfig, OpenMetricsMetadata
from dynmon.models.base import Document

TRAILS = cube_trails()
# The original's, in its order, and then what is ours.
ORIGINAL = ["uuid", "type", "service-name", "loglevel", "dataplane-config", "metrics", "open-metrics"]
LINKED = [*ORIGINAL, "passive", "verdicts"]
DOCUMENTS: dict[str, type[Document]] = {
    "dataplane-config": DataplaneConfig,
    "dataplane-config/ingress-path/metric-configs/{metric}": MetricConfig,
    "dataplane-config/egress-path/metric-configs/{metric}/open-metrics-metadata": OpenMetricsMetadata,
}


def container(template: str) -> Container:
    node = TRAILS[template].node
    assert isinstance(node, Container)
    return node


@pytest.mark.parametrize(("template", "document"), DOCUMENTS.items())
def test_every_key_of_a_document_is_a_resource(template: str, document: type[Document]) -> None:
    """A key added to a model must be added to the tree, or it has no address and no help."""
    keys = {field.alias for field in document.model_fields.values()}

    assert keys == {child.name for child in container(template).children}


def test_every_key_of_a_new_cube_is_a_resource() -> None:
    keys = {field.alias for field in CubeConfig.model_fields.values()}

    assert keys <= {child.name for child in CUBE.children}


def test_links_have_the_order_that_clients_compare() -> None:
    linked = [child.name for child in CUBE.children if child.linked]

    assert LINKED == linked


@pytest.mark.parametrize("direction", Direction)
def test_only_values_drain(direction: Direction) -> None:
    place = f"metrics/{direction}-metrics"
    draining = {template for template, trail in TRAILS.items() if trail.node.drains and "egress" not in template}

    assert {"metrics", "metrics/ingress-metrics"} <= draining
    assert TRAILS[f"{place}/{{metric}}"].node.drains
    assert TRAILS[f"{place}/{{metric}}/value"].node.drains
    assert 4 == len(draining)


@pytest.mark.parametrize(
    ("help_word", "completion", "answer"),
    [
        (Help.NONE, True, ["dataplane-config", "metrics", "verdicts", "set", "show"]),
        (Help.SET, True, ["loglevel="]),
        (Help.SHOW, True, LINKED),
    ],
)
def test_completion_below_a_cube(help_word: Help, completion: bool, answer: list[str]) -> None:
    assert answer == helps.about_container(CUBE, HelpRequest(help_word, completion))


def test_completion_of_a_new_cube() -> None:
    assert ["type=", "service-name=", "loglevel=", "passive="] == helps.about_new_entry(
        CUBE, HelpRequest(Help.ADD, True)
    )


def test_help_describes_containers_and_leaves() -> None:
    answer = helps.about_container(CUBE, HelpRequest(Help.NONE, False))

    assert ["set", "show"] == answer["commands"]
    assert "complex" == answer["params"]["metrics"]["type"]
    settings = helps.about_container(CUBE, HelpRequest(Help.SET, False))["params"]
    assert ["loglevel"] == list(settings)
    assert {"name", "type", "simpletype", "description", "example"} == set(settings["loglevel"])


def test_set_is_offered_where_something_can_be_set() -> None:
    none = HelpRequest(Help.NONE, False)

    assert ["show"] == helps.about_container(container("metrics"), none)["commands"]
    assert ["set", "show"] == helps.about_container(container("dataplane-config"), none)["commands"]


def test_help_about_a_leaf_says_what_it_is() -> None:
    [loglevel] = [node for node in CUBE.members if node.name == "loglevel"]
    assert isinstance(loglevel, Leaf)

    with pytest.raises(HelpNotAvailable, match="loglevel: How much pcn_log in the code says; a single value"):
        helps.about_leaf(loglevel, HelpRequest(Help.NONE, False))


@pytest.mark.parametrize(
    ("help_word", "answer"),
    [
        (Help.NONE, ["a", "b", "add", "del", "show"]),
        (Help.SHOW, ["a", "b"]),
        (Help.DEL, ["a", "b"]),
        (Help.ADD, ["a", "b", "<name>"]),
    ],
)
def test_completion_of_cube_names(help_word: Help, answer: list[str]) -> None:
    assert answer == helps.about_list(CUBE.key, ["a", "b"], HelpRequest(help_word, True), CUBE)


def test_help_about_the_list_of_cubes() -> None:
    answer = helps.about_list(CUBE.key, ["a"], HelpRequest(Help.NONE, False), CUBE)

    assert ["add", "del", "show"] == answer["commands"]
    assert [{"name": "a"}] == answer["elements"]
    assert "key" == answer["params"]["name"]["type"]
    assert "optional-params" in helps.about_list(CUBE.key, [], HelpRequest(Help.ADD, False), CUBE)


def test_lists_that_cannot_change_offer_to_show_only() -> None:
    node = TRAILS["metrics/ingress-metrics"].node
    assert isinstance(node, ListOf)

    assert ["m", "show"] == helps.about_list(node.entry.key, ["m"], HelpRequest(Help.NONE, True))
    with pytest.raises(HelpNotAvailable):
        helps.about_list(node.entry.key, ["m"], HelpRequest(Help.DEL, False))


def test_completion_of_values_is_in_lower_case() -> None:
    leaf = TRAILS["loglevel"].node
    assert isinstance(leaf, Leaf)

    assert ["trace", "debug", "info", "warn", "err", "critical", "off"] == helps.about_leaf(
        leaf, HelpRequest(Help.SET, True)
    )
    with pytest.raises(HelpNotAvailable):
        helps.about_leaf(leaf, HelpRequest(Help.SET, False))


def test_the_data_model_shows_access_and_keys() -> None:
    lines = data_model("dynmon").splitlines()

    assert "module: dynmon" == lines[0]
    assert "  +--rw dynmon* [name]" == lines[1]
    assert "  |  +--ro uuid    string" in lines
    assert any(line.endswith("+--rw labels* [name]") for line in lines)
