"""Load objects without ever looking into them: a process of its own does, and hands back descriptors.

We want to run strangers' objects in the kernel, through libbpf, from a daemon that must not die of them. libbpf
crashes on some damaged objects; a load takes long and fails with EAGAIN when signals arrive; both forbid doing it
here. Running `dynmon.bpf.loader_server` anew for each load would cost the start of an interpreter each time, and
forking this process, with its threads, may deadlock. So a small server is started once and forks for each request.

A request travels on a socket pair of its own, whose other end is all that goes over the server's control socket. A
child that dies is then seen as the end of that one socket, and the answers of two requests cannot be mixed up. What
remains here is to believe nothing: sizes are bounded, facts about maps and programs are asked of the kernel.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from dynmon.bpf import _syscall
from dynmon.bpf.channel import MAX_BLOB, Deadline, receive_message, send_message
from dynmon.bpf.errors import LoaderDied, LoadError, OpenError
from dynmon.bpf.facts import DeclaredMap, ObjectFacts, ProgramFacts, Verification
from dynmon.bpf.kinds import ProgramType
from dynmon.bpf.map import BpfMap
from dynmon.bpf.owner import Owner
from dynmon.bpf.process import Companion
from dynmon.bpf.program import Program
from dynmon.errors import InjectionError

GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """An object to load and what to do with it.

    `program` is the C function to load, `file` the word for the code in messages. `constants` are written into
    ``.rodata``: numbers where the object has them, bytes as they are and of exactly the variable's size. `reuse` are
    descriptors that take the place of the object's own maps, `offers` those that its extern declarations may refer to,
    `pinned` those for maps that are declared ``LIBBPF_PIN_BY_NAME``, `public` those for maps that are tagged public:
    they are taken where type, sizes and number of entries are as declared, otherwise the map is made. Maps that the
    code names by path are found below `pin_roots` only. `memory_bytes` bounds what its maps may take, `sizes` are
    entries of maps in place of those in the code. With `wanted`, only the maps that the program uses, those named and
    those shared with others are made, otherwise all. `tail_calls` says for prog arrays which program is at which
    index; they, and those that the code puts there, are loaded too, into arrays that are never reused.
    `proof`, where it is given, is a program that shows by its type that `program` cannot change packets: it has to load
    too, and to call the same instructions. `source` is the user's text, to quote lines from. With `verbose` the
    verifier tells what it did.
    """

    object: bytes
    program: str
    program_type: ProgramType
    file: str
    memory_bytes: int
    proof: str = ""
    source: str = ""
    constants: Mapping[str, int | bytes] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    wanted: frozenset[str] | None = None
    tail_calls: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    reuse: Mapping[str, int] = field(default_factory=dict)
    offers: Mapping[str, int] = field(default_factory=dict)
    pinned: Mapping[str, int] = field(default_factory=dict)
    public: Mapping[str, int] = field(default_factory=dict)
    pin_roots: tuple[str, ...] = ("/sys/fs/bpf",)
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class LoadedObject(Owner):
    """A loaded program with its maps, its BTF, and the ``dynmon:`` tags of its maps.

    The BTF is the kernel's. Where the kernel refused it as a whole, it is the object's own, which nobody has checked.
    Sections with global variables are maps too, as ``.bss`` and ``.data``; ``.rodata`` is one when it is wanted by
    name. `declared` are all maps of the object, made or not. Closing it closes all descriptors.
    """

    program: Program
    maps: dict[str, BpfMap]
    btf: bytes
    tags: dict[str, tuple[str, ...]]
    declared: tuple[str, ...] = ()
    verification: Verification | None = None

    def close(self) -> None:
        """Let go of everything; what is attached goes on."""
        self.program.close()
        for each in self.maps.values():
            each.close()


class Loader(Owner):
    """Owns the loader's process. Loads may run side by side; after the process died the next load starts it again."""

    def __init__(self, *, timeout_seconds: float = 30.0) -> None:
        self.timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._server: _Server | None = _Server()
        self._is_closed = False

    def load(self, request: LoadRequest) -> LoadedObject:
        """Open, prepare and load an object.

        Raises:
            OpenError: The object cannot be understood or refers to what does not exist.
            LoadError: Its maps cannot be made.
            VerifierError: The kernel refuses the program.
            NotPassive: It refuses the proof.
            LoaderDied: The process that tried died or took too long.
        """
        head, fds = _load_message(request)
        answer, blob, answer_fds = self._ask(request.file, head, request.object, fds)
        try:
            if "refused" in answer:
                _syscall.close_all(answer_fds)
                raise _refusal(request, answer, blob)
            return _loaded(request, answer, blob, answer_fds)
        except (KeyError, TypeError, IndexError, ValueError, OSError) as error:
            raise _nonsense(request.file) from error

    def inspect(self, object: bytes, file: str) -> ObjectFacts:  # noqa: A002 - as in LoadRequest
        """Open an object, load nothing, and say what is in it; `file` is the word for the code in messages.

        Raises:
            OpenError: The object cannot be understood.
            LoaderDied: The process that tried died or took too long.
        """
        answer, blob, fds = self._ask(file, {"task": "inspect"}, object, [])
        _syscall.close_all(fds)
        try:
            if "refused" in answer:
                raise OpenError(file, str(answer["message"]), _messages(answer), str(answer["hint"]))
            return _facts(answer, blob)
        except (KeyError, TypeError, ValueError) as error:
            raise _nonsense(file) from error

    def _ask(
        self, file: str, head: dict[str, Any], blob: bytes, fds: list[int]
    ) -> tuple[dict[str, Any], bytes, list[int]]:
        """Send a request on a socket of its own, and wait for the answer."""
        if len(blob) > MAX_BLOB:
            raise OpenError(file, f"the object is larger than {MAX_BLOB >> 20} MiB")
        deadline = Deadline(self.timeout_seconds + GRACE_SECONDS)
        try:
            with self._connect() as channel:
                send_message(channel, {**head, "seconds": self.timeout_seconds}, blob, fds, deadline)
                return receive_message(channel, deadline)
        except TimeoutError as error:
            raise LoaderDied(file, f"no answer in {self.timeout_seconds:g} seconds") from error
        except (EOFError, OSError) as error:
            raise LoaderDied(file, "the process that loads it died of it") from error
        except (ValueError, RecursionError) as error:
            raise LoaderDied(file, str(error)) from error

    def close(self) -> None:
        """End the process; loads that run now fail."""
        with self._lock:
            self._is_closed = True
            server, self._server = self._server, None
        if server is not None:
            server.close()

    @property
    def server_pid(self) -> int | None:
        """The process id of the fork server, None after close."""
        server = self._server
        return server.pid if server else None

    def _connect(self) -> socket.socket:
        """Our end of a new request's socket pair; the other end is with the server, started again if it died."""
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            if self._is_closed:
                ours.close()
                raise OSError("the loader is closed")
            try:
                if self._server is not None and self._server.hand_over(theirs):
                    return ours
                if self._server is not None:
                    self._server.close()
                self._server = _Server()
                self._server.hand_over(theirs)
            except BaseException:
                ours.close()
                raise
            return ours


class _Server(Companion):
    """One run of the fork server."""

    def __init__(self) -> None:
        super().__init__("dynmon.bpf.loader_server", socket.SOCK_STREAM)
        self.channel.settimeout(GRACE_SECONDS)

    def hand_over(self, request: socket.socket) -> bool:
        """Give the server a request's socket; False if it is dead."""
        try:
            return bool(socket.send_fds(self.channel, [b"r"], [request.fileno()]))
        except OSError:
            return False


def _load_message(request: LoadRequest) -> tuple[dict[str, Any], list[int]]:
    """A request as JSON, and its descriptors in the order of their names there."""
    given = (request.reuse, request.offers, request.pinned, request.public)
    head = {
        "task": "load",
        "program": request.program,
        "program_type": int(request.program_type),
        "proof": request.proof,
        "numbers": {name: value for name, value in request.constants.items() if isinstance(value, int)},
        "bytes": {name: value.hex() for name, value in request.constants.items() if isinstance(value, bytes)},
        "sizes": dict(request.sizes),
        "wanted": None if request.wanted is None else sorted(request.wanted),
        "tail_calls": {array: list(calls.items()) for array, calls in request.tail_calls.items()},
        "reuse": list(request.reuse),
        "offers": list(request.offers),
        "pinned": list(request.pinned),
        "public": list(request.public),
        "pin_roots": list(request.pin_roots),
        "memory_bytes": request.memory_bytes,
        "verbose": request.verbose,
    }
    return head, [fd for maps in given for fd in maps.values()]


def _messages(answer: dict[str, Any]) -> list[str]:
    return [str(each) for each in answer["messages"]]


def _nonsense(file: str) -> LoaderDied:
    return LoaderDied(file, "the loader's answer makes no sense")


def _refusal(request: LoadRequest, answer: dict[str, Any], log: bytes) -> InjectionError:
    message = str(answer["message"])
    log_lines, hint = _messages(answer), str(answer["hint"])
    if answer["refused"] in ("verify", "passive"):
        # Here, since most processes never meet a refusal, and its patterns take a fiftieth of a second to compile.
        from dynmon.bpf.verifier import SourcePlace, not_passive, verifier_error

        places = [SourcePlace(*each) for each in answer["lines"]]
        said = request.file, str(answer["program"]), log.decode(errors="replace"), places, message, request.source
        return verifier_error(*said) if answer["refused"] == "verify" else not_passive(*said, hint)
    if answer["refused"] == "open":
        return OpenError(request.file, message, log_lines, hint, undefined=str(answer["undefined"]))
    return LoadError(request.file, message, log_lines, hint)


def _facts(answer: dict[str, Any], btf: bytes) -> ObjectFacts:
    """Lists of JSON are tuples again."""
    programs = [
        ProgramFacts(**{**each, "helpers": tuple(each["helpers"]), "maps": tuple(each["maps"])})
        for each in answer["programs"]
    ]
    maps = [
        DeclaredMap(**{**each, "tags": tuple(each["tags"]), "programs": tuple(each["programs"])})
        for each in answer["maps"]
    ]
    return ObjectFacts(tuple(programs), tuple(maps), btf, str(answer["license"]))


def _verification(answer: dict[str, Any] | None) -> Verification | None:
    return Verification(**{**answer, "log": tuple(answer["log"])}) if answer else None


def _loaded(request: LoadRequest, answer: dict[str, Any], own_btf: bytes, fds: list[int]) -> LoadedObject:
    """Make owners of the descriptors: the program, the maps in their order, and the BTF."""
    unowned = list(reversed(fds))
    with ExitStack() as undo:
        undo.callback(_syscall.close_all, unowned)
        program = Program(
            unowned[-1],
            request.program,
            tail_calls=max(0, int(answer["tail_calls"])),
            takes_fragments=bool(answer["takes_fragments"]),
        )
        undo.enter_context(program)
        unowned.pop()
        maps, tags = {}, {}
        for name, map_tags, key_type, value_type, is_reused in answer["maps"]:
            declared = (int(key_type), int(value_type)) if is_reused or key_type or value_type else None
            bpf_map = undo.enter_context(BpfMap.from_fd(unowned[-1], str(name), declared))
            unowned.pop()
            if bpf_map.info.name in maps:
                raise ValueError("two maps of the same name")
            maps[bpf_map.info.name] = bpf_map
            if map_tags:
                tags[bpf_map.info.name] = tuple(str(tag) for tag in map_tags)
        btf = _syscall.btf_bytes(unowned[-1]) if answer["has_btf"] else own_btf
        loaded = LoadedObject(
            program,
            maps,
            btf,
            tags,
            declared=tuple(str(each) for each in answer["declared"]),
            verification=_verification(answer["verification"]),
        )
        _syscall.close_all(unowned)
        unowned.clear()
        undo.pop_all()
        return loaded
