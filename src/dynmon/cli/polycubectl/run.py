"""Run one command line: understand it, ask the daemon, print the answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from dynmon.cli.polycubectl.grammar import Invocation, UsageError, parse
from dynmon.cli.polycubectl.help import USAGE, local_help
from dynmon.errors import DynmonError

if TYPE_CHECKING:
    from dynmon.cli.polycubectl.config import Config
    from dynmon.client import Answer, DynmonClient

EXIT_DONE = 0
EXIT_UNREACHABLE = 1
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130

# httpx, rich and yaml take longer to import than everything else here, so each is imported where it is needed.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run polycubectl; the exit status is 0 done, 1 no daemon (or unusable settings), 2 refused or wrong usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # half a character in an answer is not our failure
    try:
        status = _run(words)
        sys.stdout.flush()
    except UsageError as error:
        _complain(f"{error} (polycubectl --help)")
        return EXIT_REFUSED
    except BrokenPipeError:
        # The reader (head, less) has enough. Python would complain at exit when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNREACHABLE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except DynmonError as error:
        return _report(error)
    return status


def _run(words: list[str]) -> int:
    if words in (["-h"], ["--help"]):
        print(USAGE, end="")
        return EXIT_DONE
    if not words:
        print(USAGE, end="", file=sys.stderr)
        return EXIT_REFUSED
    if words[0] == "completion":
        from dynmon.cli.polycubectl.completion import run_completion

        return run_completion(words[1:])
    invocation = parse(words)
    if invocation.wants_help and (text := local_help(invocation)):
        print(text)
        return EXIT_DONE
    return _ask_daemon(invocation)


def _ask_daemon(invocation: Invocation) -> int:
    from dynmon.cli.polycubectl.config import environment_config
    from dynmon.cli.polycubectl.connection import connect

    config = environment_config()
    body = ... if invocation.wants_help else _body(invocation, config)
    with connect(config, trace=_complain_plainly if config.debug else None) as client:
        if invocation.wants_help:
            print(_help(client, invocation))
        elif invocation.segments == ("version",):
            _print_versions(client)
        else:
            segments = _target(invocation, config)
            answer = client.request(invocation.method, segments, body=body)
            if invocation.command == "show":
                _print_answer(answer, invocation)
            elif answer.text and answer.is_json:
                _print_kept(answer)
    return EXIT_DONE


def _is_single_set(invocation: Invocation, config: Config) -> bool:
    return config.singleparameterworkaround and invocation.command == "set" and len(invocation.pairs) == 1


def _target(invocation: Invocation, config: Config) -> tuple[str, ...]:
    if _is_single_set(invocation, config):
        return (*invocation.segments, *invocation.pairs[0][0].split("."))
    return invocation.segments


def _body(invocation: Invocation, config: Config) -> Any:
    """The JSON to send, Ellipsis for none."""
    from dynmon.cli.polycubectl.body import coerce, nest, parse_document, read_stdin

    if invocation.command in ("show", "del"):
        return ...
    if invocation.literal_pairs:
        return dict(invocation.pairs)
    if _is_single_set(invocation, config):
        return coerce(*invocation.pairs[0])
    text = read_stdin(invocation.waits_for_stdin) if invocation.takes_stdin else None
    document = parse_document(text) if text else None
    if document is not None:
        if invocation.pairs:
            _complain("the body comes from standard input; the key=value arguments are not used")
        return document
    if invocation.waits_for_stdin:
        raise UsageError("there is no body: give key=value, or JSON or YAML on standard input")
    return nest([(key, coerce(key, text)) for key, text in invocation.pairs])


def _help(client: DynmonClient, invocation: Invocation) -> str:
    from dynmon.cli.polycubectl.help import render_help, render_root_help

    answer = client.options(invocation.segments, invocation.command.upper() or "NONE")
    if not invocation.segments and not invocation.command:
        return render_root_help(answer, client.list())
    return render_help(answer, invocation)


def _print_versions(client: DynmonClient) -> None:
    from dynmon import __version__
    from dynmon.cli.polycubectl.grammar import View
    from dynmon.cli.polycubectl.render import render

    print(f"polycubectl:\n version: {__version__}", flush=True)
    print(render(client.version(), View()))


def _print_answer(answer: Answer, invocation: Invocation) -> None:
    from dynmon.cli.polycubectl.render import render
    from dynmon.cli.text import printable

    if not answer.text:
        return
    width = os.get_terminal_size().columns if sys.stdout.isatty() else None
    if answer.is_json:
        text = render(answer.data, invocation.view, width)
    else:
        text = answer.text if width is None else printable(answer.text)
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def _print_kept(answer: Answer) -> None:
    from dynmon.cli.polycubectl.kept import kept_lines

    for line in kept_lines(answer.data):
        print(line)


def _report(error: DynmonError) -> int:
    from dynmon.cli.polycubectl.config import ConfigError
    from dynmon.client import ApiError, ConnectionFailed

    if not isinstance(error, ApiError):
        _complain(str(error))
        return EXIT_UNREACHABLE if isinstance(error, ConnectionFailed | ConfigError) else EXIT_REFUSED
    from dynmon.cli.problem import explain

    for line in explain(error.detail, error.problem):
        _complain_plainly(line)
    return EXIT_REFUSED


def _complain(text: str) -> None:
    _complain_plainly(f"polycubectl: {text}")


def _complain_plainly(text: str) -> None:
    print(text, file=sys.stderr)
