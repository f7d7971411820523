"""Items are read as few calls as may be, and what the table leaves over is asked for again."""

from typing import Any

import pytest

from gtplus_runtime import store as store_module
from gtplus_runtime.store import Busy, Store


class Table:
    """Answers at most so many keys of a call."""

    def __init__(self, at_once: int) -> None:
        self.at_once, self.calls = at_once, 0

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        keys = RequestItems["t"]["Keys"]
        assert 0 < len(keys) <= 100
        answered, over = keys[: self.at_once], keys[self.at_once :]
        return {"Responses": {"t": answered}, "UnprocessedKeys": {"t": {"Keys": over}} if over else {}}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module.time, "sleep", lambda _: None)


@pytest.mark.parametrize(("places", "at_once", "calls"), [(0, 100, 0), (100, 100, 1), (101, 100, 2), (25, 10, 3)])
def test_every_item_is_read(places: int, at_once: int, calls: int) -> None:
    table = Table(at_once)
    asked = [(f"BATCH#p#{number}", "HEAD") for number in range(places)]
    assert set(Store("t", table).read(asked)) == set(asked)  # type: ignore[arg-type]
    assert table.calls == calls


def test_a_table_that_answers_nothing_is_not_asked_for_ever() -> None:
    with pytest.raises(Busy):
        Store("t", Table(0)).read([("BATCH#p#b", "HEAD")])  # type: ignore[arg-type]
