"""Decoders that take text and replace it."""

from __future__ import annotations

import re
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from dynmon.metrics.decoders.base import OfTexts
from dynmon.models import DecoderName
from dynmon.models.open_metrics import csv_table

UNKNOWN = "unknown"
MATCHED_CHARACTERS = 256  # the time to match a text goes with a power of its length
Network = IPv4Network | IPv6Network


class StaticMapDecoder(OfTexts):
    """A text for a text; others are marked, or with ``allow-unknown`` left as they are."""

    name = DecoderName.STATIC_MAP

    def text(self, text: str) -> str | None:
        known = self.config.static_map or {}
        return known.get(text, text if self.config.allow_unknown else f"{UNKNOWN}:{text}")


class RegexpDecoder(OfTexts):
    """The first expression that matches lets a text pass, or what its group matched; others drop the series."""

    name = DecoderName.REGEXP

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        return [re.compile(pattern) for pattern in self.config.regexps or ()]

    def text(self, text: str) -> str | None:
        for pattern in self._patterns:
            if found := pattern.search(text[:MATCHED_CHARACTERS]):
                return (found[1] or "") if pattern.groups else text
        return None


class FileDecoder(OfTexts):
    """What a table has for a text, or for the longest prefix of an address; what it has nothing for is unknown."""

    name = DecoderName.FILE

    @cached_property
    def _table(self) -> dict[str, str]:
        return csv_table(self.config.csv or "")

    @cached_property
    def _networks(self) -> dict[tuple[int, int], dict[int, str]]:
        """By IP version and length, the longest first: the number of each network → its text."""
        networks: dict[tuple[int, int], dict[int, str]] = {}
        for key, text in self._table.items():
            if "/" in key:
                network: Network = ip_network(key)
                first = int(network.network_address)
                networks.setdefault((network.version, network.prefixlen), {})[first] = text
        return dict(sorted(networks.items(), reverse=True))

    def text(self, text: str) -> str | None:
        if text in self._table:
            return self._table[text]
        try:
            address = ip_address(text)
        except ValueError:
            return UNKNOWN
        for (version, length), texts in self._networks.items():
            if version == address.version:
                beyond = address.max_prefixlen - length
                found = texts.get(int(address) >> beyond << beyond)
                if found is not None:
                    return found
        return UNKNOWN
