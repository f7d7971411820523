"""Each protection of the engine is missed where it is taken out.

That takes a quarter of an hour, so it is asked for by an environment variable; at the end a table of what was red is
printed:

    GTPLUS_PROTECTIONS=1 python -m pytest -n 0 -s tests/protections

`-k` and a part of a name take some of them. Without the variable it is only seen that the list is not out of date.
"""

import ast
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.protections.protections import PROTECTIONS
from tests.protections.trial import ROOT, SECONDS, copy_of_the_tree, is_red, run, take_out


@pytest.mark.parametrize("name", PROTECTIONS)
def test_stands_where_the_list_says_and_has_its_tests(name: str) -> None:
    protection = PROTECTIONS[name]
    text = (ROOT / protection.file).read_text()
    assert text.count(protection.text) == 1, f"{protection.file} has it {text.count(protection.text)} times"
    compile(text.replace(protection.text, protection.without), protection.file, "exec")
    assert protection.caught_by
    for test in protection.caught_by:
        file, *path = test.split("[")[0].split("::")
        assert "::".join(path) in names_in(ROOT / file), test


@cache
def names_in(file: Path) -> set[str]:
    """The tests of a file, with their classes; the empty text for all of them."""
    found = {""}
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


def test_no_two_are_the_same() -> None:
    taken = [(protection.file, protection.text, protection.without) for protection in PROTECTIONS.values()]
    assert len(set(taken)) == len(taken) >= 100


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_tree(tmp_path_factory.mktemp("protections"))


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[tuple[str, str], str]]:
    """By protection and test: red or not."""
    outcomes: dict[tuple[str, str], str] = {}
    yield outcomes
    width = max((len(name) for name, _ in outcomes), default=0)
    print()
    for (name, test), outcome in outcomes.items():
        print(f"{outcome:<8} {name:<{width}}  {test}")


DEMANDED = os.environ.get("GTPLUS_PROTECTIONS") == "1"
on_demand = pytest.mark.skipif(not DEMANDED, reason="on demand: GTPLUS_PROTECTIONS=1 (see the docstring)")


@on_demand
@pytest.mark.parametrize("name", PROTECTIONS if DEMANDED else ())
def test_is_missed_where_it_is_taken_out(tree: Path, outcomes: dict[tuple[str, str], str], name: str) -> None:
    protection = PROTECTIONS[name]
    before = take_out(protection, tree)
    try:
        outcomes |= {(name, test): "NOT RED" for test in protection.caught_by}
        done = run(tree, *protection.caught_by)
        outcomes |= {(name, test): "red" for test in protection.caught_by if is_red(test, done.stdout)}
    finally:
        (tree / protection.file).write_text(before)
    missed = [test for test in protection.caught_by if outcomes[name, test] != "red"]
    assert not missed, done.stdout[-2_000:] + done.stderr[-2_000:]


@on_demand
def test_with_all_of_them_in_place_every_test_is_green(tree: Path) -> None:
    """The positive control: a test that is red anyway misses nothing."""
    tests = sorted({test for protection in PROTECTIONS.values() for test in protection.caught_by})
    done = run(tree, *tests, seconds=4 * SECONDS)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
