"""What code would do, before it is attached to anything: explained, and run on the packets of a capture."""
