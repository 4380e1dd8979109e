"""One figure of the table: what it costs, what it is compared with, and the bar it must not pass."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

UNITS = {"s": (1.0, "s"), "ms": (1e3, "ms"), "us": (1e6, "µs"), "ns": (1e9, "ns"), "MB": (1e-6, "MB")}


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and the other one of the same run, both in `unit` (the values are seconds or bytes).

    `ratio` is ours divided by theirs, None where nothing compares. `bar` says when the figure is as good as promised.
    """

    what: str
    ours: float
    unit: str
    theirs: float | None = None
    against: str = ""
    bar: str = ""
    holds: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Ours divided by theirs."""
        return self.ours / self.theirs if self.theirs else None


def median(values: Sequence[float]) -> float:
    """The middle of `values`: what one slow round, for whatever reason, does not move."""
    return statistics.median(values)


def show(figures: Sequence[Figure], notes: Sequence[str]) -> None:
    """Print the one table."""
    table = Table(title="dynmon benchmarks (medians)")
    for column in ("figure", "measured", "against", "", "ratio", "bar", ""):
        table.add_column(column, justify="right" if column in ("measured", "ratio") else "left")
    for figure in figures:
        theirs = "" if figure.theirs is None else _value(figure.theirs, figure.unit)
        ratio = "" if figure.ratio is None else f"{figure.ratio:.3g} x"
        verdict = {None: "", True: "[green]holds[/]", False: "[red]missed[/]"}[figure.holds]
        table.add_row(figure.what, _value(figure.ours, figure.unit), figure.against, theirs, ratio, figure.bar, verdict)
    # A pipe has no width of its own; the table should not be cut for it.
    console = Console()
    console = console if console.is_terminal else Console(width=160)
    console.print(table)
    for note in notes:
        console.print(f"- {note}", highlight=False)


def _value(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.3g} %"
    factor, name = UNITS[unit]
    return f"{value * factor:.3g} {name}"
