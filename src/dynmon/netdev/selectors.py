"""Choose interfaces by what they are, instead of naming one: `eth*`, `master=br0`, `type=veth`, `all`.

The text alone says whether it is a selector, whatever interfaces there are. The kernel lets a name hold ``*`` and
``=`` and lets an interface be called ``all``; such a one is meant by a pattern that spells the character in brackets:
``eth[*]``, ``type[=]veth``, ``[a]ll``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dynmon.netdev.links import NetLink
from dynmon.netdev.places import InvalidPort

ALL = "all"
KEYS = ("master", "type")
PATTERN = frozenset("*?[")
FORMS = "eth* (a pattern of names), master=br0, type=veth, all"


@dataclass(frozen=True, slots=True)
class Selector:
    """Which interfaces of our own namespace are meant; the loopback never is."""

    text: str
    key: str  # master, type, name, all
    value: str

    @classmethod
    def parse(cls, text: str) -> Selector | None:
        """Understand a selector; None when `text` names one port.

        Raises:
            InvalidPort: It looks like a selector, and is none.
        """
        if text == ALL:
            return cls(text, ALL, "")
        key, equals, value = text.partition("=")
        is_pattern = not PATTERN.isdisjoint(text)
        if "/" in text or ":" in text:
            if is_pattern or (equals and key.rpartition("/")[2] in KEYS):
                raise InvalidPort(text, "a selector chooses among the interfaces of the daemon's own namespace, whole")
            return None
        if is_pattern:
            return cls(text, "name", text)
        if not equals:
            return None
        if key not in KEYS or not value:
            raise InvalidPort(text, f"selectors are {FORMS}; for an interface of this name write {key}[=]{value}")
        return cls(text, key, value)

    def matches(self, link: NetLink, links: Mapping[int, NetLink]) -> bool:
        """Whether it means `link`, one of `links`, which are by their number."""
        if link.is_loopback:
            return False
        if self.key == "master":
            master = links.get(link.master or 0)
            return master is not None and master.name == self.value
        if self.key == "type":
            return link.kind == self.value
        return self.key == ALL or fnmatchcase(link.name, self.value)
