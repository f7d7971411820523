"""The reconciler: once a minute it holds every open batch against its execution, and mends what does not agree.

It first nudges (rewrites the head: a lost record needs no more), and only then raises the generation: when no
execution runs, one makes no progress, or one waits in an older definition of the state machine. A rebuild after a
failure waits twice as long each time, up to an hour, and the batch shows the failure meanwhile. It also reminds where a
status lasts longer than its service level, and has a delivery that nothing was heard of looked at. One bad head holds
up no other.

Input: ignored. Output: `{"nudged": n, "rebuilt": n, "rolledOver": n, "reminded": n, "failed": n}`.

Source: "ListExecutions", "DescribeExecution" and "StopExecution" of the AWS Step Functions API Reference; "Quotas
related to API action throttling" gives DescribeExecution 15 calls a second, so the running executions are listed, a
thousand a call, and only those that are not in the list are asked for. Stopping an execution does not stop its Lambda
function, so handlers' writes are conditioned on the generation.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

from gtplus_runtime import aws
from gtplus_runtime.deadlines import reminders_due
from gtplus_runtime.delivery import should_look_again
from gtplus_runtime.handling import promote, store
from gtplus_runtime.log import log
from gtplus_runtime.places import Place, find_place
from gtplus_runtime.protocol import FAILURES, RUNNING, Repair, execution_name, failures_in_a_row, what_to_repair
from gtplus_runtime.store import HEAD, Key, Store

ROLL_OVERS = 200
"""How many executions are rolled over in one sweep, so that a deploy starts no storm of executions."""


def handler(_event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Look at every open batch, then at every line of transfers."""
    table = store()
    sweep = _Sweep(table)
    providers = {}
    for key, head in sweep.heads():
        try:
            sweep.mend(key, head)
            place = find_place(key.project)
            if place is not None:
                sweep.remind(key, head, place)
                sweep.look_again(key, head)
                providers[place.provider] = place
        except Exception as error:
            sweep.counts["failed"] += 1
            log("batch not reconciled", project=key.project, batch=key.batch, error=type(error).__name__)
    for provider, place in providers.items():
        try:
            promote(table, table.transfers(provider), place)
        except Exception as error:
            sweep.counts["failed"] += 1
            log("line not reconciled", project=place.project, error=type(error).__name__)
    log("reconciled", outcome=str(sweep.counts))
    return sweep.counts


class _Sweep:
    """One look at every open batch."""

    def __init__(self, table: Store) -> None:
        self._table = table
        self.counts = {"nudged": 0, "rebuilt": 0, "rolledOver": 0, "reminded": 0, "failed": 0}

    @cached_property
    def _running(self) -> dict[str, datetime]:
        """When each execution that runs was started, some seconds old; none where that fails, and each is asked for."""
        paginator = aws.client("stepfunctions").get_paginator("list_executions")
        try:
            pages = paginator.paginate(stateMachineArn=aws.setting("STATE_MACHINE"), statusFilter=RUNNING)
            return {execution["name"]: execution["startDate"] for page in pages for execution in page["executions"]}
        except Exception as error:
            # Once a sweep, and not once a batch.
            self.counts["failed"] += 1
            log("executions not listed", error=type(error).__name__)
            return {}

    def heads(self) -> Iterator[tuple[Key, dict[str, Any]]]:
        """The head of every open batch, a hundred a call."""
        keys = self._table.open_batches()
        while some := list(islice(keys, 100)):
            try:
                items = self._table.read((key.pk, HEAD) for key in some)
            except Exception as error:
                self.counts["failed"] += len(some)
                log("heads not read", error=type(error).__name__)
                continue
            yield from ((key, items[key.pk, HEAD]) for key in some if (key.pk, HEAD) in items)

    def remind(self, key: Key, head: dict[str, Any], place: Place) -> None:
        """Write a reminder where the batch is overdue and the reminder is not written."""
        number = reminders_due(head, place.settings, aws.now())
        if number > head.get("reminders", 0) and self._table.remind(key, head, number, aws.timestamp()):
            self.counts["reminded"] += 1

    def look_again(self, key: Key, head: dict[str, Any]) -> None:
        """Ask those who may read the data for a look at a delivery that S3 may have told of in vain."""
        if should_look_again(head, aws.now()):
            body = json.dumps({"project": key.project, "batch": key.batch})
            aws.client("sqs").send_message(QueueUrl=aws.setting("STORAGE_EVENTS"), MessageBody=body)
            self._table.looked(key, aws.timestamp())

    def mend(self, key: Key, head: dict[str, Any]) -> None:
        """Hold one batch against its execution."""
        machine = aws.client("stepfunctions")
        name = execution_name(head)
        arn = f"{aws.setting('STATE_MACHINE').replace(':stateMachine:', ':execution:')}:{name}"
        status: str | None = RUNNING
        started = self._running.get(name)
        if started is None:
            try:
                execution = machine.describe_execution(executionArn=arn)
                status, started = execution["status"], execution["startDate"]
            except machine.exceptions.ExecutionDoesNotExist:
                status = None
        moved = datetime.fromisoformat(max(filter(None, (head["since"], head.get("parkedAt")))))
        repair = what_to_repair(
            head,
            status,
            idle_seconds=_ago(max(moved, started) if started else moved),
            since_rebuilt=_ago(datetime.fromisoformat(head["rebuiltAt"])) if "rebuiltAt" in head else float("inf"),
            definition=aws.setting("DEFINITION"),
        )
        if repair is Repair.NOTHING or (repair is Repair.ROLL_OVER and self.counts["rolledOver"] >= ROLL_OVERS):
            return
        if repair is Repair.NUDGE:
            self._table.nudge(key, aws.timestamp())
        else:
            if status == RUNNING:
                # Stopped before the generation is raised: after a crash in between it is found dead, never forgotten.
                machine.stop_execution(executionArn=arn, cause="superseded by a newer generation")
            self._table.raise_generation(
                key,
                head["generation"],
                aws.timestamp(),
                failed=status in FAILURES,
                handled=head["handled"],
                failures=failures_in_a_row(head),
            )
        self.counts[_COUNTED[repair]] += 1
        log("batch mended", project=key.project, batch=key.batch, generation=head["generation"], outcome=repair.value)


_COUNTED = {Repair.NUDGE: "nudged", Repair.REBUILD: "rebuilt", Repair.ROLL_OVER: "rolledOver"}


def _ago(at: datetime) -> float:
    return (aws.now() - at).total_seconds()
