"""The tables behind the question mark."""

from dynmon.cli.polycubectl.grammar import parse
from dynmon.cli.polycubectl.help import NO_HELP, local_help, render_help, render_root_help

NAME = {
    "name": "name",
    "type": "key",
    "simpletype": "string",
    "description": "Name of the dynmon service",
    "example": "dynmon1",
}
LOGLEVEL = {"name": "loglevel", "type": "leaf", "simpletype": "string", "description": "Level", "example": "INFO"}


def test_a_list_shows_its_key_commands_and_elements():
    answer = {"commands": ["add", "del", "show"], "params": {"name": NAME}, "elements": [{"name": "dm"}]}

    assert render_help(answer, parse(["dynmon", "?"])) == (
        " Keyword  Type     Description                 Example\n"
        " <name>   string   Name of the dynmon service  dynmon1\n"
        " add      command  Create an element\n"
        " del      command  Delete an element\n"
        " show     command  Show what is there\n"
        "\n"
        "Elements:\n"
        " dm"
    )


def test_add_has_an_example_line_instead_of_a_column():
    answer = {"params": {"name": NAME}, "optional-params": {"loglevel": LOGLEVEL}}

    assert render_help(answer, parse(["dynmon", "add", "?"])) == (
        " Keyword    Type    Description\n"
        " <name>     string  Name of the dynmon service\n"
        " loglevel=  string  Level\n"
        "\n"
        "Example: polycubectl dynmon add dynmon1"
    )


def test_nothing_to_say():
    assert NO_HELP == render_help({"params": {}}, parse(["dm", "add", "?"]))


def test_root_help_lists_services_commands_and_cubes():
    answer = {"params": {"dynmon": {"name": "dynmon", "description": "Dynamic Traffic Monitor"}}}

    lines = render_root_help(answer, {"dynmon": [{"name": "dm"}]}).splitlines()

    assert " dynmon      service  Dynamic Traffic Monitor" == lines[1]
    assert any(line.startswith(" attach      command") for line in lines)
    assert ["Running cubes:", " dm  cube  A cube of dynmon"] == lines[-2:]


def test_help_that_needs_no_daemon():
    assert local_help(parse(["attach", "?"])).startswith("polycubectl attach CUBE PORT [position=")
    assert local_help(parse(["services", "?"])).startswith("polycubectl services show")
    assert None is local_help(parse(["services", "show", "?"]))
    assert None is local_help(parse(["?"]))
