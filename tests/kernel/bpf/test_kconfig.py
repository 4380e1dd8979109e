"""Options of the kernel's configuration in code, and where that configuration is."""

import gzip
import os
from pathlib import Path

import pytest

from dynmon.bpf import OpenError
from dynmon.bpf.elf import Elf
from dynmon.bpf.kconfig import kconfig_text
from dynmon.bpf.refusals import Refusal
from dynmon.bpf.variables import KIND_ARRAY, KIND_ENUM, KIND_INT, Variable, variables_of
from tests.kernel.bpf.objects import compile_c

FRAME = bytes(60)
EXTERNS = """
extern int LINUX_KERNEL_VERSION __kconfig;
extern unsigned long CONFIG_HZ __kconfig __weak;
extern enum libbpf_tristate CONFIG_BPF_SYSCALL __kconfig;
extern _Bool CONFIG_NET __kconfig;
extern enum libbpf_tristate CONFIG_NO_SUCH_STATE __kconfig __weak;
extern _Bool CONFIG_NO_SUCH_BOOL __kconfig __weak;
extern char CONFIG_NO_SUCH_LETTER __kconfig __weak;
extern char CONFIG_NO_SUCH_TEXT[8] __kconfig __weak;
extern int CONFIG_NO_SUCH_NUMBER __kconfig __weak;
"""
USED = """
SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	switch (ctx->len - 60) {
	case 0: return LINUX_KERNEL_VERSION >> 16;
	case 1: return CONFIG_HZ;
	case 2: return CONFIG_BPF_SYSCALL == TRI_YES;
	case 3: return CONFIG_NET;
	}
	return CONFIG_NO_SUCH_STATE + CONFIG_NO_SUCH_BOOL + CONFIG_NO_SUCH_LETTER + CONFIG_NO_SUCH_NUMBER +
		CONFIG_NO_SUCH_TEXT[ctx->len & 7];
}
"""


def option(name):
    """What the running kernel's configuration has for it; None without one."""
    places = (Path(f"/boot/config-{os.uname().release}"), Path("/proc/config.gz"))
    config = next((each for each in places if each.exists()), None)
    if config is None:
        return None
    text = (gzip.decompress(config.read_bytes()) if config.suffix == ".gz" else config.read_bytes()).decode()
    return next((line.split("=")[1] for line in text.splitlines() if line.startswith(f"{name}=")), None)


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.skipif(option("CONFIG_NET") is None, reason="the kernel's configuration is neither in /boot nor in /proc")
def test_options_have_the_values_of_the_running_kernel(load):
    """Numbers, yes or no, and zero for what is not set."""
    program = load(EXTERNS + USED).program
    major = int(os.uname().release.split(".")[0])

    assert [major, int(option("CONFIG_HZ")), 1, 1, 0] == [program.test_run(bytes(60 + i)).verdict for i in range(5)]


def test_the_version_needs_no_configuration(load):
    """libbpf asks the kernel."""
    source = """
    extern int LINUX_KERNEL_VERSION __kconfig;
    SEC("tc") int dynmon_ingress(void *ctx) { return LINUX_KERNEL_VERSION >> 16; }
    """
    assert int(os.uname().release.split(".")[0]) == load(source).program.test_run(FRAME).verdict


def test_an_option_that_the_kernel_does_not_set_is_named(load):
    """And how to go on without it."""
    source = """
    extern int CONFIG_NO_SUCH_OPTION __kconfig;
    SEC("tc") int dynmon_ingress(void *ctx) { return CONFIG_NO_SUCH_OPTION; }
    """
    with pytest.raises(OpenError, match="CONFIG_NO_SUCH_OPTION, which the code reads") as caught:
        load(source)

    assert "extern int CONFIG_NO_SUCH_OPTION __kconfig __weak" in caught.value.hint


@pytest.fixture
def variables():
    raw = compile_c(EXTERNS + USED)
    return variables_of(Elf.parse(raw).section(".BTF").content)


def test_externs_are_found_with_their_kinds(variables):
    """As the zero of each is written differently."""
    kinds = {name: (each.kind, each.is_bool) for name, each in variables.items() if each.section == ".kconfig"}

    assert (KIND_INT, False) == kinds["CONFIG_HZ"]
    assert (KIND_ENUM, False) == kinds["CONFIG_NO_SUCH_STATE"]
    assert (KIND_INT, True) == kinds["CONFIG_NO_SUCH_BOOL"]
    assert (KIND_ARRAY, False) == kinds["CONFIG_NO_SUCH_TEXT"]


def test_every_option_gets_a_line_so_that_libbpf_never_looks(variables, tmp_path):
    """It would give up where there is no configuration, even if all are weak."""
    (tmp_path / "config").write_text('# CONFIG_NET is not set\nCONFIG_HZ=250\nCONFIG_BPF_SYSCALL=m\nCONFIG_OTHER="x"\n')
    text = kconfig_text(variables, ["CONFIG_BPF_SYSCALL"], [str(tmp_path / "missing"), str(tmp_path / "config")])

    assert {
        "CONFIG_HZ=250",
        "CONFIG_BPF_SYSCALL=m",
        "CONFIG_NET=n",
        "CONFIG_NO_SUCH_STATE=n",
        "CONFIG_NO_SUCH_BOOL=n",
        "CONFIG_NO_SUCH_LETTER=0",
        'CONFIG_NO_SUCH_TEXT=""',
        "CONFIG_NO_SUCH_NUMBER=0",
    } == set(text.decode().splitlines())


def test_without_any_configuration_weak_options_are_zero(variables, tmp_path):
    """A strong one is named."""
    nowhere = [str(tmp_path / "missing")]

    assert b"CONFIG_HZ=0\n" in kconfig_text(variables, [], nowhere)
    with pytest.raises(Refusal, match="configuration is nowhere to be found, and the code reads CONFIG_NET"):
        kconfig_text(variables, ["CONFIG_NET"], nowhere)


def test_a_compressed_configuration_is_read(tmp_path):
    """As the kernel offers it in /proc."""
    (tmp_path / "config.gz").write_bytes(gzip.compress(b"CONFIG_HZ=100\n"))
    variables = {"CONFIG_HZ": Variable(".kconfig", (), False, KIND_INT, False)}

    assert b"CONFIG_HZ=100\n" == kconfig_text(variables, ["CONFIG_HZ"], [str(tmp_path / "config.gz")])
