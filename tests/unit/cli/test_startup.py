"""A command that is typed all day long must start at once."""

import subprocess
import sys

RUN = "import sys; from dynmon.cli.polycubectl import main; status = main({arguments!r}); "
HELP = "import sys; sys.argv = ['dynmon', '--help']; from dynmon.cli.dynmon import main\ntry: main()\nfinally: "
SLOW = ("httpx", "rich", "yaml", "pydantic", "numpy", "pyroute2", "asyncio")


def test_help_imports_nothing_slow():
    """The time itself depends on the machine; what costs it does not."""
    code = RUN.format(arguments=["--help"]) + f"print(*(set({SLOW!r}) & set(sys.modules)), file=sys.stderr)"

    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)

    assert "\n" == outcome.stderr
    assert outcome.stdout.startswith("Usage: polycubectl ")


def test_help_of_dynmon_imports_nothing_slow():
    code = HELP + f"print(*(set({SLOW!r}) & set(sys.modules)), file=sys.stderr)"

    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)

    assert "\n" == outcome.stderr
    assert outcome.stdout.startswith("usage: dynmon ")


def test_usage_errors_exit_2_on_stderr_without_a_daemon():
    code = RUN.format(arguments=["dm", "show", "-xml"]) + "sys.exit(status)"

    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)

    assert (2, "") == (outcome.returncode, outcome.stdout)
    assert outcome.stderr == (
        "polycubectl: -xml is not a valid flag; there are -hide=KEYS and "
        "-normal, -brief, -verbose, -json, -yaml (polycubectl --help)\n"
    )
