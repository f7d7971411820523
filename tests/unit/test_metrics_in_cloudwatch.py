"""What CloudWatch is told: lines in the embedded metric format, whose sums are the metrics of the projects."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from gtplus_runtime import aws
from gtplus_runtime.handlers import dispatcher
from gtplus_runtime.metrics import NAMESPACE, count_completed
from gtplus_runtime.store import Key, Place

KEY = Key("street-signs", "digits-001")
WAY = [
    ("Request submitted", 1, 0),
    ("Data transfer in progress", 1, 5),
    ("Data received", 1, 60),
    ("In progress", 1, 3_600),
    ("Ready for review", 1, 7_200),
    ("Rejected", 1, 10_800),
    ("Sent for rework", 2, 10_810),
    ("Ready for review", 2, 20_000),
    ("Accepted", 2, 20_500),
]


class Table:
    """A batch of 40 objects and its events."""

    def read(self, places: Iterable[Place]) -> dict[Place, dict[str, Any]]:
        every: dict[Place, dict[str, Any]] = {(KEY.pk, "HEAD"): {"objects": {"total": 40}}}
        event: dict[str, Any] = {}
        for seq, (status, round, seconds) in enumerate(WAY, 1):
            at = f"2026-11-25T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.000000Z"
            actor = {"id": "x", "name": "x", "duty": "report"}
            before = {"before": event["status"], "beforeSince": event["at"]} if event else {"before": ""}
            event = {"seq": seq, "status": status, "round": round, "at": at, "actor": actor, **before}
            every[KEY.pk, f"EVENT#{seq:08}"] = event
        return {place: every[place] for place in places if place in every}


class Outside:
    def put_events(self, Entries: list[Any]) -> dict[str, Any]:
        return {"FailedEntryCount": 0, "Entries": []}

    def publish_batch(self, **messages: Any) -> dict[str, Any]:
        return {}


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORKSPACE", "BUS", "TOPIC", "ESCALATIONS"):
        monkeypatch.setenv(f"GTPLUS_{name}", name.lower())
    monkeypatch.setattr(dispatcher, "store", Table)
    monkeypatch.setattr(aws, "client", lambda name: Outside())


def written(said: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, said.splitlines()) if "_aws" in line]


def sums(lines: list[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    """What CloudWatch makes of the lines: of each metric and its dimensions, the sum."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for dimensions in directive["Dimensions"]:
                for metric in directive["Metrics"]:
                    found[metric["Name"], *(line[name] for name in dimensions)] += line[metric["Name"]]
    return found


def test_the_sums_of_a_way_are_its_objects_decisions_rounds_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    records = [
        {
            "eventName": "INSERT",
            "dynamodb": {"Keys": {"pk": {"S": KEY.pk}, "sk": {"S": f"EVENT#{seq:08}"}}, "SequenceNumber": str(seq)},
        }
        for seq in range(1, len(WAY) + 1)
    ]
    assert dispatcher.handler({"Records": records}, None) == {"batchItemFailures": []}
    project = ("workspace", "street-signs")
    assert sums(written(capsys.readouterr().out)) == {
        ("Objects", *project): 40,
        ("Decisions", *project): 2,
        ("Rejections", *project): 1,
        ("ReworkRounds", *project): 1,
        ("SecondsInStatus", "workspace", "Request submitted"): 5,
        ("SecondsInStatus", "workspace", "Data transfer in progress"): 55,
        ("SecondsInStatus", "workspace", "Data received"): 3_540,
        ("SecondsInStatus", "workspace", "In progress"): 3_600,
        ("SecondsInStatus", "workspace", "Ready for review"): 3_600 + 500,
        ("SecondsInStatus", "workspace", "Rejected"): 10,
        ("SecondsInStatus", "workspace", "Sent for rework"): 9_190,
    }


def test_objects_are_completed_once_and_labels_in_each_round(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts grow by what is new; a count that falls, or is told again, adds nothing."""
    reports = [(1, 0, 10), (1, 10, 25), (1, 25, 25), (1, 25, 40), (2, 40, 0), (2, 0, 40)]
    for round, before, after in reports:
        count_completed(KEY, round, {"completed": before}, {"completed": after, "failed": 0})
    assert sums(written(capsys.readouterr().out)) == {
        ("ObjectsCompleted", "workspace", "street-signs"): 40,
        ("LabelsCompleted", "workspace", "street-signs"): 80,
    }


def test_a_line_is_what_the_format_asks_for(capsys: pytest.CaptureFixture[str]) -> None:
    """ "Specification: Embedded metric format": time in milliseconds, each dimension and value a field of the line."""
    count_completed(KEY, 1, {}, {"completed": 3})
    (line,) = written(capsys.readouterr().out)
    assert line.pop("_aws") == {
        "Timestamp": pytest.approx(aws.now().timestamp() * 1000, abs=60_000),
        "CloudWatchMetrics": [
            {
                "Namespace": NAMESPACE,
                "Dimensions": [["Workspace", "Project"]],
                "Metrics": [
                    {"Name": "LabelsCompleted", "Unit": "Count"},
                    {"Name": "ObjectsCompleted", "Unit": "Count"},
                ],
            }
        ],
    }
    assert line == {
        "Workspace": "workspace",
        "Project": "street-signs",
        "Batch": "digits-001",
        "LabelsCompleted": 3,
        "ObjectsCompleted": 3,
    }
