"""The local cloud runs in the quickest Python of the machine, and in our own where no other is clearly quicker."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gtplus_cli.local import quickest

NAME = f"python{sys.version_info.major}.{sys.version_info.minor}"
Paced = Callable[..., str]


@pytest.fixture
def paced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paced:
    """A Python that tells this pace, in a folder of its own; and our own tells that it took a second."""

    def make(name: str, told: str) -> str:
        path = tmp_path / name / NAME
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{told}\n")
        path.chmod(0o755)
        return str(path)

    monkeypatch.setattr(sys, "executable", make("ours", "echo 1.0"))
    return make


def test_one_that_is_clearly_quicker_is_taken(paced: Paced) -> None:
    assert quickest.quickest([paced("slower", "echo 2"), quick := paced("quick", "echo 0.6")]) == quick


def test_one_that_is_quicker_by_what_a_measurement_errs_is_not(paced: Paced) -> None:
    assert quickest.quickest([paced("as quick", "echo 0.95")]) == sys.executable


@pytest.mark.parametrize("told", ["exit 1", "echo nothing", "sleep 30", "echo"])
def test_one_that_does_not_work_is_not(paced: Paced, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quickest, "PATIENCE_SECONDS", 0.2)
    assert quickest.quickest([paced("broken", told), "/nowhere/python"]) == sys.executable


def test_another_is_taken_where_ours_cannot_make_an_environment(paced: Paced, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Debian without python3-venv."""
    monkeypatch.setattr(sys, "executable", paced("bare", "exit 1"))
    assert quickest.quickest([other := paced("whole", "echo 2")]) == other


def test_alone_ours_is_not_even_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert quickest.quickest([]) == "/nowhere/python"


def test_others_are_those_of_our_version_once_each_and_not_ours(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("ours", "theirs", "linked", "older", "empty")}
    for place in places.values():
        place.mkdir()
    (places["ours"] / NAME).symlink_to(Path(sys.executable).resolve())
    (places["theirs"] / NAME).touch()
    (places["linked"] / NAME).symlink_to(places["theirs"] / NAME)
    (places["older"] / "python3.8").touch()
    assert quickest.others(tuple(map(str, places.values()))) == [str(places["theirs"] / NAME)]


def test_it_runs_before_anything_is_installed() -> None:
    """As `make` runs it: a Python that has nothing of ours prints one path of a Python."""
    program = [sys.executable, "-I", "-S", str(Path(quickest.__file__))]
    answer = subprocess.run(program, capture_output=True, text=True, check=True)
    assert os.access(answer.stdout.strip(), os.X_OK)
