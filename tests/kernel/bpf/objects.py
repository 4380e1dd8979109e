"""C for the kernel as the tests need it, compiled once for each text by the clang that DYNMON_CLANG names, or clang."""

import functools
import os
import subprocess
from pathlib import Path

PROLOGUE = Path(__file__).with_name("prologue.h")

COUNTER = """
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

SEC("%s") int dynmon_ingress(void *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&packets, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
	return %s;
}
"""
TC_COUNTER = COUNTER % ("tc", "TC_ACT_UNSPEC")
XDP_COUNTER = COUNTER % ("xdp", "XDP_PASS")


@functools.cache
def compile_c(source, *options):
    """The object of `source`, given on standard input as the daemon gives it; it may use libbpf's headers."""
    command = [
        os.environ.get("DYNMON_CLANG") or "clang",
        "-target",
        "bpf",
        "-O2",
        "-g",
        "-mcpu=v3",
        "-I/usr/include/x86_64-linux-gnu",
    ]
    command += [
        "-I/usr/include/aarch64-linux-gnu",
        "-Wall",
        "-Werror",
        "-include",
        str(PROLOGUE),
        *options,
        "-c",
        "-x",
        "c",
        "-",
        "-o",
        "-",
    ]
    result = subprocess.run(command, input=source.encode(), capture_output=True, check=False, timeout=60)
    assert not result.returncode, result.stderr.decode()
    return result.stdout
