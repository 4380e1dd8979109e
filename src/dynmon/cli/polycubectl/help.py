"""Help: the text of ``--help``, and the tables behind ``?`` that the daemon's OPTIONS answers fill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dynmon.cli.polycubectl.grammar import Invocation
from dynmon.cli.text import printable

USAGE = """\
Usage: polycubectl [PATH...] [add|del|show|set] [PATH...] [KEY=VALUE...] [FLAGS] [?]

Talks to the daemon. The command may stand anywhere in the path; "?" at the end
says what can stand there.

Cubes:
  polycubectl dynmon add NAME [type=TC|XDP_SKB|XDP_DRV] [loglevel=LEVEL] [passive=true]
  polycubectl dynmon add NAME < cube.json
  polycubectl dynmon show                      polycubectl NAME show
  polycubectl dynmon del NAME                  polycubectl NAME set loglevel=DEBUG
  polycubectl cubes                            polycubectl topology [show INTERFACE]

Interfaces:
  polycubectl attach NAME PORT [position=auto|first|last | before=CUBE | after=CUBE]
  polycubectl attach NAME 'eth*'               also master=br0, type=veth, all: those that come, too
  polycubectl detach NAME PORT                 polycubectl netdevs
  polycubectl netdevs INTERFACE hooks show     who sees its packets, ours and others

Dataplane and metrics:
  polycubectl NAME dataplane-config set < config.json
  polycubectl NAME dataplane-config show       polycubectl NAME dataplane-config del
  polycubectl NAME metrics show                polycubectl NAME open-metrics show
  polycubectl NAME metrics ingress-metrics METRIC value show

Others:
  polycubectl version                          polycubectl services show
  polycubectl connect CUBE:PORT CUBE:PORT      polycubectl disconnect CUBE:PORT CUBE:PORT
  polycubectl completion bash                  prints a script to be sourced by bash

Flags of show:
  -normal, -brief, -verbose   how much is shown (default: -normal)
  -json, -yaml                the whole answer as JSON or YAML
  -hide=KEY[,KEY.SUBKEY]      leave these out (not with -json and -yaml)

The body of add and set may come from standard input, as JSON or YAML, from a file or a
pipe; "-" waits for a pipe that takes longer than three seconds to say something.

Environment (or lower-case keys in ~/.config/polycube/polycubectl_config.yaml):
  POLYCUBECTL_URL             http://127.0.0.1:9000/polycube/v1/
  POLYCUBECTL_DEBUG           true prints requests and status lines on standard error
  POLYCUBECTL_CACERT, POLYCUBECTL_CERT, POLYCUBECTL_KEY
                              PEM files for https

Exit status: 0 done; 1 the daemon cannot be reached; 2 it refused, or wrong usage.
"""

LOCAL_HELP = {
    "attach": """\
polycubectl attach CUBE PORT [position=auto|first|last | before=CUBE | after=CUBE] [on-return=attach]

Put a transparent cube on a network interface, or on the port of a standard cube (CUBE:PORT) or of a bridge, bond or
other master (br0:eth1). In another network namespace it is netns/NAME/INTERFACE or pid/PID/INTERFACE.
Without a place it goes behind the cubes that are already there. With on-return=attach it is attached again when the
interface was deleted and one of its name is there. A selector, 'eth*', master=br0, type=veth or all, puts it on all
such interfaces, also those that come later.
Example: polycubectl attach monitor eth0 position=first
         polycubectl attach monitor netns/blue/eth0""",
    "detach": """\
polycubectl detach CUBE PORT

Take a transparent cube off an interface or port that it is attached to, or by the text of a selector off everything
that this has brought it to.
Example: polycubectl detach monitor eth0""",
    "connect": """\
polycubectl connect CUBE:PORT CUBE:PORT

Join two ports of standard cubes.
Example: polycubectl connect br1:port1 br2:port1""",
    "disconnect": """\
polycubectl disconnect CUBE:PORT CUBE:PORT

Part two ports that are joined.
Example: polycubectl disconnect br1:port1 br2:port1""",
    "services": """\
polycubectl services show [NAME]

The services that make cubes.
Example: polycubectl services show dynmon""",
    "version": """\
polycubectl version

The versions of this command and of the daemon.""",
}

ROOT_ROWS = (
    ("connect", "command", "Join two ports of standard cubes"),
    ("disconnect", "command", "Part two ports of standard cubes"),
    ("attach", "command", "Put a cube on an interface"),
    ("detach", "command", "Take a cube off an interface"),
    ("services", "command", "Show the services"),
    ("cubes", "command", "Show the cubes of all services"),
    ("topology", "command", "Show where cubes are attached"),
    ("netdevs", "command", "Show the network interfaces"),
    ("version", "command", "Show the versions"),
)
COMMAND_DESCRIPTIONS = {
    "add": "Create an element",
    "del": "Delete an element",
    "show": "Show what is there",
    "set": "Change what is there",
}
NO_HELP = "There is no help for this command"


def local_help(invocation: Invocation) -> str | None:
    """The help that needs no daemon, None for everything else."""
    word = invocation.segments[0] if invocation.segments else ""
    if word == "services" and (len(invocation.segments) > 1 or invocation.command):
        return None
    return LOCAL_HELP.get(word)


def render_root_help(answer: Any, cubes: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """What can be the first word: services, commands, and the cubes that exist."""
    services = _described(answer.get("params", {}) if isinstance(answer, dict) else {})
    running = [
        (str(cube.get("name", "")), "cube", f"A cube of {service}")
        for service, members in cubes.items()
        for cube in members
    ]
    blocks = [_table(("Keyword", "Type", "Description"), [*services, *ROOT_ROWS])]
    if running:
        blocks.append("Running cubes:\n" + _table((), running))
    return "\n\n".join(blocks)


def render_help(answer: Any, invocation: Invocation) -> str:
    """What can stand at the place of the ``?``."""
    if not isinstance(answer, dict) or not any(answer.values()):
        return NO_HELP
    with_example = invocation.command not in ("add", "del")
    rows = [row for block in ("params", "optional-params") for row in _rows(answer.get(block), invocation.command)]
    rows += [(word, "command", COMMAND_DESCRIPTIONS.get(word, ""), "") for word in answer.get("commands") or ()]
    headings = ("Keyword", "Type", "Description", "Example")
    count = len(headings) if with_example and any(row[3] for row in rows) else 3
    blocks = [_table(headings[:count], [row[:count] for row in rows])] if rows else []
    if elements := [str(value) for element in answer.get("elements") or () for value in _values(element)]:
        blocks.append("Elements:\n" + "\n".join(f" {printable(name)}" for name in elements))
    if not with_example and (example := _example(answer)):
        blocks.append(f"Example: polycubectl {' '.join(invocation.segments)} {invocation.command} {example}")
    return "\n\n".join(blocks) or NO_HELP


def _rows(params: Any, command: str) -> Iterator[tuple[str, str, str, str]]:
    for key, node in (params or {}).items():
        name, kind = str(node.get("name", key)), node.get("type", "")
        keyword = f"<{name}>" if kind == "key" else f"{name}=" if command in ("add", "set") else name
        shown_kind = node.get("simpletype") or kind
        yield keyword, str(shown_kind), str(node.get("description", "")), str(node.get("example", ""))


def _described(params: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(name, "service", str(node.get("description", ""))) for name, node in params.items()]


def _values(element: Any) -> Iterable[Any]:
    return element.values() if isinstance(element, dict) else (element,)


def _example(answer: Mapping[str, Any]) -> str:
    examples = (node.get("example") for node in (answer.get("params") or {}).values())
    return " ".join(str(example) for example in examples if example)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [[printable(cell) for cell in line] for line in ([headings, *rows] if headings else rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        " " + "  ".join(text.ljust(size) for text, size in zip(line, widths, strict=True)).rstrip() for line in lines
    )
