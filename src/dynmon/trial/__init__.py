"""What code would do, before it is attached to anything: explained, and run on the packets of a capture."""

from dynmon.trial.capture import CaptureError, Packet, packets
from dynmon.trial.explain import Explanation, explain
from dynmon.trial.rehearsal import NothingToTry, Rehearsal, rehearse
from dynmon.trial.replay import ReplayLimits
from dynmon.trial.workbench import workbench

__all__ = [
    "CaptureError",
    "Explanation",
    "NothingToTry",
    "Packet",
    "Rehearsal",
    "ReplayLimits",
    "explain",
    "packets",
    "rehearse",
    "workbench",
]
