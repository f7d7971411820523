"""What earlier versions wrote and asked is understood by this one: recorded calls of every handler are played again.

A batch may be open for months, while versions come and go. Each recording in `v1` (see `record.py`) holds a handler's
input and all that it could see, as that version wrote it: items of the table, files of the bucket.
"""

import base64
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from gtplus_runtime.lifecycle import BATCH
from tests.engine.cloud import Cloud

RECORDINGS = sorted(Path(__file__).parent.glob("v*/*.json"))


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    return Cloud(monkeypatch)


def restore(cloud: Cloud, before: dict[str, Any]) -> None:
    for item in before["items"]:
        cloud.table.items[item["pk"]["S"], item["sk"]["S"]] = item
    for key, body in before["bucket"].items():
        cloud.bucket.objects[key] = (base64.b64decode(body), cloud.now)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_handler_does_with_an_older_call_what_it_did(cloud: Cloud, path: Path) -> None:
    call = json.loads(path.read_text())
    restore(cloud, call["before"])
    batch = call["input"]["batch"]
    events = len(cloud.events(batch))
    slug = BATCH[call["input"]["status"]].slug
    outcome = importlib.import_module(f"gtplus_runtime.handlers.{slug}").handler(call["input"], None)
    assert outcome["outcome"] == "done"
    assert [event["status"] for event in cloud.events(batch)[events:]] == call["follows"]
    head = cloud.head(batch)
    assert head is not None
    # More may be known by now, and nothing less.
    assert set(call["facts"]) <= set(head["facts"])
    assert call["objects"].items() <= head["objects"].items()


def test_every_status_is_recorded() -> None:
    recorded = {json.loads(path.read_text())["input"]["status"] for path in RECORDINGS}
    assert recorded == {status.name for status in BATCH}
