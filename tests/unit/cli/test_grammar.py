"""The grammar of polycubectl: words become a method, a path, pairs and a view."""

import pytest

from dynmon.cli.polycubectl.grammar import UsageError, View, parse


@pytest.mark.parametrize("words", ["dynmon del dm", "del dynmon dm", "dynmon dm del"])
def test_the_command_may_stand_anywhere(words):
    invocation = parse(words.split())

    assert ("DELETE", ("dynmon", "dm")) == (invocation.method, invocation.segments)


@pytest.mark.parametrize(
    ("words", "method", "segments"),
    [
        ("dynmon add monitor", "POST", ("dynmon", "monitor")),
        ("foo", "POST", ("foo",)),
        ("monitor metrics show", "GET", ("monitor", "metrics")),
        ("monitor set loglevel=DEBUG", "PATCH", ("monitor",)),
        ("monitor dataplane-config set", "PUT", ("monitor", "dataplane-config")),
        ("monitor set dataplane-config ingress-path", "PUT", ("monitor", "dataplane-config", "ingress-path")),
        ("monitor dataplane-config del", "DELETE", ("monitor", "dataplane-config")),
        ("cubes", "GET", ("cubes",)),
        ("netdevs", "GET", ("netdevs",)),
        ("netdevs show lo", "GET", ("netdevs", "lo")),
        ("topology show veth1", "GET", ("topology", "veth1")),
        ("topology veth1", "GET", ("topology", "veth1")),
        ("services", "GET", ("services",)),
        ("services add type=lib name=x uri=y", "POST", ("services",)),
        ("version", "GET", ("version",)),
    ],
)
def test_command_lines_of_the_original(words, method, segments):
    invocation = parse(words.split())

    assert (method, segments) == (invocation.method, invocation.segments)


def test_only_the_first_command_word_is_the_command():
    """A metric may be called like a command, when the command stands before it."""
    invocation = parse(["monitor", "metrics", "ingress-metrics", "show", "add"])

    assert ("show", ("monitor", "metrics", "ingress-metrics", "add")) == (invocation.command, invocation.segments)


@pytest.mark.parametrize(
    ("words", "pairs"),
    [
        ("attach 1 2", (("cube", "1"), ("port", "2"))),
        ("attach dm br1:toveth1", (("cube", "dm"), ("port", "br1:toveth1"))),
        ("attach dm veth1 position=first", (("cube", "dm"), ("port", "veth1"), ("position", "first"))),
        ("attach dm type=veth", (("cube", "dm"), ("port", "type=veth"))),
        ("attach dm master=br0 position=last", (("cube", "dm"), ("port", "master=br0"), ("position", "last"))),
        ("attach dm eth* on-return=attach", (("cube", "dm"), ("port", "eth*"), ("on-return", "attach"))),
        ("detach dm type=veth", (("cube", "dm"), ("port", "type=veth"))),
        ("attach dm show", (("cube", "dm"), ("port", "show"))),
        ("attach dm veth1 before=7", (("cube", "dm"), ("port", "veth1"), ("before", "7"))),
        ("detach dm veth1", (("cube", "dm"), ("port", "veth1"))),
        ("connect a:1 b:2", (("peer1", "a:1"), ("peer2", "b:2"))),
        ("disconnect a:1 b:2", (("peer1", "a:1"), ("peer2", "b:2"))),
    ],
)
def test_two_names_are_sent_as_strings(words, pairs):
    invocation = parse(words.split())

    assert ("POST", (words.split()[0],), pairs, True) == (
        invocation.method,
        invocation.segments,
        invocation.pairs,
        invocation.literal_pairs,
    )
    assert not invocation.takes_stdin


def test_topology_alone_is_verbose_and_hides_uuids():
    assert View("verbose", ("uuid",)) == parse(["topology"]).view
    assert View() == parse(["topology", "show"]).view


@pytest.mark.parametrize(
    ("flags", "view"),
    [
        ("-json", View("json")),
        ("-yaml", View("yaml")),
        ("-brief -hide=uuid,ports.peer", View("brief", ("uuid", "ports.peer"))),
        ("-hide=a -hide=b", View("normal", ("a", "b"))),
    ],
)
def test_flags_of_show(flags, view):
    assert view == parse(["dm", "show", *flags.split()]).view


def test_a_question_mark_asks_for_help():
    invocation = parse(["dynmon", "add", "?"])

    assert (True, "add", ("dynmon",)) == (invocation.wants_help, invocation.command, invocation.segments)


@pytest.mark.parametrize(
    ("words", "takes", "waits"),
    [
        ("dynmon add dm", True, False),
        ("dynmon add dm -", True, True),
        ("foo", True, False),
        ("monitor dataplane-config set", True, True),
        ("monitor set a=1 b=2", True, False),
        ("monitor set loglevel=INFO", False, False),
        ("monitor show", False, False),
        ("monitor del", False, False),
        ("cubes", False, False),
    ],
)
def test_who_reads_standard_input(words, takes, waits):
    invocation = parse(words.split())

    assert (takes, waits) == (invocation.takes_stdin, invocation.waits_for_stdin)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("dm set a=b=c", "'a=b=c' has more than one '='"),
        ("dm set =3", "'=3' has no key before '='"),
        ("dm set a..b=3", "has no key"),
        ("dm set a=1 a=2", "'a' is given more than once"),
        ("dynmon add a=1 dm", "'dm' stands behind key=value arguments"),
        ("dm show a=1", "show takes no key=value arguments"),
        ("dm del a=1", "del takes no key=value arguments"),
        ("dm show -xml", "-xml is not a valid flag"),
        ("dynmon add dm -json", "-json is a flag of show"),
        ("dm show -json -yaml", "-json and -yaml cannot be used together"),
        ("dm show -json -hide=uuid", "-hide cannot be used with -json"),
        ("dm show -", "'-' (read the body from standard input) goes with add and set only"),
        ("? dm", "? must be the last word"),
        ("attach dm", "attach needs two names: polycubectl attach CUBE PORT"),
        ("attach dm veth1 extra", "attach needs two names"),
        ("attach dm position=first", "attach needs two names"),
        ("attach dm before=a veth1", "attach needs two names"),
        ("attach dm -json veth1", "attach needs two names"),
        ("detach dm type=veth position=first", "detach takes no key=value arguments"),
        ("attach dm veth1 on-return=", "on-return needs a value"),
        ("attach dm veth1 position=middle", "position must be one of auto, first, last, not 'middle'"),
        ("attach dm veth1 where=first", "attach does not know 'where'"),
        ("attach dm veth1 before=", "before needs a value"),
        ("attach dm veth1 before=a after=b", "cannot be used together"),
        ("detach dm veth1 position=first", "detach takes no key=value arguments"),
        ("connect a:1", "connect needs two names"),
        ("version now", "version stands alone"),
    ],
)
def test_what_is_not_in_the_grammar_is_said(words, message):
    with pytest.raises(UsageError) as caught:
        parse(words.split())

    assert message in str(caught.value)


@pytest.mark.parametrize("word", ["", "a\udcffb", "a\nb"])
def test_words_that_cannot_be_sent_are_refused(word):
    with pytest.raises(UsageError):
        parse(["dynmon", "del", word])
