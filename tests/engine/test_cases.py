"""Cases that the search for sequences does not reach: its handlers take no time, and nothing is taken away from it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gtplus_runtime import handling
from gtplus_runtime.handlers import api
from gtplus_runtime.store import Key
from tests.engine.cloud import BUCKET, PROJECT, Bucket, Cloud
from tests.engine.test_late import new_engine
from tests.engine.test_poison import rest


def dispatched(cloud: Cloud) -> None:
    """The dispatcher follows; no execution goes on."""
    while cloud.table.records:
        cloud.dispatch(cloud.table.records.pop(0))


def test_the_first_handler_of_a_batch_that_nobody_followed_for_long_is_let_work() -> None:
    """It was stopped a minute after each start, for ever: the time of its last move was that of its creation."""
    with new_engine() as engine:
        cloud = engine.cloud
        engine.create("b0")
        cloud.now += timedelta(hours=2)
        dispatched(cloud)
        for _ in range(10):
            cloud.now += timedelta(minutes=1)
            cloud.sweep()
            dispatched(cloud)
        assert [each.name for each in cloud.machine.executions.values() if each.status != "RUNNING"] == []


@pytest.mark.parametrize("name", ["b0", "round-2"])
def test_each_round_has_its_own_rework_list_whatever_the_batch_is_named(name: str) -> None:
    with new_engine() as engine:
        lists = []
        for good in (True, True, True, True, False, True, True, False):
            engine.go_on(name, good)
            rest(engine.cloud)
            lists.append(engine.cloud.head(name)["facts"].get("rework"))
        first, last = lists[4], lists[-1]
        folder = f"s3://{BUCKET}/labels/{name}/gtplus"
        assert first.startswith(f"{folder}/round-1/")
        assert last.startswith(f"{folder}/round-2/")


class TestWhatIsGone:
    """What was taken away holds up no end, and no other batch."""

    @pytest.fixture(params=["the bucket", "the right to it", "the construct"])
    def take_away(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        def refuse(*_: Any, **__: Any) -> None:
            code = "NoSuchBucket" if request.param == "the bucket" else "AccessDenied"
            raise ClientError({"Error": {"Code": code, "Message": code}}, "PutObject")

        def take() -> None:
            if request.param == "the construct":
                for module in (api, handling):
                    monkeypatch.setattr(module, "find_place", lambda _: None)
            else:
                monkeypatch.setattr(Bucket, "put_object", refuse)
                monkeypatch.setattr(Bucket, "get_object", refuse)

        return take

    def test_a_batch_can_be_cancelled(self, take_away: Callable[[], None]) -> None:
        with new_engine() as engine:
            cloud = engine.cloud
            engine.create("b0")
            rest(engine.cloud)
            take_away()
            code, _ = cloud.call("ann", "request", "/projects/{project}/batches/{batch}/cancel", {}, "b0")
            rest(engine.cloud)
            cloud.sweep()
            assert code == 200
            assert cloud.head("b0")["status"] == "Cancelled"
            assert "open" not in cloud.head("b0")
            assert cloud.head("b0")["generation"] == 1

    def test_its_slot_is_the_next_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with new_engine() as engine:
            cloud = engine.cloud
            for name in ("b0", "b1"):
                engine.create(name)
                rest(engine.cloud)
            with monkeypatch.context() as patch:
                for module in (api, handling):
                    patch.setattr(module, "find_place", lambda _: None)
                cloud.call("ann", "request", "/projects/{project}/batches/{batch}/cancel", {}, "b0")
                rest(engine.cloud)
            cloud.sweep()
            assert list(cloud.store.transfers("vendor")) == [Key(PROJECT, "b1")]
            assert cloud.head("b1")["status"] == "Data transfer in progress"
