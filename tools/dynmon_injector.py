#!/usr/bin/env python3
"""Inject a dataplane into a dynmon cube and attach the cube to an interface.

The cube is made when it does not exist. Stands alone: needs only what requirements.txt lists.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import requests

VERSION = "1.2"
TIMEOUT_SECONDS = 20
MODES = ("TC", "XDP_SKB", "XDP_DRV")
DIRECTIONS = ("ingress", "egress")
# In a folder: the code of each direction, the description of the metrics, or a whole configuration.
SOURCE_FILES = {"ingress": ("ingress.c", "probe.c"), "egress": ("egress.c",)}
METRICS_FILES = ("metrics.yaml", "metrics.yml", "metrics.json")

Json = dict[str, Any]


class Failure(Exception):
    """Something that ends the program; the text is what the user reads."""


class Refused(Failure):
    """The daemon's answer was an error."""


def main() -> None:
    """Read the configuration, then make or find the cube, attach it and inject."""
    options = parse_arguments()
    try:
        config = load_config(Path(options.path_to_configuration))
        if options.type != "both":
            config[f"{'egress' if options.type == 'ingress' else 'ingress'}-path"] = {}
        if not any(config.get(f"{direction}-path") for direction in DIRECTIONS):
            wanted = "code" if options.type == "both" else f"{options.type}-path"
            print(f"nothing to inject: {options.path_to_configuration} has no {wanted}", file=sys.stderr)
        run(Daemon(options.address, options.port), options, config)
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Inject a dataplane into a dynmon cube attached to an interface.")
    parser.add_argument("cube_name", type=not_empty, help="name of the dynmon cube; made when it does not exist")
    parser.add_argument("peer_interface", type=not_empty, help="interface (or cube:port) to attach the cube to")
    parser.add_argument(
        "path_to_configuration",
        help='JSON or YAML file with the dataplane (code, or "code-file": "probe.c"), or a folder with '
        "ingress.c (or probe.c), egress.c and metrics.yaml",
    )
    parser.add_argument("-a", "--address", default="localhost", help="address of the daemon (default: %(default)s)")
    parser.add_argument("-p", "--port", type=int, default=9000, help="port of the daemon (default: %(default)s)")
    parser.add_argument(
        "-t", "--type", choices=(*DIRECTIONS, "both"), default="both", help="inject only this path (default: both)"
    )
    parser.add_argument(
        "-m", "--mode", choices=MODES, type=str.upper, help="kind of cube, when it is made (default: TC)"
    )
    parser.add_argument("-d", "--debug", action="store_true", help="log level DEBUG, when the cube is made")
    parser.add_argument("-v", "--version", action="version", version=f"%(prog)s - Version {VERSION}")
    return parser.parse_args()


def not_empty(text: str) -> str:
    """`text`, which names something."""
    if not text.strip("."):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name")
    return text


def run(daemon: Daemon, options: argparse.Namespace, config: Json) -> None:
    """Bring the cube to where the command line wants it."""
    name = options.cube_name
    cube = daemon.find(name)
    if cube is None:
        create(daemon, options, config)
        return
    print(f"Dynmon {name} already exist")
    tell_what_is_ignored(options, cube)
    move(daemon, name, cube.get("parent") or "", options.peer_interface)
    print("Injecting the new dataplane")
    tell_what_was_kept(daemon.put(f"dynmon/{quote(name, safe='')}/dataplane-config", config))


def create(daemon: Daemon, options: argparse.Namespace, config: Json) -> None:
    """Make the cube and attach it; one that cannot be attached is not left behind."""
    name = options.cube_name
    print(f"Creating new dynmon instance named {name}")
    body = {
        "dataplane-config": config,
        "type": options.mode or "TC",
        "loglevel": "debug" if options.debug else "OFF",
    }
    daemon.post(f"dynmon/{quote(name, safe='')}", body)
    try:
        attach(daemon, name, options.peer_interface)
    except Failure as failure:
        try:
            daemon.delete(f"dynmon/{quote(name, safe='')}")
        except Failure as second:
            raise Failure(f"{failure}\nThe new cube {name} is still there: {second}") from second
        raise


def move(daemon: Daemon, name: str, old: str, new: str) -> None:
    """Attach an existing cube to `new`; when that fails it goes back to where it was."""
    if old == new:
        return
    if old:
        print(f"Detaching {name} from {old}")
        daemon.post("detach", {"cube": name, "port": old})
    try:
        attach(daemon, name, new)
    except Refused as failure:
        if old:
            try:
                attach(daemon, name, old)
            except Failure as second:
                raise Failure(f"{failure}\n{name} is attached to nothing now: {second}") from second
        raise


def attach(daemon: Daemon, name: str, interface: str) -> None:
    """Attach behind the cubes that are there."""
    print(f"Attaching {name} to {interface}")
    daemon.post("attach", {"cube": name, "port": interface, "position": "last"})


def tell_what_is_ignored(options: argparse.Namespace, cube: Json) -> None:
    """Mode and log level belong to the making of a cube."""
    if options.mode and options.mode != cube.get("type"):
        print(f"mode ignored: {options.cube_name} exists with type {cube.get('type')}", file=sys.stderr)
    if options.debug and str(cube.get("loglevel")).upper() != "DEBUG":
        print(
            f"debug ignored: {options.cube_name} exists with log level {cube.get('loglevel')} "
            f"(polycubectl {options.cube_name} set loglevel=DEBUG changes it)",
            file=sys.stderr,
        )


def tell_what_was_kept(report: Json) -> None:
    """Where the configuration has keep-maps, the daemon says which maps went on in the new code."""
    for path, maps in report.items():
        if maps["kept"]:
            print(f"{path}: kept {', '.join(maps['kept'])}")
        for other in maps["not-kept"]:
            print(f"{path}: {other['map']} begins empty: {other['reason']}")


class Daemon:
    """The REST API of one daemon."""

    def __init__(self, address: str, port: int) -> None:
        host = f"[{address}]" if ":" in address and not address.startswith("[") else address
        self._url = f"http://{host}:{port}/polycube/v1"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy of the web between us and a daemon next door

    def find(self, name: str) -> Json | None:
        """The cube, None when there is none; does not drain its metrics."""
        try:
            cube = self._send("GET", f"dynmon/{quote(name, safe='')}").json()
        except Refused:
            return None
        except ValueError as error:
            raise Failure(f"Error: {self._url} does not answer like a polycube daemon.") from error
        return cube if isinstance(cube, dict) else None

    def post(self, path: str, body: Json) -> None:
        """Make, attach or detach something."""
        self._send("POST", path, body)

    def put(self, path: str, body: Json) -> Json:
        """Replace something; gives what the daemon has to say about it."""
        try:
            answer = self._send("PUT", path, body).json()
        except ValueError:  # most often it has nothing to say
            return {}
        return answer if isinstance(answer, dict) else {}

    def delete(self, path: str) -> None:
        """Delete something."""
        self._send("DELETE", path)

    def _send(self, method: str, path: str, body: Json | None = None) -> requests.Response:
        try:
            response = self._session.request(method, f"{self._url}/{path}", json=body, timeout=TIMEOUT_SECONDS)
        except requests.exceptions.Timeout as error:
            raise Failure("Timeout error: the polycube daemon did not answer in time.") from error
        except requests.exceptions.ConnectionError as error:
            raise Failure("Connection error: unable to connect to polycube daemon.") from error
        except (requests.exceptions.RequestException, ValueError) as error:
            raise Failure(f"Error: unable to connect to polycube daemon: {error}") from error
        if not response.ok:
            raise Refused(f"Error: {explanation(response)}")
        return response


def explanation(response: requests.Response) -> str:
    """What the daemon said: its sentence, and each finding of the compiler or verifier below it."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "detail" not in problem:
        return response.text.strip() or f"{response.status_code} {response.reason}"
    findings = [finding for finding in problem.get("diagnostics") or () if isinstance(finding, dict)]
    detail = str(problem["detail"])
    lines = [detail.replace(f": {findings[0].get('message')}", "", 1) if findings else detail]
    for number, finding in enumerate(findings):
        lines += finding_lines(finding, () if number else problem.get("registers") or ())
    if problem.get("hint") and not any(finding.get("hint") for finding in findings):
        lines.append(f"  = hint: {problem['hint']}")
    log = problem.get("log") or ()
    lines += [f"  | {line}" for line in (log.splitlines() if isinstance(log, str) else log)]
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in "\n".join(lines))


def finding_lines(finding: Json, notes: Iterable[str]) -> list[str]:
    """``file:line:column: severity: message``, the source line, a caret under the place, notes and the hint."""
    line, column = finding.get("line") or 0, finding.get("column") or 0
    place = f"{finding.get('file', 'code')}:{line}:{column}" if line else finding.get("file", "code")
    lines = [f"{place}: {finding.get('severity', 'error')}: {finding.get('message', '')}"]
    margin = " " * (len(str(line)) + 2)
    source = str(finding.get("source-line") or "").rstrip("\r\n")
    if source.strip():
        lines.append(f" {line} | {source}")
        if column:
            before = source.encode()[: column - 1].decode(errors="ignore")
            lines.append(f"{margin}| " + "".join("\t" if c == "\t" else " " for c in before) + "^")
    lines += [f"{margin}= note: {note}" for note in notes]
    if finding.get("hint"):
        lines.append(f"{margin}= hint: {finding['hint']}")
    return lines


def load_config(path: Path) -> Json:
    """The dataplane configuration in a JSON or YAML file, or in a folder."""
    if not path.exists():
        raise Failure(f"File {path} does not exist.")
    config = config_of_folder(path) if path.is_dir() else parse(path)
    if not isinstance(config, dict):
        raise Failure(f"Error: {path} must be an object with ingress-path and egress-path.")
    for direction in DIRECTIONS:
        part = config.get(f"{direction}-path")
        if isinstance(part, dict) and "code-file" in part:
            config[f"{direction}-path"] = with_code(part, path.parent)
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:  # YAML has dates, and numbers that are none
        raise Failure(f"Error: {path} cannot be sent as JSON: {error}.") from error
    return config


def with_code(part: Json, folder: Path) -> Json:
    """A path of the configuration, its ``code-file`` replaced by what the file holds."""
    if "code" in part:
        raise Failure("Error: code and code-file cannot be used together.")
    if not isinstance(part["code-file"], str) or "\0" in part["code-file"]:
        raise Failure(f"Error: code-file must be the name of a file, not {part['code-file']!r}.")
    return {key: value for key, value in part.items() if key != "code-file"} | {
        "code": read_text(folder / part["code-file"])
    }


def config_of_folder(folder: Path) -> Json:
    """A configuration from ``ingress.c`` (or ``probe.c``, or the only C file), ``egress.c`` and ``metrics.yaml``."""
    sources = {direction: only_one(folder, names) for direction, names in SOURCE_FILES.items()}
    found = {direction: source for direction, source in sources.items() if source}
    if not found:
        found = {"ingress": only_source(folder)}
    description = only_one(folder, METRICS_FILES)
    metrics = metrics_of(description, list(found)) if description else {}
    config = {}
    for direction, source in found.items():
        path: Json = {"name": folder.resolve().name, "code": read_text(source)}
        if metrics.get(direction):
            path["metric-configs"] = metrics[direction]
        config[f"{direction}-path"] = path
    return config


def only_source(folder: Path) -> Path:
    """The one C file of a folder that has none of the usual names."""
    found = sorted(folder.glob("*.c"))
    if len(found) != 1:
        raise Failure(f"Error: {folder} has {len(found)} C files; it needs a single one, or ingress.c and egress.c.")
    return found[0]


def metrics_of(description: Path, directions: list[str]) -> Json:
    """The metric-configs of each direction: one list for all of them, or a list under each one's name."""
    document = parse(description)
    if isinstance(document, list):
        return dict.fromkeys(directions, document)
    if not isinstance(document, dict) or not all(isinstance(value, list) for value in document.values()):
        raise Failure(
            f"Error: {description} must be a list of metrics, or an object of lists under ingress and egress."
        )
    without_code = [str(key) for key in document if key not in directions]
    if without_code:
        raise Failure(f"Error: {description} describes {', '.join(without_code)}, but there is no such code.")
    return document


def only_one(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The file in `folder` that has one of these names."""
    found = [folder / name for name in names if (folder / name).exists()]
    if len(found) > 1:
        raise Failure(f"Error: {folder} has both {found[0].name} and {found[1].name}; keep one.")
    return found[0] if found else None


def parse(path: Path) -> Any:
    """A file as JSON, or as YAML when it is not JSON."""
    text = read_text(path)
    try:
        return json.loads(text)
    except RecursionError:
        raise Failure(f"Error: {path} is nested too deeply.") from None
    except ValueError as error:
        if path.suffix == ".json" or text.lstrip().startswith(("{", "[")):
            fail_at(path, "JSON", error.lineno, error.colno, error.msg)  # type: ignore[attr-defined]
    return parse_yaml(path, text)


def parse_yaml(path: Path, text: str) -> Any:
    """`text` as YAML."""
    try:
        import yaml
    except ImportError:
        raise Failure(f"Error: {path} is not JSON, and reading YAML needs PyYAML (pip install PyYAML).") from None
    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise Failure(f"Error: {path} is nested too deeply.") from None
    except yaml.MarkedYAMLError as error:
        line, column = (error.problem_mark.line, error.problem_mark.column) if error.problem_mark else (0, 0)
        fail_at(path, "YAML", line + 1, column + 1, error.problem or "cannot be parsed")
    except yaml.YAMLError as error:
        raise Failure(f"Error: {path} is not valid YAML: {error}.") from None


def fail_at(path: Path, language: str, line: int, column: int, message: str) -> NoReturn:
    """End with the place of a fault in a file."""
    raise Failure(f"Error: {path} is not valid {language}: line {line} column {column}: {message}.")


def read_text(path: Path) -> str:
    """The text of a file, to the byte."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise Failure(f"Error: cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Failure(f"Error: {path} is not UTF-8 text (byte {error.start}).") from error


if __name__ == "__main__":
    main()
