"""What protects the work on a batch: commands, the API, handlers, the line of transfers, deliveries, clocks."""

from tests.protections.protection import RUNTIME, Protection

_COMMANDS, _DECIDES = f"{RUNTIME}/commands.py", "tests/unit/test_commands.py"
_API, _ANSWERS = f"{RUNTIME}/handlers/api.py", "tests/unit/test_api.py"
_STORE = f"{RUNTIME}/store.py"
_OBJECTS = f"{RUNTIME}/objects.py"
_LATE = "tests/engine/test_late.py::test_a_handler_that_goes_on_late_changes_nothing"
_HANDLING, _HANDLES = f"{RUNTIME}/handling.py", "tests/unit/test_handlers.py"
_TRANSFERS = "tests/unit/test_transfers.py"
_STORAGE, _HEARS = f"{RUNTIME}/storage.py", "tests/unit/test_storage.py"
_DELIVERY, _LOOKS = f"{RUNTIME}/delivery.py", "tests/unit/test_delivery.py"
_DEADLINES, _CLOCKS = f"{RUNTIME}/deadlines.py", "tests/unit/test_deadlines.py"

COMMANDS = [
    Protection(
        "the same request gives the same batch",
        _COMMANDS,
        'if same and head["requestedBy"]["id"] == command.actor.id:',
        "if False:",
        (f"{_DECIDES}::test_the_same_create_again_causes_nothing",),
    ),
    Protection(
        "another request under the name is refused",
        _COMMANDS,
        'if same and head["requestedBy"]["id"] == command.actor.id:',
        'if head["requestedBy"]["id"] == command.actor.id:',
        (f"{_DECIDES}::test_a_name_with_another_form_is_taken_and_the_answer_says_what_differs",),
    ),
    Protection(
        "a handler that is late is superseded",
        _COMMANDS,
        'if command.after is not None and command.after != head["seq"]:',
        "if False:",
        (f"{_DECIDES}::test_a_handler_that_is_late_is_superseded",),
    ),
    Protection(
        "a handler that decides again causes nothing",
        _COMMANDS,
        'if head["actor"]["id"] == command.actor.id or command.actor.duty == Duty.WORKSPACE:',
        "if False:",
        (f"{_DECIDES}::test_a_handler_that_decides_again_causes_nothing",),
    ),
    Protection(
        "after the last round a person decides",
        _COMMANDS,
        'if reworked and head["round"] >= settings["maxRounds"]:',
        "if False:",
        (f"{_DECIDES}::test_after_the_last_round_a_person_decides",),
    ),
    Protection(
        "a decision on an earlier round is refused",
        _COMMANDS,
        'if told is not None and told != head["round"]:',
        "if False:",
        (f"{_DECIDES}::test_a_decision_on_an_earlier_round_is_refused",),
    ),
    Protection(
        "a paused batch does nothing but resume or end",
        _COMMANDS,
        'elif head["status"] == BATCH.paused and command.target not in (BATCH.paused, BatchStatus.CANCELLED):',
        "elif False:",
        (f"{_DECIDES}::test_a_paused_batch_does_nothing_but_resume_or_end",),
    ),
]

_FAULT = "tests/e2e/test_faults.py::test_a_fault_is_got_over_and_one_that_stays_is_reported"

API = [
    Protection(
        "a call that failed is not answered as if it were done",
        _API,
        'log("call failed", **fields, error=type(error).__name__)\n        raise',
        'log("call failed", **fields, error=type(error).__name__)\n        code, answer = 200, {}',
        (f"{_FAULT}[API]",),
    ),
    Protection(
        "a command under the same key is answered as the first was",
        _API,
        "        if answer is not None:\n            return answer\n",
        "",
        (f"{_ANSWERS}::test_a_command_under_the_same_key_is_answered_as_the_first_was",),
    ),
    Protection(
        "of two at one moment the later is answered as the first, though it could not be done again",
        _API,
        "if answer := call.store.answered(call.key, call.command_key, mark):",
        "if answer := None:",
        (
            f"{_ANSWERS}::test_of_two_at_the_same_moment_the_later_is_answered_as_the_first_though_it_could_not_be_"
            "done_again",
        ),
    ),
    Protection(
        "a command that was overtaken is checked anew",
        _API,
        'if (head or {}).get("seq") != (seen or {}).get("seq"):',
        "if False:",
        (f"{_ANSWERS}::test_counts_are_kept_also_where_the_same_report_comes_at_the_same_moment_with_others",),
    ),
    Protection(
        "who finds it busy is asked to come again",
        _API,
        "    except Busy:\n        code, answer = (\n            503,",
        "    except ZeroDivisionError:\n        code, answer = (\n            503,",
        (f"{_ANSWERS}::test_too_many_at_once_are_asked_to_come_again",),
    ),
]

HANDLERS = [
    Protection(
        "what a batch had before its cancellation does not hold up its end",
        _HANDLING,
        'if head["status"] == BatchStatus.CANCELLED != event["status"]:',
        "if False:",
        (f"{_HANDLES}::test_what_a_cancelled_batch_had_before_it_is_left_so_that_nothing_holds_up_its_end",),
    ),
    Protection(
        "a handler that runs in a later round reads what was told in its own",
        _HANDLING,
        'if self.head["round"] == self.round:',
        "if True:",
        (
            f"{_HANDLES}::TestOfAnEarlierRound::test_its_own_labels_are_read_and_the_counts_are_left_to_the_next",
            f"{_HANDLES}::TestOfAnEarlierRound::test_its_own_verdicts_make_its_rework_list",
        ),
    ),
    Protection(
        "what is relied upon is not written over by who comes late",
        _OBJECTS,
        'return f"{stem}-{digest[:16]}{dot}{suffix}"',
        "return uri",
        (
            f"{_LATE}[Request submitted-beside its retry-at once]",
            f"{_LATE}[Ready for review-beside its retry-at once]",
            "tests/unit/test_objects.py::test_what_is_kept_bears_its_hash_so_that_no_other_content_takes_its_place",
        ),
    ),
    Protection(
        "the later notice stays",
        _OBJECTS,
        'if stays(json.loads(there["Body"].read())):',
        "if False:",
        (
            f"{_LATE}[Paused-beside its retry-at the end]",
            f"{_LATE}[In progress-beside a newer generation-at the end]",
            "tests/unit/test_objects.py::TestWhatIsReplaced::test_the_later_one_stays_in_whatever_order_they_come",
        ),
    ),
    Protection(
        "of two who know as much the handler of the later event has the notice",
        _HANDLING,
        'there["order"] > order',
        'there["order"][0] > order[0]',
        (f"{_LATE}[Data received-beside its retry-at once]",),
    ),
    Protection(
        "two who write the notice at one moment go one after the other",
        _OBJECTS,
        'return self._put(uri, _json(value), "application/json", **guard)',
        'return self._put(uri, _json(value), "application/json")',
        ("tests/unit/test_objects.py::TestWhatIsReplaced::test_who_comes_between_is_seen",),
    ),
    Protection(
        "after a pause a rework list keeps its reasons",
        f"{RUNTIME}/handlers/rejected.py",
        'if not rework.startswith(batch.round_file("")):',
        "if True:",
        (f"{_HANDLES}::test_after_a_pause_a_rejected_batch_keeps_its_rework_list_with_the_reason",),
    ),
    Protection(
        "a handler of an older generation does nothing",
        _HANDLING,
        'if head is None or head["generation"] != event["generation"]:',
        "if head is None:",
        (f"{_HANDLES}::test_a_handler_that_comes_too_late_does_nothing[a newer generation has begun]",),
    ),
    Protection(
        "an event that was handled is not handled again",
        _HANDLING,
        'if event["seq"] <= head["handled"]:',
        "if False:",
        (f"{_HANDLES}::test_a_handler_that_comes_too_late_does_nothing[it was handled before]",),
    ),
    Protection(
        "a handler that is superseded ends quietly",
        _HANDLING,
        '        except Superseded:\n            outcome = "superseded"',
        "        except Superseded:\n            raise",
        (
            f"{_HANDLES}::test_a_handler_that_comes_too_late_does_nothing",
            f"{_HANDLES}::test_what_was_accepted_is_kept_also_where_the_provider_reports_ready_for_delivery_first",
        ),
    ),
    Protection(
        "a failure goes to the state machine",
        _HANDLING,
        '            log("handler failed", **event, error=type(error).__name__)\n            raise',
        '            log("handler failed", **event, error=type(error).__name__)',
        (
            f"{_HANDLES}::test_a_failure_goes_to_the_state_machine_and_its_log_line_holds_no_data",
            *(f"{_FAULT}[{kind}]" for kind in ("transfer", "notice", "labels", "decision", "completeness", "end")),
        ),
    ),
    Protection(
        "a handler notes nothing for an event that is handled",
        _HANDLING,
        "self.store.note(self.key, self.generation, facts, objects, handling=self.seq)",
        "self.store.note(self.key, self.generation, facts, objects)",
        (f"{_HANDLES}::test_what_a_run_finds_that_ends_after_its_event_was_handled_is_not_kept",),
    ),
    Protection(
        "a notice is written where there is still what was read",
        _OBJECTS,
        'guard = {"IfMatch": there["ETag"]}',
        "guard = {}",
        ("tests/unit/test_objects.py::TestWhatIsReplaced::test_who_comes_between_is_seen",),
    ),
    Protection(
        "who finds another notice there looks again",
        _OBJECTS,
        'if error.response["Error"]["Code"] not in _OVERTAKEN:',
        "if True:",
        ("tests/unit/test_objects.py::TestWhatIsReplaced::test_who_comes_between_is_seen",),
    ),
    Protection(
        "what holds in one status alone is noted for that event",
        _HANDLING,
        "self.store.note(self.key, self.generation, facts, seq=self.seq)",
        "self.store.note(self.key, self.generation, facts)",
        (f"{_HANDLES}::test_what_a_late_look_at_a_delivery_finds_is_not_kept",),
    ),
    Protection(
        "labels that were changed after their review are not accepted",
        f"{RUNTIME}/handlers/accepted.py",
        "if coverage.sha256 != reviewed:",
        "if False:",
        (f"{_HANDLES}::test_a_manifest_that_was_changed_after_its_review_is_not_accepted",),
    ),
]

TRANSFERS = [
    Protection(
        "no more are in transfer than the provider takes",
        _HANDLING,
        "in islice(line.items(), place.limits.max_in_transfer):",
        "in line.items():",
        (f"{_TRANSFERS}::test_those_within_the_limit_begin_and_the_others_wait",),
    ),
    Protection(
        "a slot that was left behind is cleared, and the next begins",
        _HANDLING,
        "promote(store, store.leave_transfers(place.provider, key, joined), place)\n            return",
        "continue",
        (f"{_TRANSFERS}::test_a_slot_that_was_left_behind_is_the_next_ones",),
    ),
    Protection(
        "who is paused in line holds no slot",
        _HANDLING,
        'status = head["pausedFrom"] if head["status"] == BatchStatus.PAUSED else head["status"]',
        "status = BatchStatus.DATA_TRANSFER_IN_PROGRESS",
        (f"{_TRANSFERS}::test_who_is_paused_in_line_holds_no_slot_and_joins_again_at_the_end",),
    ),
    Protection(
        "who is paused in its transfer keeps its slot",
        _HANDLING,
        'status = head["pausedFrom"] if head["status"] == BatchStatus.PAUSED else head["status"]',
        'status = head["status"]',
        (f"{_TRANSFERS}::test_who_is_paused_in_its_transfer_keeps_its_slot",),
    ),
    Protection(
        "who has joined a line again is not taken out by who comes late",
        _STORE,
        "if line.get(key, 0) <= seq:",
        "if True:",
        (f"{_TRANSFERS}::test_who_comes_late_takes_nobody_out_who_has_joined_again",),
    ),
    Protection(
        "who was resumed in line begins no transfer before its input is checked anew",
        _HANDLING,
        'joined in (UNKNOWN, head["seq"]) if waits',
        "True if waits",
        (f"{_TRANSFERS}::test_who_was_resumed_in_line_begins_once_it_has_joined_again",),
    ),
    Protection(
        "a head that cannot be read holds up nobody in the line",
        _HANDLING,
        "except (KeyError, TypeError, ValueError) as error:",
        "except ZeroDivisionError as error:",
        (f"{_TRANSFERS}::test_a_head_that_cannot_be_read_gives_its_slot_to_the_next",),
    ),
    Protection(
        "one that has gone on by itself is not begun",
        _HANDLING,
        "with suppress(Superseded):",
        "if True:",
        (f"{_TRANSFERS}::test_one_that_is_cancelled_at_that_moment_does_not_begin_and_fails_nothing",),
    ),
    Protection(
        "who joins lets those within the limit begin",
        f"{RUNTIME}/handlers/request_submitted.py",
        "promote(batch.store, line, batch.place)",
        "del line",
        ("tests/engine/test_poison.py::test_labels_that_are_poison_are_rejected_by_people_and_stop_nothing",),
    ),
    Protection(
        "who leaves lets the next begin",
        _HANDLING,
        "        promote(self.store, line, self.place)",
        "        del line",
        (f"{_TRANSFERS}::test_who_leaves_lets_the_next_begin",),
    ),
]

DELIVERIES = [
    Protection(
        "a message that failed comes again",
        f"{RUNTIME}/handlers/storage_events.py",
        'failed.append({"itemIdentifier": record["messageId"]})',
        "pass",
        (
            f"{_HEARS}::test_a_message_that_fails_comes_again_and_the_others_are_done",
            f"{_FAULT}[quarantine]",
            f"{_FAULT}[delivery]",
        ),
    ),
    Protection(
        "what leads to nothing goes into quarantine",
        _STORAGE,
        "if not outcome.settled:",
        "if False:",
        (
            f"{_HEARS}::test_a_manifest_of_no_batch_is_kept",
            f"{_HEARS}::test_an_incomplete_delivery_is_kept_with_all_its_reasons",
        ),
    ),
    Protection(
        "what cannot be read goes into quarantine",
        _STORAGE,
        'table.quarantine(quarantine_id(at, body), {"at": at, "reason": reason, "text": text})',
        "pass",
        (f"{_HEARS}::test_poison_is_kept_and_holds_up_nothing",),
    ),
    Protection(
        "a delivery that comes before its time is kept",
        _STORAGE,
        """if head["status"] != BatchStatus.READY_FOR_DELIVERY:
        # The""",
        """if False:
        # The""",
        (f"{_HEARS}::test_a_manifest_that_is_not_waited_for_is_kept",),
    ),
    Protection(
        "a delivery that comes before the acceptance is handled is kept",
        _STORAGE,
        'if "accepted" not in head["facts"]:',
        "if False:",
        (f"{_HEARS}::test_a_manifest_that_comes_before_the_acceptance_is_handled_is_kept",),
    ),
    Protection(
        "a delivery is looked at again where a newer generation has begun meanwhile",
        _STORAGE,
        'if now is not None and now["seq"] == head["seq"] and now["generation"] > head["generation"]:',
        "if False:",
        (f"{_HEARS}::test_a_delivery_is_looked_at_again_where_a_newer_generation_has_begun_meanwhile",),
    ),
    Protection(
        "a batch that has gone on is no failure",
        _STORAGE,
        "    except Superseded:\n",
        "    except ZeroDivisionError:\n",
        (f"{_HEARS}::test_the_labels_of_a_round_and_what_comes_late_are_no_case_for_it",),
    ),
    Protection(
        "a delivery is looked at again more and more seldom, and never not at all",
        _DELIVERY,
        "return now - looked >= min(max(least, looked - since), most)",
        "return now - looked >= max(least, looked - since)",
        (f"{_LOOKS}::test_the_pauses_double_up_to_six_hours",),
    ),
    Protection(
        "a look of an earlier stay does not count",
        _DELIVERY,
        'looked = max(since, datetime.fromisoformat(head.get("lookedAt", head["since"])))',
        'looked = datetime.fromisoformat(head.get("lookedAt", head["since"]))',
        (f"{_LOOKS}::test_a_look_of_an_earlier_stay_does_not_count",),
    ),
]

CLOCKS = [
    Protection(
        "the clock of a paused batch stands still",
        _DEADLINES,
        '    if head["status"] == BATCH.paused:\n        return spent\n',
        "",
        (f"{_CLOCKS}::test_a_pause_stops_the_clock_and_a_resume_goes_on_with_what_is_left",),
    ),
    Protection(
        "what was spent before a pause counts after it",
        _COMMANDS,
        '    if event.status == head.get("pausedFrom"):\n        return {"pausedFrom": None}\n',
        "",
        (
            f"{_CLOCKS}::test_a_pause_stops_the_clock_and_a_resume_goes_on_with_what_is_left",
            f"{_CLOCKS}::test_reminders_made_before_a_pause_are_not_made_again",
        ),
    ),
    Protection(
        "time before a pause is added up",
        _COMMANDS,
        'head.get("spent", 0) + max(',
        "max(",
        (f"{_CLOCKS}::test_what_is_spent_is_the_time_between_pauses_and_nothing_else",),
    ),
    Protection(
        "a clock that runs behind takes nothing away from what is spent",
        _COMMANDS,
        "max(round(ran.total_seconds()), 0)",
        "round(ran.total_seconds())",
        (f"{_CLOCKS}::test_a_clock_that_runs_behind_takes_nothing_away",),
    ),
    Protection(
        "nor from what has lasted",
        _DEADLINES,
        'max((now - datetime.fromisoformat(head["since"])).total_seconds(), 0.0)',
        '(now - datetime.fromisoformat(head["since"])).total_seconds()',
        (f"{_CLOCKS}::test_a_clock_that_runs_behind_takes_nothing_away",),
    ),
]
