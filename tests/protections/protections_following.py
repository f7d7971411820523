"""What protects the following of the table: the dispatcher, what it tells, the reconciler, and their rules."""

from tests.protections.protection import RUNTIME, Protection

_DISPATCHER, _DISPATCHES = f"{RUNTIME}/handlers/dispatcher.py", "tests/unit/test_dispatcher.py"
_RECONCILER, _SWEEPS = f"{RUNTIME}/handlers/reconciler.py", "tests/unit/test_reconciler.py"
_PROTOCOL, _RULES = f"{RUNTIME}/protocol.py", "tests/unit/test_protocol.py"
_TELLING = f"{RUNTIME}/telling.py"

DISPATCHER = [
    Protection(
        "a record that failed comes again",
        _DISPATCHER,
        'return {"batchItemFailures": [{"itemIdentifier": number} for number in sorted(failures.numbers)]}',
        'return {"batchItemFailures": []}',
        (
            f"{_DISPATCHES}::test_what_the_bus_or_the_topic_refuses_fails_the_record",
            "tests/e2e/test_faults.py::test_a_fault_is_got_over_and_one_that_stays_is_reported[dispatcher]",
        ),
    ),
    Protection(
        "a record that says nothing holds up no other",
        _DISPATCHER,
        'with failures.of(told["dynamodb"]["SequenceNumber"]):',
        "if True:",
        (f"{_DISPATCHES}::test_however_many_records_there_are_the_table_is_read_once_and_a_head_is_followed_once",),
    ),
    Protection(
        "an execution that cannot be woken holds up no other batch",
        _DISPATCHER,
        "with failures.of(*(record.number for record in records), batch=key.pk):",
        "if True:",
        (f"{_DISPATCHES}::test_an_execution_that_cannot_be_woken_comes_again_and_its_event_is_told",),
    ),
    Protection(
        "an event that cannot be told holds up no other",
        _DISPATCHER,
        "with failures.of(record.number, batch=record.key.pk):",
        "if True:",
        (f"{_DISPATCHES}::test_an_event_that_nothing_can_be_told_of_holds_up_no_other",),
    ),
    Protection(
        "an execution that has begun is not begun again",
        _DISPATCHER,
        "except machine.exceptions.ExecutionAlreadyExists:\n                return",
        "except machine.exceptions.ExecutionAlreadyExists:\n                raise",
        (f"{_DISPATCHES}::test_an_execution_that_has_begun_fails_no_record",),
    ),
    Protection(
        "a dead token is left to the reconciler",
        _DISPATCHER,
        'log("token is dead", batch=key.batch, project=key.project, seq=event["seq"])',
        "raise",
        (f"{_DISPATCHES}::test_a_token_that_is_dead_fails_no_record",),
    ),
    Protection(
        "what is not counted is told all the same",
        _DISPATCHER,
        'log("change not counted", batch=pk, error=type(error).__name__)',
        "raise",
        (f"{_DISPATCHES}::test_many_events_take_few_calls_and_only_what_is_refused_comes_again",),
    ),
    Protection(
        "people are told only what the bus has taken",
        _TELLING,
        "if place not in refused:",
        "if True:",
        (f"{_DISPATCHES}::test_what_the_bus_or_the_topic_refuses_fails_the_record",),
    ),
    Protection(
        "an entry that the bus refuses comes again",
        _TELLING,
        'return {place: entry["ErrorCode"] for place, entry in enumerate(answer["Entries"]) if entry.get("ErrorCode")}',
        "return {} if answer else {}",
        (f"{_DISPATCHES}::test_what_the_bus_or_the_topic_refuses_fails_the_record",),
    ),
    Protection(
        "a message that the topic refuses comes again",
        _TELLING,
        'return {int(entry["Id"]): entry["Code"] for entry in answer.get("Failed", [])}',
        "return {} if answer else {}",
        (f"{_DISPATCHES}::test_many_events_take_few_calls_and_only_what_is_refused_comes_again",),
    ),
    Protection(
        "a call that fails fails its own records",
        _TELLING,
        "return {place: type(error).__name__ for place, _ in entries}",
        "raise",
        (f"{_DISPATCHES}::test_a_call_that_fails_fails_the_records_in_it_and_no_others",),
    ),
]

RECONCILER = [
    Protection(
        "one bad head holds up no other",
        _RECONCILER,
        'log("batch not reconciled", project=key.project, batch=key.batch, error=type(error).__name__)',
        "raise",
        (f"{_SWEEPS}::test_a_head_that_cannot_be_read_holds_up_no_other",),
    ),
    Protection(
        "a batch that could not be looked at is counted",
        _RECONCILER,
        'sweep.counts["failed"] += 1\n            log("batch not reconciled"',
        'log("batch not reconciled"',
        (
            f"{_SWEEPS}::test_a_head_that_cannot_be_read_holds_up_no_other",
            "tests/e2e/test_faults.py::test_a_fault_is_got_over_and_one_that_stays_is_reported[reconciler]",
        ),
    ),
    Protection(
        "heads that could not be read hold up no others",
        _RECONCILER,
        'log("heads not read", error=type(error).__name__)\n                continue',
        "raise",
        (f"{_SWEEPS}::test_heads_are_read_a_hundred_a_call_and_a_read_that_fails_holds_up_no_other",),
    ),
    Protection(
        "one bad line of transfers holds up no other",
        _RECONCILER,
        'log("line not reconciled", project=place.project, error=type(error).__name__)',
        "raise",
        (f"{_SWEEPS}::test_a_line_that_cannot_be_looked_at_holds_up_no_other_providers",),
    ),
    Protection(
        "where the list of executions fails, each is asked for",
        _RECONCILER,
        'log("executions not listed", error=type(error).__name__)',
        "raise",
        (f"{_SWEEPS}::test_where_the_list_fails_each_is_asked_for",),
    ),
    Protection(
        "an execution that is not in the list is asked for",
        _RECONCILER,
        'status, started = execution["status"], execution["startDate"]',
        "status = None",
        (f"{_SWEEPS}::test_one_that_is_not_in_the_list_is_asked_for",),
    ),
    Protection(
        "an execution that began late has as long as any other",
        _RECONCILER,
        "_ago(max(moved, started) if started else moved)",
        "_ago(moved)",
        (f"{_SWEEPS}::test_one_that_began_late_has_as_long_as_any_other",),
    ),
    Protection(
        "an execution that is not there is none",
        _RECONCILER,
        "except machine.exceptions.ExecutionDoesNotExist:\n                status = None",
        "except machine.exceptions.ExecutionDoesNotExist:\n                raise",
        (f"{_SWEEPS}::test_one_that_has_not_begun_is_nudged",),
    ),
    Protection(
        "a lost record is made good by a nudge",
        _RECONCILER,
        "self._table.nudge(key, aws.timestamp())",
        "pass",
        (f"{_SWEEPS}::test_one_that_has_not_begun_is_nudged",),
    ),
    Protection(
        "the execution of an older generation is stopped",
        _RECONCILER,
        'machine.stop_execution(executionArn=arn, cause="superseded by a newer generation")',
        "pass",
        (f"{_SWEEPS}::TestRollover::test_an_execution_that_waits_in_an_older_definition_is_replaced",),
    ),
    Protection(
        "it is stopped before the generation is raised",
        _RECONCILER,
        "            if status == RUNNING:\n",
        '            self._table.raise_generation(key, head["generation"], aws.timestamp(), failed=False)\n'
        "            if status == RUNNING:\n",
        (f"{_SWEEPS}::TestRollover::test_one_that_cannot_be_stopped_keeps_its_generation",),
    ),
    Protection(
        "failures are counted, so that rebuilds wait",
        _RECONCILER,
        "failed=status in FAILURES,",
        "failed=False,",
        (f"{_SWEEPS}::test_a_rebuild_after_a_failure_is_counted",),
    ),
    Protection(
        "and go on being counted",
        _RECONCILER,
        "failures=failures_in_a_row(head),",
        "",
        (f"{_SWEEPS}::test_a_rebuild_after_a_failure_is_counted",),
    ),
    Protection(
        "a deploy starts no storm of executions",
        _RECONCILER,
        'self.counts["rolledOver"] >= ROLL_OVERS',
        "False",
        (f"{_SWEEPS}::TestRollover::test_a_sweep_rolls_over_so_many_and_the_next_one_goes_on",),
    ),
    Protection(
        "a sweep lets the next in line begin its transfer",
        _RECONCILER,
        "promote(table, table.transfers(provider), place)",
        "table.transfers(provider)",
        (f"{_SWEEPS}::test_a_line_that_cannot_be_looked_at_holds_up_no_other_providers",),
    ),
    Protection(
        "a reminder is made once",
        _RECONCILER,
        'if number > head.get("reminders", 0) and',
        "if number and",
        (f"{_SWEEPS}::TestReminders::test_a_status_that_lasts_too_long_is_reminded_of_once",),
    ),
    Protection(
        "a delivery that nothing was heard of is looked at",
        _RECONCILER,
        "sweep.look_again(key, head)",
        "pass",
        (f"{_SWEEPS}::test_a_delivery_that_nothing_was_heard_of_is_looked_at_by_those_who_may_read_it",),
    ),
    Protection(
        "and not in every sweep",
        _RECONCILER,
        "self._table.looked(key, aws.timestamp())",
        "pass",
        (f"{_SWEEPS}::test_a_delivery_that_nothing_was_heard_of_is_looked_at_by_those_who_may_read_it",),
    ),
]

RULES = [
    Protection(
        "an end that was handled is left alone",
        _PROTOCOL,
        'if not head.get("open"):\n        return Following.NOTHING',
        "if False:\n        return Following.NOTHING",
        (f"{_RULES}::test_what_the_dispatcher_does",),
    ),
    Protection(
        "an older generation's token wakes nobody",
        _PROTOCOL,
        'if head.get("parkedGeneration") != head["generation"]:',
        'if "parkedGeneration" not in head:',
        (f"{_RULES}::test_what_the_dispatcher_does",),
    ),
    Protection(
        "an execution that was deleted is rebuilt",
        _PROTOCOL,
        "return Repair.REBUILD if gone else Repair.NUDGE",
        "return Repair.NUDGE",
        (f"{_RULES}::test_what_the_reconciler_does",),
    ),
    Protection(
        "an execution that has just begun is given time to be seen",
        _PROTOCOL,
        "gone = min(idle_seconds, since_rebuilt) > (UNSEEN_SECONDS if parked else STALL_SECONDS)",
        "gone = True",
        (f"{_RULES}::test_what_the_reconciler_does",),
    ),
    Protection(
        "an execution that makes no progress is rebuilt",
        _PROTOCOL,
        "        if idle_seconds > STALL_SECONDS:\n            return Repair.REBUILD\n",
        "",
        (f"{_RULES}::test_what_the_reconciler_does",),
    ),
    Protection(
        "after a failure a rebuild waits longer each time",
        _PROTOCOL,
        "wait = rebuild_wait(failures_in_a_row(head)) if execution in FAILURES else 0.0",
        "wait = 0.0",
        (f"{_RULES}::test_after_a_failure_a_rebuild_waits_longer_each_time",),
    ),
    Protection(
        "and never longer than an hour",
        _PROTOCOL,
        "min(60.0 * 2 ** min(rebuilds, 6), 3_600.0)",
        "60.0 * 2 ** min(rebuilds, 6)",
        (f"{_RULES}::test_no_wait_is_longer_than_an_hour",),
    ),
    Protection(
        "failures of an event that was handled since do not count",
        _PROTOCOL,
        'if head.get("rebuiltFor") == head["handled"] else 0',
        "",
        (f"{_RULES}::test_failures_are_counted_until_the_next_event_is_handled",),
    ),
    Protection(
        "an execution that works is let finish before it is moved to a newer definition",
        _PROTOCOL,
        "if parked and not pending:",
        "if True:",
        (f"{_SWEEPS}::TestRollover::test_one_that_works_is_left_to_finish",),
    ),
    Protection(
        "a machine that was just updated is given time",
        _PROTOCOL,
        "outdated and since_rebuilt > ROLL_OVER_SECONDS",
        "outdated",
        (f"{_SWEEPS}::TestRollover::test_one_whose_generation_was_just_raised_is_given_time",),
    ),
]
