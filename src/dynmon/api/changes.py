"""What POST, PUT, PATCH and DELETE ask for: each takes a cube's name and the body, and gives what comes of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from dynmon.api.bodies import CUBE_KEYS, UnexpectedBody, as_object, settable
from dynmon.api.bridge_changes import BridgeChanges
from dynmon.api.bridge_resources import SIMPLEBRIDGE
from dynmon.api.effects import OK, Effect, Outcome
from dynmon.api.schemas import CubeChange
from dynmon.cubes import CubeRegistry, DynmonCube
from dynmon.errors import ConflictError, InvalidInputError, NotFoundError
from dynmon.models import CubeConfig, DataplaneConfig, Direction, LogLevel, PathConfig, validate_document

CREATED = 201
NO_CONTENT = 204


class FixedAtCreation(ConflictError):
    """A property of a cube that cannot change while it exists."""

    def __init__(self, cube: str, key: str, present: str, wanted: str) -> None:
        super().__init__(
            f"{key} of cube {cube!r} is {present} and cannot become {wanted}; delete the cube and create it again"
        )


class InvalidLogLevel(InvalidInputError):
    """Not one of the words for how much is logged."""

    def __init__(self, value: object) -> None:
        known = ", ".join(LogLevel)
        super().__init__(f"loglevel must be a JSON string, one of {known}, not {value!r}")


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes that a client can ask for."""

    registry: CubeRegistry
    effect: Effect
    bridges: BridgeChanges

    def create(self, name: str, body: Any) -> Outcome:
        """POST of a cube: make it, or conflict with the one there is."""
        config = validate_document(CubeConfig, settable(body, CUBE_KEYS), f"cube {name!r}")
        return self.effect.create(name, config, CREATED)

    def create_named(self, body: Any) -> Outcome:
        """POST of a cube whose name is in the body."""
        return self.create(name_in(body), body)

    def create_all(self, bodies: Any) -> int:
        """POST of an array of cubes: make all of them or none."""
        if not isinstance(bodies, list):
            raise UnexpectedBody("an array of cubes")
        with ExitStack() as undo:
            for body in bodies:
                name = name_in(body)
                create = self.bridges.create if body.get("service-name") == SIMPLEBRIDGE else self.create
                create(name, body)
                undo.callback(self.registry.delete, name)
            undo.pop_all()
        return CREATED

    def put(self, name: str, body: Any) -> Outcome:
        """PUT of a cube: make it, or give the one there is what the body mentions."""
        try:
            cube = self.registry.get(name)
        except NotFoundError:
            return self.create(name, body)
        config = validate_document(CubeConfig, settable(body, CUBE_KEYS), f"cube {name!r}")
        given = config.model_fields_set
        if "type" in given:
            _check_fixed(cube, "type", cube.type.value, config.type.value)
        _check_fixed(cube, "passive", *_as_words(cube.passive, config.passive))
        loglevel = config.loglevel if "loglevel" in given else None
        return self.effect.inject(cube, loglevel, config.dataplane_config, OK)

    def patch(self, name: str, body: Any) -> Outcome:
        """PATCH of a cube: its log level and its code, both or neither."""
        cube = self.registry.get(name)
        given = settable(body, CUBE_KEYS)
        if isinstance(given.get("dataplane-config"), dict):
            given["dataplane-config"] = _completed(cube, given["dataplane-config"])
        change = validate_document(CubeChange, given, f"change of cube {name!r}")
        for key, present, wanted in (
            ("name", cube.name, change.name),
            ("service-name", cube.service_name, change.service_name),
            ("type", cube.type.value, change.type and change.type.value),
            ("passive", *_as_words(cube.passive, change.passive)),
        ):
            _check_fixed(cube, key, present, wanted)
        return self.effect.inject(cube, change.loglevel, change.dataplane_config or DataplaneConfig(), OK)

    def patch_named(self, body: Any) -> Outcome:
        """PATCH of a cube whose name is in the body."""
        return self.patch(name_in(body), body)

    def delete(self, name: str) -> int:
        """DELETE of a cube."""
        self.registry.delete(self.registry.get(name).name)
        return OK

    def set_loglevel(self, name: str, body: Any) -> int:
        """PATCH of the log level: a bare JSON string."""
        cube = self.registry.get(name)
        try:
            level = LogLevel(body)
        except ValueError as error:
            raise InvalidLogLevel(body) from error
        cube.set_loglevel(level)
        return OK

    def put_dataplane(self, name: str, body: Any) -> Outcome:
        """POST and PUT of the dataplane: inject the paths that are mentioned."""
        return self._inject(self.registry.get(name), settable(body), CREATED)

    def patch_dataplane(self, name: str, body: Any) -> Outcome:
        """PATCH of the dataplane: like PUT, but a path without code keeps the code it has."""
        cube = self.registry.get(name)
        return self._inject(cube, _completed(cube, settable(body)), OK)

    def put_path(self, direction: Direction, name: str, body: Any) -> Outcome:
        """POST and PUT of one path: inject it."""
        return self._inject_path(self.registry.get(name), direction, settable(body), CREATED)

    def patch_path(self, direction: Direction, name: str, body: Any) -> Outcome:
        """PATCH of one path: inject it; without code, around the code it has."""
        cube = self.registry.get(name)
        completed = _completed(cube, {direction.path_name: settable(body)})
        return self._inject_path(cube, direction, completed[direction.path_name], OK)

    def reset(self, direction: Direction | None, name: str) -> int:
        """DELETE of the dataplane or one path: back to the default code."""
        self.registry.get(name).reset(direction)
        return NO_CONTENT

    def _inject(self, cube: DynmonCube, given: dict[str, Any], status: int) -> Outcome:
        config = validate_document(DataplaneConfig, given, "dataplane-config")
        return self.effect.inject(cube, None, config, status)

    def _inject_path(self, cube: DynmonCube, direction: Direction, given: dict[str, Any], status: int) -> Outcome:
        path = validate_document(PathConfig, given, direction.path_name) if given else None
        config = _one_path(direction, path) if path else DataplaneConfig()
        return self.effect.inject(cube, None, config, status)


def _one_path(direction: Direction, path: PathConfig) -> DataplaneConfig:
    return DataplaneConfig(**{direction.path_name.replace("-", "_"): path})


def name_in(body: Any) -> str:
    """The name of the cube that `body` is about.

    Raises:
        UnexpectedBody: It has none.
    """
    name = as_object(body).get("name")
    if not isinstance(name, str) or not name:
        raise UnexpectedBody('an object with the name of the cube, such as {"name": "monitor"}')
    return name


def _check_fixed(cube: DynmonCube, key: str, present: str, wanted: str | None) -> None:
    if wanted is not None and wanted != present:
        raise FixedAtCreation(cube.name, key, present, wanted)


def _as_words(present: bool, wanted: bool | None) -> tuple[str, str | None]:
    return str(present).lower(), None if wanted is None else str(wanted).lower()


def _completed(cube: DynmonCube, given: dict[str, Any]) -> dict[str, Any]:
    """`given` with the running configuration filled in where a path is mentioned without code."""
    completed = dict(given)
    for direction in Direction:
        path = given.get(direction.path_name)
        if isinstance(path, dict) and path and not path.keys() & {"code", "object"}:
            completed[direction.path_name] = {**cube.path(direction).wire(), **settable(path)}
    return completed
