"""The REST API: translates between HTTP and cubes, decides nothing."""

from dynmon.api.app import create_app
from dynmon.api.server import server_config

__all__ = ["create_app", "server_config"]
