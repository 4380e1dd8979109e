"""Where the daemon is and how to talk to it: the configuration file, and the environment above it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynmon.errors import DynmonError
from dynmon.settings import DEFAULT_ADDRESS, DEFAULT_PORT

CONFIG_FILE = Path(".config/polycube/polycubectl_config.yaml")
KEYS = ("url", "debug", "expert", "singleparameterworkaround", "cacert", "cert", "key")
TRUE_WORDS = frozenset({"1", "t", "true", "yes", "on"})
FALSE_WORDS = frozenset({"", "0", "f", "false", "no", "off"})


class ConfigError(DynmonError):
    """The configuration file or an environment variable cannot be used."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of polycubectl.

    `expert` is accepted for the sake of existing files and changes nothing. `singleparameterworkaround` sends
    ``set key=value`` to the key's own resource, which is the only place where most keys can be changed.
    """

    url: str = f"http://{DEFAULT_ADDRESS}:{DEFAULT_PORT}/polycube/v1/"
    debug: bool = False
    expert: bool = True
    singleparameterworkaround: bool = True
    cacert: str = ""
    cert: str = ""
    key: str = ""


def load_config(environment: Mapping[str, str]) -> Config:
    """The settings of this user: defaults, then the file in $HOME, then POLYCUBECTL_* variables.

    Raises:
        ConfigError: One of them cannot be understood.
    """
    values = _from_file(Path(environment.get("HOME") or "/") / CONFIG_FILE)
    for key in KEYS:
        text = environment.get(f"POLYCUBECTL_{key.upper()}")
        if text is not None:
            values[key] = _checked(key, text, f"POLYCUBECTL_{key.upper()}")
    config = Config(**values)
    if bool(config.cert) != bool(config.key):
        raise ConfigError("cert and key go together: the client certificate and its private key")
    return config


def _from_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error

    import yaml  # takes longer to import than all the rest of polycubectl, and few people have a file

    try:
        document = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} must have lines such as 'url: http://localhost:9000/polycube/v1/'")
    return {key: _checked(key, document[key], str(path)) for key in KEYS if document.get(key) is not None}


def _checked(key: str, value: object, where: str) -> str | bool:
    if isinstance(getattr(Config(), key), bool):
        return _truth(key, value, where)
    if not isinstance(value, str):
        raise ConfigError(f"{key} in {where} must be text, not {value!r}")
    return value or str(getattr(Config(), key))


def _truth(key: str, value: object, where: str) -> bool:
    word = str(value).strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ConfigError(f"{key} in {where} must be true or false, not {value!r}")
    return word in TRUE_WORDS


def environment_config() -> Config:
    """The settings of the user who runs this process."""
    return load_config(os.environ)
