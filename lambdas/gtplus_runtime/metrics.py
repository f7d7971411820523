"""Metrics in CloudWatch, as log lines in the embedded metric format: no call, no right and no function more.

The dimensions are the workspace with the project, or with the status: few, since each combination is a metric that is
paid for in every hour in which it is written. The batch is a property of the line: no dimension, but found by
CloudWatch Logs Insights. A line may be written twice, as every handler may run twice: the exact numbers are those of
`gtplus metrics`.

Source: "Specification: Embedded metric format" of the Amazon CloudWatch User Guide.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gtplus_runtime import aws
from gtplus_runtime.lifecycle import BatchStatus
from gtplus_runtime.log import write
from gtplus_runtime.store import Key

NAMESPACE = "GroundTruthPlus/Labeling"

SECONDS_IN_STATUS = "SecondsInStatus"


def count_completed(key: Key, round: int, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Write what a report, or the labels themselves, added to the objects completed.

    Args:
        key: the batch.
        round: the round; from the second on labels are completed again, and objects are not.
        before: the counts of the batch before.
        after: those after.
    """
    grown = after.get("completed", 0) - before.get("completed", 0)
    if grown > 0:
        _write(key, {"LabelsCompleted": grown, "ObjectsCompleted": grown if round == 1 else 0})


def count_change(key: Key, event: Mapping[str, Any], total: int) -> None:
    """Write what a status change of a batch means: its objects, a decision, a rework round, and the time before it.

    Args:
        key: the batch.
        event: the change.
        total: objects of the batch.
    """
    counts: dict[str, int] = {}
    match event["status"]:
        case BatchStatus.DATA_RECEIVED:
            counts = {"Objects": total}
        case BatchStatus.ACCEPTED | BatchStatus.REJECTED as decided:
            counts = {"Decisions": 1, "Rejections": int(decided == BatchStatus.REJECTED)}
        case BatchStatus.SENT_FOR_REWORK:
            counts = {"ReworkRounds": 1}
    if counts:
        _write(key, counts)
    # An event that an earlier release wrote does not tell it.
    if "beforeSince" in event:
        seconds = datetime.fromisoformat(event["at"]) - datetime.fromisoformat(event["beforeSince"])
        _write(key, {SECONDS_IN_STATUS: max(round(seconds.total_seconds()), 0)}, status=event["before"])


def _write(key: Key, values: Mapping[str, int], status: str | None = None) -> None:
    by = "Project" if status is None else "Status"
    metrics = [{"Name": name, "Unit": "Seconds" if name == SECONDS_IN_STATUS else "Count"} for name in values]
    line = {
        "_aws": {
            "Timestamp": int(aws.now().timestamp() * 1000),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["Workspace", by]], "Metrics": metrics}],
        },
        "Workspace": aws.setting("WORKSPACE"),
        "Project": key.project,
        "Batch": key.batch,
        **({} if status is None else {"Status": status}),
        **values,
    }
    write(line)
