"""docs/reference/cli.md quotes what the commands print."""

import os
import re
import subprocess
import sys

import pytest

COMMANDS = {
    "polycubectl": ["-c", "from dynmon.cli.polycubectl import main; main(['--help'])"],
    "dynmon": ["-c", "import sys; sys.argv[0] = 'dynmon'; from dynmon.cli.dynmon import main; main(['--help'])"],
    "dynmon pack": ["-c", "from dynmon.cli.dynmon import main; main(['pack', '--help'])"],
    "dynmon explain": ["-c", "from dynmon.cli.dynmon import main; main(['explain', '--help'])"],
    "dynmon test": ["-c", "from dynmon.cli.dynmon import main; main(['test', '--help'])"],
    "dynmon dashboard": ["-c", "from dynmon.cli.dynmon import main; main(['dashboard', '--help'])"],
    "injector": ["tools/dynmon_injector.py", "--help"],
    "extractor": ["tools/dynmon_extractor.py", "--help"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_text_is_quoted_exactly(command, repository):
    outcome = subprocess.run(
        [sys.executable, *COMMANDS[command]],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=repository,
        env={**os.environ, "COLUMNS": "100"},
    )

    documented = re.findall(r"```text\n(.*?)```\n", (repository / "docs/reference/cli.md").read_text(), re.DOTALL)
    assert outcome.stdout.strip()
    assert canonical(outcome.stdout) in map(canonical, documented)


def canonical(text):
    """argparse breaks lines and repeats metavars differently from one Python to the next."""
    if not text.startswith("usage: "):
        return text
    return re.sub(r"(-\w) \S+, --", r"\1, --", " ".join(text.split()))
