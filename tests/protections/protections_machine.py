"""What protects the executions: conditions, tries and catches in the definition of the state machine."""

from tests.protections.protection import CONSTRUCTS, Protection

_DEFINITION, _DEFINES = f"{CONSTRUCTS}/_definition.py", "tests/template/test_definition.py"
_PARK_ENDS = '"Output": "{% $merge([$states.input, $states.result]) %}",\n'
_END_ENDS = """            {},
        ),
        "Output": "{% $states.input %}",
"""
_FAILURE_ENDS = """        "Arguments": arguments,
        "Output": "{% $states.input %}",
"""
_RETRY = '        "Retry": _write_retry(),\n'
_CATCH = '        "Catch": [{"ErrorEquals": _CONDITION_FAILED, "Next": "Superseded"}],\n'
_TRIED = (f"{_DEFINES}::TestRetriesAndCatches::test_a_failed_condition_is_never_tried_again",)
_HANDLED = (f"{_DEFINES}::TestRetriesAndCatches::test_a_handler_is_retried_and_its_failure_shown",)

MACHINE = [
    Protection(
        "an execution of an older generation writes nothing on the head",
        _DEFINITION,
        '"ConditionExpression": "generation = :generation",',
        '"ConditionExpression": "generation >= :generation",',
        (
            f"{_DEFINES}::TestWhatIsWritten::test_only_by_the_generation_that_counts",
            "tests/engine/test_engine.py",
        ),
    ),
    Protection("a park is tried again", _DEFINITION, f"{_PARK_ENDS}{_RETRY}", _PARK_ENDS, _TRIED),
    Protection("an end is tried again", _DEFINITION, f"{_END_ENDS}{_RETRY}", _END_ENDS, _TRIED),
    Protection("a failure is tried to be shown again", _DEFINITION, f"{_FAILURE_ENDS}{_RETRY}", _FAILURE_ENDS, _TRIED),
    Protection(
        "a park that is refused ends quietly",
        _DEFINITION,
        f"{_PARK_ENDS}{_RETRY}{_CATCH}",
        f"{_PARK_ENDS}{_RETRY}",
        _TRIED,
    ),
    Protection(
        "an end that is refused ends quietly",
        _DEFINITION,
        f"{_END_ENDS}{_RETRY}{_CATCH}",
        f"{_END_ENDS}{_RETRY}",
        _TRIED,
    ),
    Protection(
        "a failure of an older generation ends quietly",
        _DEFINITION,
        f"{_FAILURE_ENDS}{_RETRY}{_CATCH}",
        f"{_FAILURE_ENDS}{_RETRY}",
        _TRIED,
    ),
    Protection(
        "a condition that failed is not tried again",
        _DEFINITION,
        '        {"ErrorEquals": _CONDITION_FAILED, "MaxAttempts": 0},\n',
        "",
        _TRIED,
    ),
    Protection(
        "a write outlives a minute of throttling",
        _DEFINITION,
        '"MaxAttempts": 8,',
        '"MaxAttempts": 2,',
        (f"{_DEFINES}::TestRetriesAndCatches::test_a_write_outlives_a_minute_of_throttling",),
    ),
    Protection(
        "a handler is tried again where Lambda is busy",
        _DEFINITION,
        '                "ErrorEquals": _LAMBDA_BUSY,',
        '                "ErrorEquals": ["States.HeartbeatTimeout"],',
        _HANDLED,
    ),
    Protection(
        "a handler that failed is tried again",
        _DEFINITION,
        '"ErrorEquals": ["States.TaskFailed", "States.Timeout"],',
        '"ErrorEquals": ["States.HeartbeatTimeout"],',
        _HANDLED,
    ),
    Protection(
        "as often as the reconciler counts on",
        _DEFINITION,
        '"MaxAttempts": HANDLER_ATTEMPTS - 1,',
        '"MaxAttempts": HANDLER_ATTEMPTS,',
        _HANDLED,
    ),
    Protection(
        "a handler that fails to the end is shown on the batch",
        _DEFINITION,
        '                "ErrorEquals": ["States.ALL"],',
        '                "ErrorEquals": ["States.Timeout"],',
        _HANDLED,
    ),
    Protection(
        "a handler that hangs is ended",
        _DEFINITION,
        '        "TimeoutSeconds": HANDLER_TIMEOUT_SECONDS,\n',
        "",
        (f"{_DEFINES}::TestThePicture::test_every_status_runs_the_handler_of_its_name",),
    ),
    Protection(
        "a status of a newer deployment waits for the next generation",
        _DEFINITION,
        """for name in status.followers],
        "Default": "Unknown status",""",
        """for name in status.followers],
        "Default": "Superseded",""",
        (f"{_DEFINES}::TestWhatAnExecutionDoes::test_an_event_leads_to_its_handler_or_waits_for_a_newer_deployment",),
    ),
    Protection(
        "a park names its definition, so that it is moved to a newer one",
        _DEFINITION,
        "parkedAt = :now, parkedDefinition = :definition",
        "parkedAt = :now, parkedBy = :definition",
        (f"{_DEFINES}::TestWhatIsWritten::test_a_park_names_the_event_that_was_handled",),
    ),
]
