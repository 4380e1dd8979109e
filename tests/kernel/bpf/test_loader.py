"""Objects through the loader: constants, shared maps, tags, limits, and its death."""

import fcntl
import os
import signal
import struct
import termios
import threading
import time
from pathlib import Path

import pytest

from dynmon.bpf import BpfMap, Loader, LoaderDied, LoadError, MapType, OpenError, ProgramType, VerifierError
from dynmon.btf import Btf
from dynmon.errors import InjectionError
from tests.kernel.bpf.conftest import request_for
from tests.kernel.bpf.objects import TC_COUNTER, compile_c
from tests.support import run, wait_until

FRAME = bytes(60)
TABLE = """
struct { __uint(type, %s); __uint(max_entries, %d); __type(key, __u32); __type(value, __u64); } %s SEC(".maps") %s;
"""
REFUSED = 'SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return *(int *)(long)ctx->data; }'
PASS = 'SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return TC_ACT_UNSPEC; }'

pytestmark = pytest.mark.usefixtures("no_leaks")


def table(name, tag="", *, kind="BPF_MAP_TYPE_HASH", entries=8):
    return TABLE % (kind, entries, name, f'TAG("{tag}")' if tag else "")


def u32(number):
    return number.to_bytes(4, "little")


def u64(number):
    return number.to_bytes(8, "little")


def test_a_loaded_object_has_its_program_maps_and_types(load):
    """Facts come from the kernel, names from the object, and the BTF is one that can be read."""
    loaded = load(TC_COUNTER)
    packets = loaded.maps["packets"]

    assert ("dynmon_ingress", ProgramType.SCHED_CLS) == (loaded.program.name, loaded.program.program_type)
    assert ["packets"] == list(loaded.maps)
    assert (MapType.ARRAY, 4, 8, 1) == (
        packets.info.map_type,
        packets.info.key_size,
        packets.info.value_size,
        packets.info.max_entries,
    )
    assert packets.info.value_type_id
    assert Btf.parse(loaded.btf)
    assert str(loaded.program.id) in run("bpftool", "prog", "show", "id", str(loaded.program.id))


def test_long_map_names_are_kept_whole(load):
    """The kernel keeps 15 bytes of a name, we all of it."""
    loaded = load(table("a_name_that_is_longer_than_the_kernel_keeps") + PASS)

    assert ["a_name_that_is_longer_than_the_kernel_keeps"] == [each.info.name for each in loaded.maps.values()]


def test_constants_are_set_before_the_program_is_verified(load):
    """Each in its own width; names that the object does not have are ignored."""
    loaded = load(
        """
        const volatile __u32 cube = 1;
        const volatile __u64 base = 2;
        const volatile __u8 small;
        SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return cube + (base >> 32) + small; }
        """,
        constants={"cube": 40, "base": 1 << 33, "small": 200, "missing": 7},
    )

    assert 242 == loaded.program.test_run(FRAME).verdict


def test_an_object_without_constants_takes_them_too(load):
    """There is nothing to write them to."""
    assert load(PASS, constants={"dynmon_cube_id": 1}).program.test_run(FRAME).verdict == -1


def test_only_the_wished_program_is_loaded(load):
    """Another one that the verifier would refuse does no harm."""
    loaded = load(PASS + '\nSEC("tc") int broken(struct __sk_buff *ctx) { return *(int *)(long)ctx->data; }')

    assert -1 == loaded.program.test_run(FRAME).verdict


def test_the_program_type_is_the_request_s_not_the_section_s(load):
    """A section name that libbpf has no word for, or another word, is overruled."""
    source = 'SEC("%s") int dynmon_ingress(void *ctx) { return 2; }'
    for section in ("anything", "xdp", "cgroup_skb/egress"):
        assert ProgramType.SCHED_CLS == load(source % section).program.program_type
    assert ProgramType.XDP == load(source % "tc", program_type=ProgramType.XDP).program.program_type


def test_subprograms_are_loaded_with_their_caller(load):
    """A function that is not inlined comes from .text."""
    loaded = load(
        """
        static __attribute__((noinline)) int verdict(struct __sk_buff *ctx) { return ctx->len; }
        SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return verdict(ctx) + 1; }
        """
    )

    assert 61 == loaded.program.test_run(FRAME).verdict


def test_reuse_puts_another_map_in_the_place_of_the_object_s_own(load):
    """Two loads of one object count in one map."""
    first = load(TC_COUNTER)
    second = load(TC_COUNTER, reuse={"packets": first.maps["packets"].fd, "unknown": first.maps["packets"].fd})
    first.program.test_run(FRAME, repeat=3)
    second.program.test_run(FRAME, repeat=4)

    assert u64(7) == first.maps["packets"].lookup(u32(0))
    assert first.maps["packets"].info == second.maps["packets"].info


def test_global_variables_are_maps_that_can_be_reused(load):
    """.bss goes on with its contents in the next load."""
    source = """
    __u64 seen;
    SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { __sync_fetch_and_add(&seen, 1); return -1; }
    """
    first = load(source)
    first.program.test_run(FRAME, repeat=2)
    second = load(source, reuse={".bss": first.maps[".bss"].fd})
    second.program.test_run(FRAME, repeat=3)

    assert [".bss"] == list(first.maps)
    assert u64(5) == second.maps[".bss"].lookup(u32(0))


def test_reuse_of_a_map_of_another_shape_is_refused(load):
    """The verifier would take the program, and its reader would misread the map."""
    with BpfMap.create(MapType.ARRAY, 4, 16, 1, name="wide") as wide, pytest.raises(LoadError) as caught:
        load(TC_COUNTER, reuse={"packets": wide.fd})

    assert "map 'packets' is declared with values of 8 bytes, but the existing map has 16" in str(caught.value)


def test_extern_maps_are_taken_from_the_offers(load):
    """The program writes to the map of another object, and decodes it by its own declaration."""
    owner = load(table("counts", "dynmon:shared") + PASS)
    user = load(
        "struct padding { __u32 more_types; }; const struct padding padding = {1};"
        + table("counts", "dynmon:extern")
        + """
        SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
        {
            __u32 key = 5; __u64 value = padding.more_types + 8;
            bpf_map_update_elem(&counts, &key, &value, 0);
            return -1;
        }
        """,
        offers={"counts": owner.maps["counts"].fd},
    )
    user.program.test_run(FRAME)

    assert u64(9) == owner.maps["counts"].lookup(u32(5))
    assert {"counts": ("dynmon:shared",)} == owner.tags
    assert {"counts": ("dynmon:extern",)} == user.tags
    assert owner.maps["counts"].info.id == user.maps["counts"].info.id
    info = user.maps["counts"].info
    assert (
        "__u64"
        in run("bpftool", "btf", "dump", "id", btf_id_of(user)).split(f"[{info.value_type_id}]")[1].split("\n")[0]
    )


def btf_id_of(loaded):
    text = run("bpftool", "prog", "show", "id", str(loaded.program.id))
    return text.split("btf_id ")[1].split()[0]


def test_an_extern_map_that_nobody_offers_is_an_error(load):
    """The message is the one that users of the dialect know."""
    with pytest.raises(OpenError, match="reference to undefined table 'counts'") as caught:
        load(table("counts", "dynmon:extern") + PASS)

    assert ("open", "ingress") == (caught.value.fields()["stage"], caught.value.fields()["file"])


def test_pinned_maps_are_opened_by_their_path(load):
    """What the code writes is in the map that somebody pinned."""
    run(
        "bpftool",
        "map",
        "create",
        "/sys/fs/bpf/ours",
        "type",
        "hash",
        "key",
        "4",
        "value",
        "8",
        "entries",
        "8",
        "name",
        "x",
    )
    loaded = load(table("ours", "dynmon:pinned:/sys/fs/bpf/ours") + PASS)
    loaded.maps["ours"].update(u32(1), u64(2))

    assert '"value":["0x02"' in run("bpftool", "map", "dump", "pinned", "/sys/fs/bpf/ours", "-j")
    run("rm", "/sys/fs/bpf/ours")


def test_a_pin_that_is_not_there_is_not_found(load):
    """The message has the place where it was looked for."""
    with pytest.raises(OpenError, match="map not found: 'ours' should be pinned at '/sys/fs/bpf/missing'"):
        load(table("ours", "dynmon:pinned:/sys/fs/bpf/missing") + PASS)


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/missing", "/sys/fs/bpf/../../../etc/passwd", "", "relative"])
def test_pins_elsewhere_are_refused(load, path):
    """The answer does not tell what files there are."""
    with pytest.raises(OpenError, match=f"map 'ours' is to be found at '{path}', which is not below /sys/fs/bpf\n"):
        load(table("ours", f"dynmon:pinned:{path}") + PASS)


def test_a_map_that_asks_libbpf_to_pin_it_is_not_pinned(load):
    """LIBBPF_PIN_BY_NAME would leave rubbish behind, and share maps by accident."""
    source = """
    struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64);
             __uint(pinning, LIBBPF_PIN_BY_NAME); } counts SEC(".maps");
    """
    before = set(Path("/sys/fs/bpf").iterdir())
    first, second = load(source + PASS), load(source + PASS)

    assert before == set(Path("/sys/fs/bpf").iterdir())
    assert first.maps["counts"].info.id != second.maps["counts"].info.id


def test_predefined_maps_exist_only_when_the_program_refers_to_them(load):
    """The one of another program of the object does not count; a call to .text does."""
    source = (
        table("in_main", "dynmon:predefined")
        + table("in_callee", "dynmon:predefined")
        + table("in_other", "dynmon:predefined")
        + table("in_none", "dynmon:predefined")
        + table("unused")
        + """
        static __attribute__((noinline)) int helper(__u32 key) { return !bpf_map_lookup_elem(&in_callee, &key); }
        SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
        {
            __u32 key = ctx->len;
            return helper(key) + !bpf_map_lookup_elem(&in_main, &key);
        }
        SEC("tc/other") int other(struct __sk_buff *ctx)
        {
            __u32 key = 0;
            return !bpf_map_lookup_elem(&in_other, &key);
        }
        """
    )
    loaded = load(source)

    assert {"in_main", "in_callee", "unused"} == set(loaded.maps)
    assert 2 == loaded.program.test_run(FRAME).verdict


def test_map_memory_is_bounded_by_arithmetic(load):
    """A per-CPU map of 64 GiB is refused before the kernel is asked, and the largest map is named."""
    source = table("small") + table("huge", kind="BPF_MAP_TYPE_PERCPU_HASH", entries=1 << 28) + PASS
    started = time.monotonic()
    with pytest.raises(LoadError) as caught:
        load(source, memory_bytes=1 << 30)

    assert "the largest is 'huge'" in str(caught.value)
    assert "1,024.0 MiB are allowed" in str(caught.value)
    assert "load" == caught.value.fields()["stage"]
    assert time.monotonic() - started < 5


def test_many_maps_are_bounded_too(load):
    """Each map costs at least a page."""
    source = "".join(table(f"m{number}") for number in range(40)) + PASS
    with pytest.raises(LoadError, match="MiB are allowed"):
        load(source, memory_bytes=100_000)
    assert 40 == len(load(source).maps)


def test_more_maps_than_descriptors_fit_in_one_message(load):
    """The kernel passes 253 descriptors at a time."""
    source = "".join(table(f"m{number}", entries=1) for number in range(300)) + PASS
    loaded = load(source)

    assert 300 == len({each.info.id for each in loaded.maps.values()})
    assert all(name == each.info.name for name, each in loaded.maps.items())
    many = load(source, reuse={name: each.fd for name, each in loaded.maps.items()})
    assert loaded.maps["m299"].info == many.maps["m299"].info


def test_a_map_that_the_kernel_refuses_is_named(load):
    """libbpf's own words are in the message, not on stderr."""
    with pytest.raises(LoadError) as caught:
        load(table("odd", kind="BPF_MAP_TYPE_QUEUE") + PASS)

    assert "'odd'" in caught.value.message
    assert any("odd" in line for line in caught.value.fields()["log"])


def test_a_function_without_a_body_is_named(load):
    """Only libbpf notices: to clang it may be in another file."""
    with pytest.raises(OpenError, match="function 'compute' is declared but not defined"):
        load("int compute(void);\n" + PASS.replace("return", "return compute() +"))


def test_the_reason_of_a_refused_map_is_not_a_first_attempt(load):
    """libbpf tries again without types, and says so; what counts is that it failed."""
    with pytest.raises(LoadError) as caught:
        load("struct none {};" + table("empty").replace("value, __u64", "value, struct none") + PASS)

    assert "map 'empty' cannot be made: Invalid argument (type hash, keys of 4 bytes" in caught.value.message


def test_an_unknown_program_is_an_error_that_lists_what_there_is(load):
    """So that a typing error is seen at once."""
    with pytest.raises(OpenError, match="it has no program called 'handler'; it has: dynmon_ingress"):
        load(PASS, program="handler")


@pytest.mark.parametrize("raw", [b"", b"\x7fELF", b"not an object at all" * 100, b"\x7fELF\x02\x01\x01" + bytes(500)])
def test_what_is_no_object_is_refused(load, raw):
    """With a reason, as an error of the open stage."""
    with pytest.raises(OpenError) as caught:
        load(raw)

    assert caught.value.message


def test_an_object_for_another_machine_is_refused(load):
    """The object of a host program is ELF as well."""
    with pytest.raises(OpenError):
        load(Path("/bin/true").read_bytes())


def test_libbpf_never_writes_to_stderr(load, capfd):
    """Neither when an object is bad nor when the kernel refuses it."""
    for source in (b"rubbish", REFUSED):
        with pytest.raises(InjectionError):
            load(source)

    assert ("", "") == capfd.readouterr()


def test_loads_run_side_by_side(loader):
    """Many threads, one server: each gets what it asked for."""
    source = 'const volatile __u32 cube; SEC("tc") int dynmon_ingress(void *ctx) { return cube; }'
    verdicts = {}

    def load_one(number):
        with loader.load(request_for(source, constants={"cube": number})) as loaded:
            verdicts[number] = loaded.program.test_run(FRAME).verdict

    compile_c(source)
    threads = [threading.Thread(target=load_one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {number: number for number in range(12)} == verdicts


def test_a_loader_killed_in_the_middle_fails_one_request_and_no_more():
    """The request that runs says so; the next one starts a new process and works."""
    with Loader() as loader:
        os.kill(loader.server_pid, signal.SIGSTOP)
        compile_c(TC_COUNTER)
        failures = []

        def load_one():
            try:
                loader.load(request_for(TC_COUNTER))
            except LoaderDied as error:
                failures.append(str(error))

        waiting = threading.Thread(target=load_one)
        waiting.start()
        dead = loader.server_pid
        wait_until(lambda: unread(loader._server.channel), "the request to be on its way")
        os.kill(dead, signal.SIGKILL)
        waiting.join(10)

        assert ["load the ingress code: the process that loads it died of it"] == failures
        with loader.load(request_for(TC_COUNTER)) as loaded:
            assert -1 == loaded.program.test_run(FRAME).verdict
        assert dead != loader.server_pid


def unread(channel):
    """The bytes that the other end has not taken."""
    return struct.unpack("i", fcntl.ioctl(channel, termios.TIOCOUTQ, bytes(4)))[0]


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_request_that_takes_too_long_is_given_up():
    """The child is killed by its alarm, the daemon waits no longer, the server goes on."""
    with Loader(timeout_seconds=1.0) as loader:
        server = loader.server_pid
        with loader.load(request_for(TC_COUNTER)):
            pass
        os.kill(server, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(LoaderDied, match="no answer in 1 seconds"):
            loader.load(request_for(TC_COUNTER))
        assert time.monotonic() - started < 6
        os.kill(server, signal.SIGCONT)

        with loader.load(request_for(TC_COUNTER)):
            assert server == loader.server_pid
        wait_until(lambda: not children(server), "the children to end")


def test_signals_to_the_terminal_do_not_end_the_loader():
    """Ctrl-C reaches all processes of the terminal; this one ends with its daemon."""
    with Loader() as loader:
        with loader.load(request_for(TC_COUNTER)):  # it has started, and ignores them by now
            pass
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(loader.server_pid, number)
        before = loader.server_pid
        with loader.load(request_for(TC_COUNTER)):
            assert before == loader.server_pid


def test_closing_the_loader_ends_its_process():
    """Twice is harmless; a load afterwards fails."""
    loader = Loader()
    pid = loader.server_pid
    loader.close()
    loader.close()

    assert not Path(f"/proc/{pid}").exists()
    assert loader.server_pid is None
    with pytest.raises(LoaderDied):
        loader.load(request_for(TC_COUNTER))


def test_no_descriptor_stays_behind(loader):
    """Neither after loads that work nor after those that fail, here or in the server."""
    bad = compile_c(REFUSED)
    shared = loader.load(request_for(TC_COUNTER))

    def rounds(count):
        for _ in range(count):
            loader.load(request_for(TC_COUNTER, reuse={"packets": shared.maps["packets"].fd})).close()
            with pytest.raises(VerifierError):
                loader.load(request_for(bad))
        return descriptors(os.getpid()), descriptors(loader.server_pid)

    with shared:
        assert rounds(2) == rounds(20)


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_the_loader_s_process_is_small_and_its_import_light(loader):
    """It holds none of the daemon's libraries."""
    mapped = Path(f"/proc/{loader.server_pid}/maps").read_text()

    assert "libbpf" in mapped
    assert "numpy" not in mapped
    assert "pydantic" not in mapped


def test_a_loader_that_cannot_end_is_killed(monkeypatch):
    """Closing waits for it, but not for ever."""
    monkeypatch.setattr("dynmon.bpf.process.PATIENCE_SECONDS", 0.2)
    loader = Loader()
    pid = loader.server_pid
    os.kill(pid, signal.SIGSTOP)
    loader.close()

    assert not Path(f"/proc/{pid}").exists()
