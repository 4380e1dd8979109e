#!/usr/bin/env python3
"""Read the metrics of a dynmon cube as JSON.

Stands alone: needs only what requirements.txt lists.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

VERSION = "1.1"
TIMEOUT_SECONDS = 5
DUMP_FILE = "dump.json"


class Failure(Exception):
    """Something that ends the program; the text is what the user reads."""


def main() -> None:
    """Read, and print or save."""
    options = parse_arguments()
    try:
        metrics = without_links(read(options))
        text = json.dumps(metrics, indent=2)
        if options.save:
            save(text)
        else:
            print(text, flush=True)
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has enough, and there is nobody left to tell
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Read the metrics of a dynmon cube as JSON.")
    parser.add_argument("cube_name", help="name of the dynmon cube")
    parser.add_argument("-a", "--address", default="localhost", help="address of the daemon (default: %(default)s)")
    parser.add_argument("-p", "--port", type=int, default=9000, help="port of the daemon (default: %(default)s)")
    parser.add_argument("-s", "--save", action="store_true", help=f"write {DUMP_FILE} here instead of printing")
    parser.add_argument(
        "-t", "--type", choices=("ingress", "egress", "all"), default="all", help="which metrics (default: all)"
    )
    parser.add_argument("-n", "--name", help="read the value of this metric only; needs -t ingress or -t egress")
    parser.add_argument("-v", "--version", action="version", version=f"%(prog)s - Version {VERSION}")
    options = parser.parse_args()
    if options.name and options.type == "all":
        parser.error("-n/--name needs -t/--type ingress or egress")
    if not options.cube_name.strip("."):
        parser.error(f"{options.cube_name!r} is not the name of a cube")
    return options


def read(options: argparse.Namespace) -> Any:
    """The JSON that the daemon answers."""
    host = options.address
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    url = f"http://{host}:{options.port}/polycube/v1/dynmon/{quote(options.cube_name, safe='')}/metrics/"
    if options.type != "all":
        url += f"{options.type}-metrics/"
    if options.name:
        url += f"{quote(options.name, safe='')}/value"
    session = requests.Session()
    session.trust_env = False  # no proxy of the web between us and a daemon next door
    try:
        response = session.get(url, timeout=TIMEOUT_SECONDS)
    except requests.exceptions.Timeout as error:
        raise Failure("Timeout error: the polycube daemon did not answer in time.") from error
    except requests.exceptions.ConnectionError as error:
        raise Failure("Connection error: unable to connect to polycube daemon.") from error
    except (requests.exceptions.RequestException, ValueError) as error:
        raise Failure(f"Error: unable to connect to polycube daemon: {error}") from error
    if not response.ok:
        raise Failure(f"Error: {explanation(response)}")
    try:
        return response.json()
    except ValueError as error:
        raise Failure(f"Error: {url} does not answer with JSON.") from error


def explanation(response: requests.Response) -> str:
    """The daemon's own sentence, or its whole answer."""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text.strip() or f"{response.status_code} {response.reason}"


def without_links(data: Any) -> Any:
    """`data` without ``_links`` members, and without those that the original puts into lists."""
    if isinstance(data, dict):
        return {key: without_links(value) for key, value in data.items() if key != "_links"}
    if isinstance(data, list):
        return [without_links(item) for item in data if not (isinstance(item, list) and item[:1] == ["_links"])]
    return data


def save(text: str) -> None:
    """Write the dump into the working directory."""
    try:
        Path(DUMP_FILE).write_text(text + "\n")
    except OSError as error:
        raise Failure(f"Error: cannot write {DUMP_FILE}: {error.strerror}") from error


if __name__ == "__main__":
    main()
