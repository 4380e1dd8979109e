"""What an exposition says, as prometheus_client's strict parsers read it."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from dynmon.metrics import ExpositionFormat, expose

PARSERS = {ExpositionFormat.OPENMETRICS: parse_openmetrics, ExpositionFormat.TEXT: parse_text}


def text_of(pieces):
    """The text that comes in pieces."""
    return b"".join(pieces).decode()


def exposed(families, form=ExpositionFormat.OPENMETRICS, own=()):
    """The text of some families."""
    return text_of(expose(families, form, own))


def samples_of(families):
    """Samples by their whole names and labels, as both judges read them; but not ``_created``."""
    read = [
        {
            (item.name, *(f"{key}={value}" for key, value in sorted(item.labels.items()))): item.value
            for family in parse(exposed(families, form))
            for item in family.samples
            if not item.name.endswith("_created")
        }
        for form, parse in PARSERS.items()
    ]
    assert repr(read[0]) == repr(read[1])
    return read[0]


def help_of(families, name):
    """The HELP of a family."""
    return next(each.documentation for each in parse_openmetrics(exposed(families)) if each.name == name)
