"""A model of what every reader of a cube must see, and steps in any order that hold the cube to it.

The model knows the packets that each map has counted, one after the other, and for each reader where in that list it
stands. Nothing in it knows of copies, switches or ledgers, but that a token ends where its map begins or ends to swap.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from dynmon.bpf import BpfLink, Link
from dynmon.cubes import CubeRegistry, DynmonCube
from dynmon.cubes.errors import TokenForgotten
from dynmon.dataplane.xdp_chain import XdpMember
from dynmon.errors import KernelError
from dynmon.metrics import ExpositionFormat, Page, Reading
from dynmon.models import AttachRequest, CubeConfig, CubeType, DetachRequest, Direction, LogLevel
from tests.expositions import text_of
from tests.kernel.cubes.conftest import FRAME, document
from tests.kernel.cubes.test_failures import taken_away
from tests.support import Veth

WAYS = ("ingress", "egress")
AMOUNTS = {"ingress": 1, "egress": 10}
SIZES = range(60, 72)
QUEUE_SIZE = 4096
LIMIT = 3
GUESTS = ("early", "late")
DECLARATIONS = """
struct stats { u32 packets, latest, most, least; };
BPF_ARRAY(COUNTS, u64, 2);
BPF_PERCPU_ARRAY(CPUS, u32, 1);
BPF_HASH(SIZES, u32, u64, 64);
BPF_PERCPU_HASH(LENGTHS, u32, u32, 64);
BPF_ARRAY(STATS, struct stats, 1);
BPF_QUEUE(QUEUE, u32, 4096);
BPF_STACK(STACK, u32, 4096);
u64 packets, bytes;
"""
HEAD = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)"
BODY = """
	u32 key = 1, first = 0, size = md->packet_len, none = 0;
	u64 zero = 0, *count = COUNTS.lookup(&key), *both = BOTH.lookup(&first);
	u32 *cpu = CPUS.lookup(&first), *length = LENGTHS.lookup_or_try_init(&size, &none);
	u64 *of_size = SIZES.lookup_or_try_init(&size, &zero);
	struct stats *stats = STATS.lookup(&first);
	if (!count || !both || !cpu || !length || !of_size || !stats)
		return RX_OK;
	*count += 1, *both += AMOUNT, *cpu += 1, *length += 1, *of_size += 1;
	packets += 1, bytes += size;
	stats->packets += 1;
	stats->latest = size;
	if (size > stats->most)
		stats->most = size;
	if (!stats->least || size < stats->least)
		stats->least = size;
	QUEUE.push(&size, 0);
	STACK.push(&size, 0);
"""
RULES = {"latest": "last", "most": "max", "least": "min"}
Event = tuple[int, int]  # a packet: its length, and what its path adds to the map that both share
Events = list[Event]


def _by_size(events: Events) -> dict[int, int]:
    return dict(Counter(size for size, _ in events))


def _stats(events: Events) -> dict[str, int]:
    sizes = [size for size, _ in events] or [0]
    return {"packets": len(events), "latest": sizes[-1], "most": max(sizes), "least": min(sizes)}


def _entries(value: Any) -> dict[int, int]:
    return {each["key"]: _over_cpus(each["value"]) for each in value}


def _over_cpus(value: Any) -> Any:
    return sum(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Kind:
    """A map: how its metrics name it, what packets make of it, and what a value in JSON says of that."""

    named: dict[str, Any]
    fold: Callable[[Events], Any]
    read: Callable[[Any], Any]
    section: str = ""
    is_hash: bool = False
    is_popped: bool = False
    is_exported: bool = True


KINDS = {
    "counts": Kind({"map-name": "COUNTS"}, lambda events: [0, len(events)], lambda value: value),
    "cpus": Kind({"map-name": "CPUS"}, len, lambda value: sum(value[0]["value"])),
    "sizes": Kind({"map-name": "SIZES"}, _by_size, _entries, is_hash=True),
    "lengths": Kind({"map-name": "LENGTHS"}, _by_size, _entries, is_hash=True),
    "stats": Kind({"map-name": "STATS", "merge": RULES}, _stats, lambda value: value[0], is_exported=False),
    "packets": Kind({"variable": "packets"}, len, lambda value: value[0], section=".bss"),
    "bytes": Kind(
        {"variable": "bytes"}, lambda events: sum(size for size, _ in events), lambda value: value[0], section=".bss"
    ),
    "both": Kind({"map-name": "BOTH"}, lambda events: sum(amount for _, amount in events), lambda value: value[0]),
    "queue": Kind({"map-name": "QUEUE"}, lambda events: [size for size, _ in events], list, is_popped=True),
    "stack": Kind({"map-name": "STACK"}, lambda events: [size for size, _ in events][::-1], list, is_popped=True),
}


@dataclass
class Life:
    """A map from its making to its end, and what it counted."""

    swaps: bool
    events: Events = field(default_factory=list)
    changes: int = 0  # how often it began or ended to swap


@dataclass
class Reader:
    """The JSON reader of a metric: it has seen all packets before `seen`, of hashes by key and so far as it got."""

    name: str
    way: str
    kind: Kind
    map_name: str
    empties: bool
    swaps: bool
    export: str
    life: Life
    seen: int = 0
    by_key: dict[int, int] = field(default_factory=dict)
    begin: int | None = 0  # where totals begin; None where nobody asked for any yet
    was_drained: bool = False

    @property
    def needs_total(self) -> bool:
        return bool(self.export) or not self.empties

    def total(self) -> Any:
        return self.kind.fold(self.life.events[self.begin if self.begin is not None else self.seen :])

    def unseen(self, end: int | None = None) -> Any:
        events = self.life.events[:end]
        if not self.kind.is_hash:
            return self.kind.fold(events[self.seen :])
        return self.kind.fold([event for number, event in enumerate(events) if number >= self.by_key.get(event[0], 0)])

    def look(self) -> Any:
        return self.unseen() if self.empties else self.total()

    def has_seen(self, keys: Any = SIZES, end: int | None = None) -> None:
        end = len(self.life.events) if end is None else end
        self.seen = end
        self.by_key |= dict.fromkeys(keys, end)

    def place(self) -> tuple[Any, ...]:
        """The ledger that a token goes into, and how far."""
        where = (id(self.life), None if self.life.swaps else self.life.changes)
        return where, len(self.life.events)

    def since(self, then: int) -> Any:
        return self.kind.fold(self.life.events[then:])


def switched_by(link: Link) -> list[int]:
    """The descriptor that lets the link run another program; a clsact filter has none."""
    if isinstance(link, XdpMember) and link.dispatcher:
        return [link.dispatcher.slots.fd]
    return [link.fd] if isinstance(link, BpfLink) else []


def _same(reader: Reader, expected: Any, value: Any) -> None:
    assert expected == value, f"{reader.name} is {value}, not {expected}: {reader}"


@dataclass
class Walk:
    """Steps in an order that only the seed knows."""

    registry: CubeRegistry
    veth: Veth
    seed: int
    cube_type: CubeType = CubeType.TC
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.declarer = self.random.choice(WAYS)
        self.metrics = {way: list(self._metric_names(way)) for way in WAYS}
        self.readers: dict[str, Reader] = {}
        self.lives: dict[tuple[str, str], Life] = {}
        self.tokens: dict[str, tuple[str | None, dict[str, tuple[Any, int]]]] = {}
        self.pages: dict[str, tuple[str, int, int]] = {}
        self.queues: dict[tuple[str, str], Reader] = {}
        self.is_attached = True
        paths = {way: self._path(way, keep=False) for way in WAYS}
        config = CubeConfig(type=self.cube_type, dataplane_config=document(paths))
        self.cube: DynmonCube = self.registry.create(f"walk{self.seed}", config)
        self.registry.attach(AttachRequest(cube=self.cube.name, port=self.veth.host))
        self.there = dict.fromkeys(GUESTS, False)
        for name in self.there:
            code = {way: {"code": HEAD + "{ return RX_OK; }"} for way in WAYS}
            self.registry.create(name, CubeConfig(type=self.cube_type, dataplane_config=document(code)))
        self._injected(paths)

    def run(self, steps: int) -> None:
        """Go so many steps; every answer is compared with the model's."""
        kinds: list[tuple[int, Callable[[], None]]] = [
            (30, self.send),
            (20, self.read),
            (8, self.look),
            (12, self.page),
            (10, self.window),
            (6, self.window_of_all),
            (5, self.read_path),
            (5, self.scrape),
            (3, self.scrape_of_many),
            (3, self.inject),
            (1, self.set_loglevel),
            (2, self.move),
            (3, self.move_guest),
            (4, self.fail),
        ]
        try:
            for _ in range(steps):
                self.random.choices([step for _, step in kinds], [weight for weight, _ in kinds])[0]()
        except BaseException as error:
            error.add_note(f"seed {self.seed}, {self.cube_type}:\n" + "\n".join(self.log[-40:]))
            raise
        finally:
            for name in (self.cube.name, *self.there):
                self.registry.delete(name)

    # What may happen.

    def send(self) -> None:
        way, count, size = self.random.choice(WAYS), self.random.randint(1, 4), self.random.choice(SIZES)
        self.log.append(f"send {count} of {size} {way}")
        self.veth.send(way, FRAME.ljust(size, b"x"), count=count)
        if self.is_attached:
            lives = {
                id(self.lives[way, self._life_name(way, kind)]): self.lives[way, self._life_name(way, kind)]
                for kind in KINDS
            }
            for life in lives.values():
                life.events += [(size, AMOUNTS[way])] * count

    def read(self) -> None:
        reader = self._any()
        self.log.append(f"read {reader.name}")
        self._check_taken(reader, self._reading(reader, drain=True))

    def look(self) -> None:
        reader = self._any()
        self.log.append(f"look at {reader.name}")
        self._check_look(reader, self._reading(reader, drain=False))

    def page(self) -> None:
        """The first page of a hash, or the next one of one that was begun."""
        reader = self._any(lambda each: each.kind.is_hash)
        if not reader.empties:
            self.log.append(f"all pages of {reader.name}")
            _same(reader, reader.total(), _entries(self._all_pages(reader)))
            return
        if reader.name in self.pages and self.random.random() < 0.7:
            cursor, last, moment = self.pages.pop(reader.name)
            unseen = {key: count for key, count in reader.unseen(reader.seen).items() if key > last}
        else:
            cursor, moment = None, len(reader.life.events)
            unseen = reader.unseen()
            reader.seen = moment
        moment = reader.seen
        self.log.append(f"page of {reader.name} from {cursor}")
        expected = dict(sorted(unseen.items())[:LIMIT])
        reading = self._reading(reader, drain=True, page=Page(LIMIT, cursor))
        _same(reader, expected, _entries(reading.value))
        assert (reading.cursor is not None) == (len(unseen) > LIMIT)
        reader.by_key |= dict.fromkeys(expected, moment)
        if reading.cursor is not None:
            self.pages[reader.name] = (reading.cursor, max(expected), moment)

    def window(self) -> None:
        reader = self._any(lambda each: not each.kind.is_popped)
        since = self._some_token([reader.name])
        self.log.append(f"window of {reader.name} since {since!r}")
        self._check_windows([reader], since, lambda: [self._reading(reader, drain=True, since=since)])

    def window_of_all(self) -> None:
        readers = [each for each in self.readers.values() if not each.kind.is_popped]
        since = self._some_token([each.name for each in readers])
        self.log.append(f"window of all since {since!r}")

        def windows() -> list[Reading]:
            found = {each.name: each for some in self.cube.read_all(drain=True, since=since).values() for each in some}
            return [found[each.name] for each in readers]

        self._check_windows(readers, since, windows)

    def read_path(self) -> None:
        drain = self.random.random() < 0.5
        ways = self.random.choice([WAYS, ("ingress",), ("egress",)])
        self.log.append(f"read all of {ways}, drain {drain}")
        if len(ways) > 1:
            readings = [each for some in self.cube.read_all(drain=drain).values() for each in some]
        else:
            readings = self.cube.read(Direction(ways[0]), drain=drain)
        assert 1 == len({each.timestamp for each in readings})
        for reading in readings:
            (self._check_taken if drain else self._check_look)(self.readers[reading.name], reading)

    def scrape(self) -> None:
        self.log.append("scrape")
        self._check_samples(text_of(self.cube.open_metrics(ExpositionFormat.OPENMETRICS)))

    def scrape_of_many(self) -> None:
        self.log.append("scrape of many")
        self.cube.families()

    def inject(self) -> None:
        keep = self.random.random() < 0.7
        ways = self.random.choice([WAYS, ("ingress",), ("egress",)])
        paths = {way: self._path(way, keep=keep) for way in ways}
        told = {way: [list(each.values()) for each in path["metric-configs"]] for way, path in paths.items()}
        self.log.append(f"inject, keep {keep}: {told}")
        self.cube.inject(document(paths))
        self._injected(paths)

    def set_loglevel(self) -> None:
        level = self.random.choice(list(LogLevel))
        self.log.append(f"log level {level}")
        self.cube.set_loglevel(level)

    def move(self) -> None:
        self.log.append(f"attached: {not self.is_attached}")
        if self.is_attached:
            self.registry.detach(DetachRequest(cube=self.cube.name, port=self.veth.host))
        else:
            self.registry.attach(AttachRequest(cube=self.cube.name, port=self.veth.host))
        self.is_attached = not self.is_attached

    def move_guest(self) -> None:
        """Somebody else comes to the interface, at either end of the chain, or leaves it."""
        name = self.random.choice(GUESTS)
        self.log.append(f"guest {name}: {not self.there[name]}")
        if self.there[name]:
            self.registry.detach(DetachRequest(cube=name, port=self.veth.host))
        else:
            position = self.random.choice(["first", "last"])
            self.registry.attach(AttachRequest(cube=name, port=self.veth.host, position=position))
        self.there[name] = not self.there[name]

    def fail(self) -> None:
        """A read, while the kernel refuses something about one path."""
        reader = self._any(lambda each: not each.kind.is_popped)
        plane = self.cube._dataplane
        way = Direction(self.random.choice(WAYS))
        path = plane.paths[way]
        victims = [
            each.fd for name, each in path.maps.items() if name in path.swapping and name not in ("QUEUE", "STACK")
        ]
        if path.idle and plane.attachments:
            victims.append(path.idle.program.fd)
        for attachment in plane.attachments:
            victims += switched_by(attachment.links[way])
        if not victims:
            return
        self.log.append(f"read {reader.name} while {way} is refused")
        reading = None
        with taken_away(self.random.choice(victims)), suppress(KernelError):
            reading = self._reading(reader, drain=True)
        if reading:
            self._check_taken(reader, reading)

    # What must be true.

    def _check_taken(self, reader: Reader, reading: Reading) -> None:
        value = reader.kind.read(reading.value)
        if reader.kind.is_popped:
            _same(reader, reader.unseen(), value)
            reader.seen = len(reader.life.events)
            return
        _same(reader, reader.look(), value)
        if reader.empties:
            reader.has_seen()

    def _check_look(self, reader: Reader, reading: Reading) -> None:
        if reader.kind.is_popped:
            assert reading.value is None
            return
        _same(reader, reader.look(), reader.kind.read(reading.value))

    def _check_windows(self, readers: list[Reader], since: str, windows: Callable[[], list[Reading]]) -> None:
        parent, places = self.tokens.get(since, (None, {}))
        if parent:
            self.tokens.pop(parent, None)
        if since and any(places[each.name][0] != each.place()[0] for each in readers):
            del self.tokens[since]
            with suppress(TokenForgotten):
                raise AssertionError(f"forgotten, but {windows()}")
            return
        found = windows()
        for reader, reading in zip(readers, found, strict=True):
            expected = reader.since(places[reader.name][1]) if since else reader.total()
            value = reader.kind.read(reading.value)
            if since and reader.kind.named.get("merge") and not reader.life.swaps:
                # What does not add up is as it is in the map.
                expected, value = expected["packets"], value["packets"]
            _same(reader, expected, value)
        [token] = {each.since for each in found}
        assert token
        self.tokens[token] = (since or None, {each.name: each.place() for each in readers})

    def _check_samples(self, text: str) -> None:
        found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        for reader in self.readers.values():
            if not reader.export:
                continue
            name = reader.name + ("_total" if reader.export == "counter" else "")
            if reader.kind.is_popped:
                value = reader.unseen()
                expected = {f'{name}{{index="{number}"}}': str(each) for number, each in enumerate(value)}
            else:
                value = reader.look() if reader.empties and reader.export == "gauge" else reader.total()
                if isinstance(value, dict):
                    expected = {f'{name}{{key="{key}"}}': str(count) for key, count in value.items()}
                elif isinstance(value, list):
                    expected = {f'{name}{{index="{number}"}}': str(each) for number, each in enumerate(value)}
                else:
                    expected = {name: str(value)}
            _same(reader, expected, {key: each for key, each in found.items() if key.split("{")[0] == name})

    # The parts.

    def _metric_names(self, way: str) -> Iterator[tuple[str, str]]:
        for kind_name, kind in KINDS.items():
            most = 1 if kind.is_popped else 3
            for number in range(self.random.randint(int(kind.is_hash), most)):
                yield f"{way}_{kind_name}_{number}", kind_name

    def _path(self, way: str, *, keep: bool) -> dict[str, Any]:
        shared = 'BPF_TABLE_SHARED("array", u32, u64, BOTH, 1);'
        extern = 'BPF_TABLE("extern", u32, u64, BOTH, 1);'
        declaration = DECLARATIONS + (shared if way == self.declarer else extern)
        code = f"{declaration}\n{HEAD} {{ {BODY.replace('AMOUNT', str(AMOUNTS[way]))} return RX_OK; }}"
        metrics = [self._metric(name, KINDS[kind_name]) for name, kind_name in self.metrics[way]]
        return {"code": code, "metric-configs": metrics, "keep-maps": keep}

    def _metric(self, name: str, kind: Kind) -> dict[str, Any]:
        options = {key: self.random.random() < 0.3 for key in ("empty-on-read", "swap-on-read")}
        if kind.is_popped:
            options["empty-on-read"] = False
        found = {"name": name, **kind.named, "extraction-options": options}
        if kind.is_exported and self.random.random() < 0.5:
            kinds = ["gauge"] if kind.is_popped else ["counter", "gauge"]
            found["open-metrics-metadata"] = {"help": "Something", "type": self.random.choice(kinds)}
        return found

    def _life_name(self, way: str, kind_name: str) -> str:
        return KINDS[kind_name].section or kind_name

    def _injected(self, paths: dict[str, dict[str, Any]]) -> None:
        old = dict(self.lives)
        for way in WAYS:
            for kind_name in KINDS:
                name = self._life_name(way, kind_name)
                owner = self.declarer if name == "both" else way
                is_new = (owner in paths and not paths[owner]["keep-maps"]) or (way, name) not in old
                if not is_new or ((way, name) in self.lives and self.lives[way, name] is not old.get((way, name))):
                    continue
                life = Life(swaps=False)
                for each in WAYS if name == "both" else (way,):
                    self.lives[each, name] = life
        before = list(self.readers.values())
        for way, path in paths.items():
            for config, (name, kind_name) in zip(path["metric-configs"], self.metrics[way], strict=True):
                self._renew(name, way, kind_name, config, before)
        for reader in self.readers.values():  # those that follow to a new map
            life = self.lives[reader.way, self._life_name(reader.way, reader.map_name)]
            if life is not reader.life:
                reader.life, reader.seen, reader.by_key, reader.was_drained = life, 0, {}, False
                reader.begin = 0 if reader.needs_total else None
                self.pages.pop(reader.name, None)
        for life in {id(each): each for each in self.lives.values()}.values():
            swaps = any(
                (each.empties and not each.kind.is_popped) or each.swaps
                for each in self.readers.values()
                if each.life is life
            )
            life.changes += swaps != life.swaps
            life.swaps = swaps
        for reader in self.readers.values():
            reader.was_drained |= reader.life.swaps

    def _renew(self, name: str, way: str, kind_name: str, config: dict[str, Any], old: list[Reader]) -> None:
        options = config["extraction-options"]
        export = config.get("open-metrics-metadata", {}).get("type", "")
        life = self.lives[way, self._life_name(way, kind_name)]
        new = Reader(
            name, way, KINDS[kind_name], kind_name, options["empty-on-read"], options["swap-on-read"], export, life
        )
        before = self.readers.get(name)
        if before and before.life is life:
            new = replace(new, seen=before.seen, by_key=before.by_key, was_drained=before.was_drained)
        else:
            self.pages.pop(name, None)
        if before and new.was_drained:
            new.begin = before.begin
            if new.begin is None and new.needs_total:
                known = [each.begin for each in old if each.life is life and each.kind is new.kind and each.was_drained]
                new.begin = next((begin for begin in known if begin is not None), before.seen)
        else:
            new.begin = 0 if new.needs_total else None
        if not new.empties:
            self.pages.pop(name, None)
        self.readers[name] = new

    def _any(self, condition: Callable[[Reader], bool] = lambda _: True) -> Reader:
        return self.random.choice([each for each in self.readers.values() if condition(each)])

    def _some_token(self, names: list[str]) -> str:
        known = [token for token, (_, places) in self.tokens.items() if sorted(places) == sorted(names)]
        return self.random.choice(known[-4:]) if known and self.random.random() < 0.8 else ""

    def _reading(self, reader: Reader, **how: Any) -> Reading:
        return self.cube.read_metric(Direction(reader.way), reader.name, **how)

    def _all_pages(self, reader: Reader) -> list[Any]:
        found: list[Any] = []
        cursor = None
        while True:
            reading = self._reading(reader, drain=True, page=Page(LIMIT, cursor))
            found += reading.value or []
            cursor = reading.cursor
            if cursor is None:
                return found
