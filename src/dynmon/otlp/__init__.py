"""Push what the daemon exports to an OpenTelemetry collector.

The SDK is an extra of this package, and takes its time to import: only `Pusher` and what it calls know it.
"""

from dynmon.otlp.pusher import Pusher, SdkMissing, require_sdk

__all__ = ["Pusher", "SdkMissing", "require_sdk"]
