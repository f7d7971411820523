"""The reconciler: once a minute it holds every open batch against its execution, and mends what does not agree.

It first nudges (rewrites the head: a lost record needs no more), and only then raises the generation: when no
execution runs, or one makes no progress. A rebuild after a failure waits twice as long each time, up to an hour, and
the batch shows the failure meanwhile. One bad head holds up no other.

Input: ignored. Output: `{"nudged": n, "rebuilt": n, "failed": n}`.

Source: "DescribeExecution" and "StopExecution" of the AWS Step Functions API Reference. Stopping an execution does not
stop its Lambda function, so handlers' writes are conditioned on the generation.
"""

from datetime import datetime
from typing import Any

from gtplus_runtime import aws
from gtplus_runtime.handling import promote, store
from gtplus_runtime.log import log
from gtplus_runtime.places import find_place
from gtplus_runtime.protocol import FAILURES, RUNNING, Repair, execution_name, failures_in_a_row, what_to_repair
from gtplus_runtime.store import Key, Store


def handler(_event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Look at every open batch, then at every line of transfers."""
    table = store()
    counts = {"nudged": 0, "rebuilt": 0, "failed": 0}
    providers = {}
    for key in table.open_batches():
        try:
            found = _mend(table, key)
            place = find_place(key.project)
            if place is not None:
                providers[place.provider] = place
        except Exception as error:
            counts["failed"] += 1
            log("batch not reconciled", project=key.project, batch=key.batch, error=type(error).__name__)
            continue
        counts["nudged"] += found is Repair.NUDGE
        counts["rebuilt"] += found is Repair.REBUILD
    for provider, place in providers.items():
        try:
            promote(table, table.transfers(provider), place)
        except Exception as error:
            counts["failed"] += 1
            log("line not reconciled", project=place.project, error=type(error).__name__)
    log("reconciled", outcome=str(counts))
    return counts


def _mend(table: Store, key: Key) -> Repair:
    head = table.head(key)
    if head is None:
        return Repair.NOTHING
    machine = aws.client("stepfunctions")
    arn = f"{aws.setting('STATE_MACHINE').replace(':stateMachine:', ':execution:')}:{execution_name(head)}"
    try:
        status = machine.describe_execution(executionArn=arn)["status"]
    except machine.exceptions.ExecutionDoesNotExist:
        status = None
    moved = max(filter(None, (head["since"], head.get("parkedAt"))))
    repair = what_to_repair(
        head,
        status,
        idle_seconds=_ago(moved),
        since_rebuilt=_ago(head["rebuiltAt"]) if "rebuiltAt" in head else float("inf"),
    )
    if repair is Repair.NUDGE:
        table.nudge(key, aws.timestamp())
    elif repair is Repair.REBUILD:
        if status == RUNNING:
            # Stopped before the generation is raised: after a crash in between it is found dead, never forgotten.
            machine.stop_execution(executionArn=arn, cause="superseded by a newer generation")
        table.raise_generation(
            key,
            head["generation"],
            aws.timestamp(),
            failed=status in FAILURES,
            handled=head["handled"],
            failures=failures_in_a_row(head),
        )
    if repair is not Repair.NOTHING:
        log("batch mended", project=key.project, batch=key.batch, generation=head["generation"], outcome=repair.value)
    return repair


def _ago(at: str) -> float:
    return (aws.now() - datetime.fromisoformat(at)).total_seconds()
