"""Headers beside a C file travel within its text."""

import base64
import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from dynmon.cli.dynmon import main
from dynmon.cli.local_includes import IncludeError, with_local_includes
from dynmon.models.dataplane import decode_object
from tests.support import needs

ELF = b"\x7fELF" + bytes(range(256)) * 40


@pytest.fixture
def folder(tmp_path):
    def write(**files):
        for name, text in files.items():
            place = tmp_path / name.replace("__", "/").replace("_", ".")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode())
        return tmp_path

    return write


def unfolded(folder, name="probe.c"):
    file = folder / name
    return with_local_includes(file.read_bytes().decode(), file, lambda header: header.read_bytes().decode())


def test_a_header_stands_in_for_its_include(folder):
    place = folder(probe_c='int a;\n  #  include "b.h" // why\nint c;\n', b_h="int b;\n")

    assert unfolded(place) == 'int a;\n# 1 "b.h" 1\nint b;\n# 3 "<stdin>" 2\nint c;\n'


def test_headers_include_headers_beside_themselves(folder):
    place = folder(probe_c='#include "sub/a.h"\n', sub__a_h='#include "b.h"\nint a;', sub__b_h="int b;\n")

    assert unfolded(place) == ('# 1 "sub/a.h" 1\n# 1 "b.h" 1\nint b;\n# 2 "sub/a.h" 2\nint a;\n# 2 "<stdin>" 2\n')


def test_headers_are_named_from_the_top_of_a_checkout(folder):
    """Also by one another; the nearest is taken."""
    place = folder(
        lib__bpf__a_h='#include "lib/b.h"\n',
        lib__b_h="int top;\n",
        src__lib__b_h="int near;\n",
        src__deep__probe_c='#include "lib/bpf/a.h"\n',
    )

    assert unfolded(place, "src/deep/probe.c") == (
        '# 1 "lib/bpf/a.h" 1\n# 1 "lib/b.h" 1\nint near;\n# 2 "lib/bpf/a.h" 2\n# 2 "<stdin>" 2\n'
    )


@pytest.mark.parametrize("name", ["a.h", "../a.h", "nothing/../a.h"])
def test_headers_above_a_checkout_are_not_its_own(folder, name):
    source = f'#include "{name}"\n'
    place = folder(a_h="int a;\n", tree__src__probe_c=source, tree__src__nothing__x_h="")
    (place / "tree/.git").mkdir()

    assert source == unfolded(place, "tree/src/probe.c")


def test_headers_of_the_host_are_not_local(folder):
    """Whatever the way to them; the daemon has its own."""
    place = folder(src__probe_c='#include "usr/include/stdio.h"\n#include "host/stdio.h"\n')
    (place / "host").symlink_to("/usr/include")

    assert unfolded(place, "src/probe.c") == (place / "src/probe.c").read_text()


@pytest.mark.parametrize(
    "source",
    [
        "int x;\r\n\f\v no end",
        f'#include "{"long" * 2000}.h"\n',
        '#include "gone.h"\n#include "vmlinux.h"\n#include <b.h>\n',
        '/* as in\n#include "b.h"\n*/\nint x;\n',
        'char *s = "/*";\n// #include "b.h"\n',
        '#include SELF\n#define SELF "b.h"\n',
    ],
)
def test_what_has_no_local_header_stays_to_the_byte(folder, source):
    place = folder(probe_c=source, b_h="int b;\n", vmlinux_h="the whole kernel")

    assert source == unfolded(place)


def test_text_after_a_comment_is_seen(folder):
    place = folder(probe_c='/* one */ int x; /* two\n */\nchar *s = "/*";\n#include "b.h"', b_h="int b;")

    assert unfolded(place).endswith('#include "b.h"') is False
    assert unfolded(place).endswith('# 1 "b.h" 1\nint b;\n# 5 "<stdin>" 2\n')


def test_a_header_with_guards_is_there_each_time(folder):
    """The guards are the preprocessor's business: in between, a macro may have changed."""
    place = folder(probe_c='#include "b.h"\n#include "b.h"\n', b_h="#ifndef B\n#define B\n#endif\n")

    assert 2 == unfolded(place).count("#ifndef B")


def test_a_header_with_pragma_once_is_there_once(folder):
    place = folder(probe_c='#include "b.h"\n#include "b.h"\nint c;\n', b_h="#pragma once\nint b;\n")

    assert unfolded(place) == '# 1 "b.h" 1\n//#pragma once\nint b;\n# 2 "<stdin>" 2\n\nint c;\n'


def test_headers_in_a_circle_are_refused(folder):
    place = folder(probe_c='#include "a.h"\n', a_h='#include "b.h"\n', b_h='#include "a.h"\n')

    with pytest.raises(IncludeError, match=r"without end: a\.h includes b\.h includes a\.h$"):
        unfolded(place)


def test_headers_that_double_are_refused(folder):
    files = {f"h{number}_h": f'#include "h{number + 1}.h"\n' * 2 for number in range(40)}
    place = folder(probe_c='#include "h0.h"\n', h40_h=" " * 1_000_000, **files)

    with pytest.raises(IncludeError, match="unfold into more than 16 MiB"):
        unfolded(place)


@needs("clang")
def test_the_compiler_names_lines_as_people_have_them(folder):
    place = folder(probe_c='#include "b.h"\n#include "b.h"\n\nint here(void) { return gone; }\n', b_h="extern int b;\n")

    outcome = subprocess.run(
        [str(shutil.which("clang")), "-fsyntax-only", "-x", "c", "-"],
        input=unfolded(place),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "<stdin>:4:25: error: use of undeclared identifier 'gone'" in outcome.stderr


def packed(capsysbinary, *arguments):
    assert 0 == main(["pack", *map(str, arguments)])
    return json.loads(capsysbinary.readouterr().out)


def test_pack_puts_headers_into_the_code(folder, capsysbinary):
    place = folder(probe_c='#include "b.h"\n', b_h="int b;\n")

    config = packed(capsysbinary, place / "probe.c")

    assert '# 1 "b.h" 1\nint b;\n# 2 "<stdin>" 2\n' == config["ingress-path"]["code"]


@pytest.mark.parametrize("target", ["probe.o", "."])
def test_pack_takes_an_object(tmp_path, target, capsysbinary):
    """Compressed, and the same each time."""
    (tmp_path / "probe.o").write_bytes(ELF)

    path = packed(capsysbinary, tmp_path / target)["ingress-path"]

    assert {"name", "object"} == set(path)
    assert ELF == decode_object(path["object"])
    assert gzip.compress(ELF, mtime=0) == base64.b64decode(path["object"])


def test_a_folder_with_source_and_object_is_about_the_source(folder, capsysbinary):
    place = folder(probe_c="int x;\n")
    Path(place / "probe.o").write_bytes(ELF)

    assert {"ingress-path": {"name": place.name, "code": "int x;\n"}} == packed(capsysbinary, place)
