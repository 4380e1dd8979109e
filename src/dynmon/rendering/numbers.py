"""Numbers as text, in the forms that expositions and JSON have."""

from __future__ import annotations

import math
from decimal import Decimal

from dynmon.rendering.parts import Form

GO_PRECISION = 6  # strconv.FormatFloat(x, 'g', -1, 64) takes %e from this exponent on
GO_LOWEST_EXPONENT = -4


def float_text(value: float, form: Form) -> str:
    """A double, in the shortest form that reads back as the same number."""
    if form is Form.JSON:
        return repr(value) if math.isfinite(value) else "null"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    scale = len(digits) + exponent - 1 if value else 0
    if GO_LOWEST_EXPONENT <= scale < GO_PRECISION:
        return f"{Decimal(repr(value)).normalize():f}"
    first, rest = str(digits[0]), "".join(map(str, digits[1:]))
    return f"{'-' * sign}{first}{'.' + rest if rest else ''}e{scale:+03d}"
