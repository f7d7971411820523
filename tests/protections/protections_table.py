"""What protects the table: the conditions of its writes, and the tries that follow a conflict."""

from tests.protections.protection import RUNTIME, Protection

_STORE = f"{RUNTIME}/store.py"
_SENT = "tests/unit/test_store.py"
_HELD = "tests/e2e/test_store.py"
"""The same tests on the table in memory and on the local cloud's; those in memory take no time."""
_ANY = 'update.condition("attribute_exists(pk)")'

_LATE = "tests/engine/test_late.py::test_a_handler_that_goes_on_late_changes_nothing"

EVENTS = [
    Protection(
        "an event is written once",
        _STORE,
        'items.append({"Put": self._put_once(item | {"data": dict(event.data), "beforeSince": since})})',
        'whole = _pack(item | {"data": dict(event.data), "beforeSince": since})\n'
        '            items.append({"Put": {"TableName": self._table, "Item": whole}})',
        (f"{_SENT}::test_one_transaction_holds_event_head_answer_project_and_location",),
    ),
    Protection(
        "an answer is written once",
        _STORE,
        'guards.append(("command", {"Put": self._put_once(answer)}))',
        'guards.append(("command", {"Put": {"TableName": self._table, "Item": _pack(answer)}}))',
        (
            f"{_SENT}::test_one_transaction_holds_event_head_answer_project_and_location",
            f"{_HELD}::test_a_duplicate_is_answered_as_the_first_was[memory]",
        ),
    ),
    Protection(
        "an output location is claimed once",
        _STORE,
        'guards.append(("output", {"Put": self._put_once(claim)}))',
        'guards.append(("output", {"Put": {"TableName": self._table, "Item": _pack(claim)}}))',
        (
            f"{_SENT}::test_one_transaction_holds_event_head_answer_project_and_location",
            f"{_HELD}::test_an_output_location_is_one_batchs[memory]",
        ),
    ),
    Protection(
        "a new head is written where there is none",
        _STORE,
        'update.condition("attribute_not_exists(pk)")',
        "pass",
        (f"{_SENT}::test_a_new_head_is_written_where_there_is_none",),
    ),
    Protection(
        "a decision is written where no event has come between",
        _STORE,
        '        else:\n            update.condition("seq = :seen", seen=head["seq"])',
        f"        else:\n            {_ANY}",
        (f"{_SENT}::test_the_head_is_updated_where_it_is_as_it_was_seen_and_keeps_what_others_write",),
    ),
    Protection(
        "that there is nothing to do is answered where no event has come between",
        _STORE,
        'after, items = head, [{"ConditionCheck": self._seq_check(key, head["seq"])}]',
        "after, items = head, []",
        (f"{_SENT}::test_that_there_is_nothing_to_do_is_kept_where_the_head_is_as_it_was_seen",),
    ),
    Protection(
        "a handler's decision is written in its own generation",
        _STORE,
        '            update.condition("generation = :generation", generation=generation)\n        return after',
        "            pass\n        return after",
        (
            f"{_SENT}::test_the_head_is_updated_where_it_is_as_it_was_seen_and_keeps_what_others_write",
            f"{_HELD}::test_a_generation_that_is_raised_while_a_handler_decides_ends_it[memory]",
        ),
    ),
    Protection(
        "a handler of an older generation ends, and does not try again",
        _STORE,
        'if generation is not None and head and head["generation"] != generation:',
        "if False:",
        (f"{_HELD}::test_a_generation_that_is_raised_while_a_handler_decides_ends_it[memory]",),
    ),
    Protection(
        "the project is looked at once more in the transaction that creates a batch",
        _STORE,
        "if require_project and events:",
        "if False:",
        (f"{_HELD}::test_a_batch_of_a_project_that_is_closed_at_the_same_moment_is_not_created[memory]",),
    ),
    Protection(
        "of two duplicates the second is answered as the first",
        _STORE,
        'if "command" in failed:',
        "if False:",
        (f"{_SENT}::test_of_two_duplicates_the_second_is_answered_as_the_first_was",),
    ),
    Protection(
        "a batch's own claim is not taken for another's",
        _STORE,
        'if "output" in failed and CONDITION not in cancelled[: len(items)]:',
        'if "output" in failed:',
        (f"{_SENT}::test_of_two_equal_creations_with_other_keys_the_second_is_not_told_that_the_location_is_anothers",),
    ),
    Protection(
        "a map is changed entry by entry, since a handler may write beside",
        _STORE,
        'changed |= {f"{name}.{k}": v for k, v in values.items()} if head else {name: after[name]}',
        "changed |= {name: after[name]}",
        (f"{_HELD}::test_a_park_and_a_note_take_nothing_from_a_command_that_comes_between[memory]",),
    ),
]

_FAULTS = "tests/e2e/test_faults.py"
_WORKS = ("dispatcher", "reconciler", "transfer", "notice", "labels", "decision", "completeness", "end")
_WORKS += ("API", "quarantine", "delivery")
_METHOD = f"{_FAULTS}::test_a_method_of_the_store_gets_over_a_fault_and_writes_nothing_by_halves"

TRIES = [
    Protection(
        "a call of AWS that failed is tried again",
        f"{RUNTIME}/aws.py",
        '"retries": {"mode": "standard", "max_attempts": 5},',
        '"retries": {"mode": "standard", "total_max_attempts": 1},',
        (_METHOD, *(f"{_FAULTS}::test_a_fault_is_got_over_and_one_that_stays_is_reported[{work}]" for work in _WORKS)),
    ),
    Protection(
        "a decision that others came between is made anew",
        _STORE,
        "is read on the next try.\n            _wait(attempt)",
        "is read on the next try.\n            break",
        (f"{_SENT}::test_a_transaction_that_was_cancelled_is_decided_anew",),
    ),
    Protection(
        "a head that was read a moment ago is read anew for the second try",
        _STORE,
        "seen.head if seen is not None and attempt == 0 else self.head(key)",
        "seen.head if seen is not None else self.head(key)",
        (f"{_SENT}::test_a_head_that_has_moved_since_it_was_read_is_read_anew",),
    ),
    Protection(
        "an update that meets a transaction is tried again",
        _STORE,
        "                _wait(attempt)\n                continue",
        "                raise",
        (f"{_SENT}::test_an_update_that_meets_a_transaction_is_tried_again", f"{_METHOD}[note-11]"),
    ),
    Protection(
        "a small transaction that meets another one is tried again",
        _STORE,
        "            if CONDITION in cancelled:\n                return False",
        "            return False",
        (f"{_SENT}::test_a_small_transaction_is_tried_again_after_a_conflict_and_not_after_a_condition",),
    ),
    Protection(
        "what the table takes for invalid is not tried again",
        _STORE,
        'if "ValidationError" in codes:',
        "if False:",
        (f"{_SENT}::test_what_the_table_finds_invalid_is_not_tried_again",),
    ),
    Protection(
        "what the table left over is read again",
        _STORE,
        'over = list(unread["Keys"]) if unread else []',
        "over = list(unread or [])[:0]",
        ("tests/unit/test_reading.py::test_every_item_is_read",),
    ),
]

NOTES = [
    Protection(
        "a handler of an older generation notes nothing",
        _STORE,
        '        update.condition("generation = :generation", generation=generation)\n        if handling is not None:',
        f"        {_ANY}\n        if handling is not None:",
        (f"{_HELD}::test_a_handler_of_an_older_generation_writes_nothing[memory]",),
    ),
    Protection(
        "a run that ends after its event was handled notes nothing",
        _STORE,
        'update.condition("handled < :handling", handling=handling)',
        "pass",
        (
            f"{_LATE}[Request submitted-beside its retry-at once]",
            f"{_LATE}[Ready for review-beside its retry-at once]",
            f"{_HELD}::test_an_event_that_is_handled_takes_no_more_notes[memory]",
        ),
    ),
    Protection(
        "what holds in one status alone is not noted in the next",
        _STORE,
        'update.condition("seq = :seen", seen=seq)',
        "pass",
        (f"{_HELD}::test_what_holds_in_one_status_alone_is_not_noted_in_the_next[memory]",),
    ),
    Protection(
        "a nudge makes no head",
        _STORE,
        '{"nudgedAt": at})\n        update.condition("attribute_exists(pk)")',
        '{"nudgedAt": at})\n        update.condition("attribute_not_exists(none)")',
        (f"{_HELD}::test_a_nudge_changes_nothing_but_makes_a_record[memory]",),
    ),
    Protection(
        "a look at a delivery makes no head",
        _STORE,
        '{"lookedAt": at})\n        update.condition("attribute_exists(pk)")',
        '{"lookedAt": at})\n        update.condition("attribute_not_exists(none)")',
        (f"{_HELD}::test_a_look_at_a_delivery_is_kept_where_there_is_a_batch[memory]",),
    ),
    Protection(
        "counts of an earlier status are not kept",
        _STORE,
        'update.condition("seq = :seen", seen=head["seq"])\n        day',
        f"{_ANY}\n        day",
        (f"{_HELD}::test_counts_of_an_earlier_status_are_not_kept[memory]",),
    ),
    Protection(
        "counts that come twice count once",
        _STORE,
        '                {"Put": self._put_once(answer)},\n            ]\n        )\n        return after if written',
        "            ]\n        )\n        return after if written",
        (f"{_HELD}::test_a_count_that_comes_twice_counts_once[memory]",),
    ),
    Protection(
        "a status that has ended is not reminded of",
        _STORE,
        'update.condition("seq = :seen", seen=head["seq"])\n        update.condition("(attribute_not_exists(reminders)',
        'update.condition("(attribute_not_exists(reminders)',
        (f"{_HELD}::test_a_reminder_is_written_once_however_many_sweeps_find_it_due[memory]",),
    ),
    Protection(
        "a reminder is written once",
        _STORE,
        'update.condition("(attribute_not_exists(reminders) OR reminders < :number)", number=number)',
        "pass",
        (f"{_HELD}::test_a_reminder_is_written_once_however_many_sweeps_find_it_due[memory]",),
    ),
    Protection(
        "a reminder that comes while the next status is decided goes with its status",
        f"{RUNTIME}/commands.py",
        'return dict.fromkeys(("pausedFrom", "spent", "reminders"))',
        'return {name: None for name in ("pausedFrom", "spent", "reminders") if name in head}',
        (f"{_HELD}::test_a_reminder_that_comes_while_the_next_status_is_decided_takes_none_from_it[memory]",),
    ),
]

GENERATIONS_AND_LINES = [
    Protection(
        "a generation is raised once by however many",
        _STORE,
        'update.condition("generation = :current", current=current)',
        "pass",
        (f"{_HELD}::test_a_generation_is_raised_once_by_however_many[memory]",),
    ),
    Protection(
        "what has ended gets no new generation",
        _STORE,
        "update.requires(OPEN)",
        "pass",
        (f"{_HELD}::test_what_has_ended_since_it_was_looked_at_gets_no_new_generation[memory]",),
    ),
    Protection(
        "nobody is lost from a line that two change at one moment",
        _STORE,
        'update.condition("(attribute_not_exists(pk) OR version = :version)", version=item["version"])',
        'update.condition("attribute_not_exists(none)")',
        ("tests/unit/test_transfers.py::test_nobody_is_lost_from_a_line_that_two_join_at_one_moment",),
    ),
    Protection(
        "who finds the line changed looks again",
        _STORE,
        "            if self._update(update):\n                return after\n            _wait(attempt)",
        "            self._update(update)\n            return after",
        ("tests/unit/test_transfers.py::test_nobody_is_lost_from_a_line_that_two_join_at_one_moment",),
    ),
    Protection(
        "no two projects take the last place among those in review",
        _STORE,
        'update.condition("(attribute_not_exists(pk) OR version = :version)", version=version)',
        'update.condition("attribute_not_exists(none)")',
        ("tests/unit/test_transfers.py::test_of_two_requests_at_one_moment_one_takes_the_last_place",),
    ),
]
