"""Finds the quickest Python of a machine: builds of one release differ by half, and only some are optimized.

What a version manager compiles mostly is not ("Building for maximum performance", pyenv's wiki), what a distribution
ships is. The local cloud and its functions are Python, and take as long as theirs does.

    python quickest.py

prints its path. This runs before anything is installed: the standard library is all that it needs.
"""

import subprocess
import sys
from pathlib import Path

PLACES = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
"""Where distributions put theirs."""

MARGIN = 0.85
"""Another Python is taken where it needs less than this part of the time: clearly less than what a measurement errs."""

PATIENCE_SECONDS = 10.0
"""How long one may take to start and be measured."""

_RUNS = 5

# Calls, attributes, dictionaries and JSON, as in a server; it ends with what makes a virtual environment.
_WORK = """
import ensurepip, json, ssl, time, venv

class Item:
    def __init__(self, number):
        self.number = number

    def text(self, more):
        return str(self.number + more)

def work():
    items = {f"key-{number}": {"S": Item(number).text(1)} for number in range(3_000)}
    found = [value[kind] for value in items.values() for kind in ("N", "M", "L", "S") if value.get(kind) is not None]
    return len(json.loads(json.dumps(items))) + len("".join(found).split("1"))

work()
begin = time.process_time()
for _ in range(5):
    work()
print(time.process_time() - begin)
"""


def others(places: tuple[str, ...] = PLACES) -> list[str]:
    """The other Pythons of our own minor version, without links.

    Args:
        places: the folders to look in.
    """
    ours = Path(sys.executable).resolve()
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = (Path(place, name) for place in places)
    return list(dict.fromkeys(str(path.resolve()) for path in found if path.is_file() and path.resolve() != ours))


def quickest(pythons: list[str]) -> str:
    """Our own Python, or one of these where it is clearly quicker; it can make virtual environments.

    Args:
        pythons: paths of others; one that does not work is left out.
    """
    if not pythons:
        return sys.executable
    best: dict[str, float] = {}
    # By turns, so that a machine that is busy for a moment does not decide.
    for python in [sys.executable, *pythons] * _RUNS:
        best[python] = min(_seconds(python), best.get(python, float("inf")))
    first = min(best, key=best.__getitem__)
    return first if best[first] < MARGIN * best[sys.executable] else sys.executable


def _seconds(python: str) -> float:
    try:
        command = [python, "-I", "-c", _WORK]
        ran = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE_SECONDS)  # noqa: S603 - Pythons of this machine, and a text of ours
        return float(ran.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return float("inf")


if __name__ == "__main__":
    print(quickest(others()))
