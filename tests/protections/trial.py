"""Takes a protection out of a copy of the tree, and runs the tests that must miss it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.protections.protection import Protection

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "cdk.out", "demo-output", "docs", "__pycache__", "node_modules")
SECONDS = 300
"""How long the tests of one protection may take: one that hangs is not red."""


def copy_of_the_tree(folder: Path) -> Path:
    """The sources, without what is made of them; the tools of the local cloud are shared."""
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    shutil.copytree(ROOT / "docs", tree / "docs")
    (tree / ".local").mkdir()
    tools = ROOT / ".local" / "tools"
    if tools.exists():
        (tree / ".local" / "tools").symlink_to(tools)
    return tree


def run(tree: Path, *tests: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """Run tests in the copy, and nothing of the checkout."""
    path = os.pathsep.join([str(tree), str(tree / "lambdas")])
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        # The same examples each time, few of them, and no smaller ones.
        "CI": "1",
        "GTPLUS_ENGINE_STEPS": "6000",
        "GTPLUS_ENGINE_QUICK": "1",
    }
    environment.pop("GTPLUS_PROTECTIONS", None)
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-rf", "-W", "ignore", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=seconds)


def take_out(protection: Protection, tree: Path) -> str:
    """Take a protection out of the copy; gives the file as it was."""
    file = tree / protection.file
    before = file.read_text()
    assert before.count(protection.text) == 1
    file.write_text(before.replace(protection.text, protection.without))
    compile(file.read_text(), protection.file, "exec")
    return before


def is_red(test: str, output: str) -> bool:
    """Whether a test failed, or one of a file, class or parametrized function; an error in a set-up is no failure."""
    failed = re.compile(rf"FAILED {re.escape(test)}(\[| - |::|$)")
    return any(failed.match(line) for line in output.splitlines())
