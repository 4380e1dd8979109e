"""polycubectl: the daemon's API as a command line.

``grammar`` turns words into an Invocation, ``body`` makes the JSON that is sent, ``run`` asks the daemon,
``render`` and ``help`` turn the answer into text, ``config`` finds the daemon, ``completion`` serves the shell.
"""

from dynmon.cli.polycubectl.run import main

__all__ = ["main"]
