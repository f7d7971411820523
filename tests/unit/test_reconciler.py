"""The reconciler: one bad head, place or provider holds up no other."""

from typing import Any

import pytest

from gtplus_runtime.handlers import reconciler
from gtplus_runtime.places import Limits, Place
from gtplus_runtime.store import Key

KEYS = [Key("one", "b"), Key("two", "b"), Key("three", "b")]


class Table:
    """Open batches without heads, each of a project with a provider of its own."""

    def open_batches(self) -> list[Key]:
        return KEYS

    def head(self, key: Key) -> dict[str, Any] | None:
        return None

    def transfers(self, provider: str) -> list[Key]:
        return [key for key in KEYS if key.project == provider]


@pytest.fixture
def promoted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []

    def promote(table: Table, line: list[Key], place: Place) -> None:
        if place.provider in broken:
            raise KeyError("status")
        done.append(place.provider)

    broken: set[str] = {"one"}
    monkeypatch.setattr(reconciler, "store", Table)
    monkeypatch.setattr(reconciler, "find_place", lambda name: Place(name, name, Limits(), (), "", "", {}))
    monkeypatch.setattr(reconciler, "promote", promote)
    return done


def test_a_line_that_cannot_be_looked_at_holds_up_no_other_providers(promoted: list[str]) -> None:
    assert reconciler.handler({}, None) == {"nudged": 0, "rebuilt": 0, "failed": 1}
    assert promoted == ["two", "three"]


def test_a_head_that_cannot_be_read_holds_up_no_other(promoted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def mend(table: Table, key: Key) -> reconciler.Repair:
        looked.append(key.project)
        if key.project == "two":
            raise KeyError("seq")
        return reconciler.Repair.NUDGE

    monkeypatch.setattr(reconciler, "_mend", mend)
    assert reconciler.handler({}, None) == {"nudged": 2, "rebuilt": 0, "failed": 2}
    assert looked == ["one", "two", "three"]
