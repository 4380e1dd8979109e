"""The reference of the dialect names everything that the headers offer."""

from __future__ import annotations

import re
from pathlib import Path

import dynmon.compiler

HEADERS = Path(dynmon.compiler.__file__).parent / "include/dialect"
OURS = re.compile(r"^(DYNMON_|dynmon_)")
MACRO = re.compile(r"^#define (\w+)", re.MULTILINE)
FUNCTION = re.compile(r"^(?:static __always_inline|int) [^;={}#]*?\b(\w+)\(", re.MULTILINE)
STRUCT = re.compile(r"^struct (\w+) \{", re.MULTILINE)
METHOD = re.compile(r"DO\(NAME, (\w+)\)|^\t\tDYNMON_COUNTING_POINTER\(NAME, \w+, LEAF\) (\w+);", re.MULTILINE)
VERDICT = re.compile(r"^\t(RX_\w+)", re.MULTILINE)
# Told as a group, or the plain C that every reader knows.
UNTOLD = {"bool", "true", "false", "NULL", "offsetof", "vlan_ethhdr", "sockaddr", "sockaddr_storage", "MSG_FIN"}
UNTOLD |= {f"VLAN_{name}" for name in ("HLEN", "ETH_HLEN", "PRIO_MASK", "PRIO_SHIFT", "CFI_MASK", "N_VID")}
UNTOLD |= {"CHAR_BIT"} | {
    f"{kind}_{bound}" for kind in ("SCHAR", "SHRT", "INT", "LONG", "LLONG") for bound in ("MIN", "MAX")
}
UNTOLD |= {f"{kind}_MAX" for kind in ("UCHAR", "USHRT", "UINT", "ULONG", "ULLONG")}


def offered() -> set[str]:
    """The public names in the headers."""
    names: set[str] = set()
    for path in HEADERS.rglob("*.h"):
        text = path.read_text()
        for pattern in (MACRO, FUNCTION, STRUCT, METHOD, VERDICT):
            names |= {name for match in pattern.finditer(text) for name in match.groups() if name}
    return {name for name in names if not OURS.match(name)} - UNTOLD


def test_everything_offered_is_in_the_reference(repository: Path) -> None:
    document = (repository / "docs/reference/dialect.md").read_text()
    document = re.sub(r"^```.*?^```", "", document, flags=re.MULTILINE | re.DOTALL)
    code = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", document))))

    assert len(offered()) > 150
    assert set() == offered() - code


def test_every_type_string_is_in_the_reference(repository: Path) -> None:
    document = (repository / "docs/reference/dialect.md").read_text()
    types = set(re.findall(r'\(TYPE, "(\w+\$?)"\)', (HEADERS / "dynmon/maps.h").read_text()))

    assert len(types) > 25
    assert set() == {name for name in types if f"`{name}" not in document}
