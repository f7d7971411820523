"""What protects what is handed on: the dead letters of every hop, and the alarms."""

from tests.protections.protection import CONSTRUCTS, Protection

_DISPATCHER, _STORAGE = f"{CONSTRUCTS}/dispatcher.py", f"{CONSTRUCTS}/storage_events.py"
_RECONCILER, _MONITORING = f"{CONSTRUCTS}/reconciler.py", f"{CONSTRUCTS}/monitoring.py"
_HOPS, _TEMPLATE = "tests/template/test_hops.py", "tests/template/test_template.py::TestEveryHopThatNobodyWaitsFor"
_EVERY = (f"{_HOPS}::test_every_hop_of_the_example_has_a_queue_and_an_alarm",)
_RECORD = (f"{_TEMPLATE}::test_one_bad_record_holds_up_no_other_batch",)
_MESSAGE = (f"{_TEMPLATE}::test_a_message_is_not_read_twice_at_once",)
_ALARMS = (f"{_HOPS}::TestTheAlarms::test_are_these",)
_SILENT = (f"{_HOPS}::TestTheAlarms::test_a_silent_reconciler_is_an_alarm_and_a_silent_queue_is_none",)

QUEUES = [
    Protection(
        "the stream has dead letters",
        _DISPATCHER,
        """        destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
            on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(destination=letters.queue_arn)
        ),
""",
        "",
        _EVERY,
    ),
    Protection(
        "the dispatcher says which records failed",
        _DISPATCHER,
        '        function_response_types=["ReportBatchItemFailures"],\n',
        "",
        _RECORD,
    ),
    Protection(
        "one bad record is found among many",
        _DISPATCHER,
        "        bisect_batch_on_function_error=True,\n",
        "",
        _RECORD,
    ),
    Protection(
        "one bad record holds up the stream for minutes and not for a day",
        _DISPATCHER,
        "        maximum_retry_attempts=8,\n        maximum_record_age_in_seconds=3_600,\n",
        "",
        _RECORD,
    ),
    Protection(
        "nothing of the stream is left out when the mapping is made",
        _DISPATCHER,
        'starting_position="TRIM_HORIZON"',
        'starting_position="LATEST"',
        _RECORD,
    ),
    Protection(
        "the queue of what S3 tells has dead letters",
        _STORAGE,
        "        dead_letter_queue=sqs.DeadLetterQueue(queue=letters, max_receive_count=5),\n",
        "",
        _EVERY,
    ),
    Protection(
        "the rule of what S3 tells has dead letters",
        _STORAGE,
        "                dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=letters.queue_arn),\n",
        "",
        _EVERY,
    ),
    Protection(
        "the function of what S3 tells says which messages failed",
        _STORAGE,
        '        function_response_types=["ReportBatchItemFailures"],\n',
        "",
        _MESSAGE,
    ),
    Protection(
        "a message is not read twice at once",
        _STORAGE,
        "visibility_timeout=Duration.minutes(30)",
        "visibility_timeout=Duration.minutes(5)",
        _MESSAGE,
    ),
    Protection(
        "the schedule has dead letters",
        _RECONCILER,
        "            dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=letters.queue_arn),\n",
        "",
        _EVERY,
    ),
    Protection(
        "a reconciler that failed has dead letters",
        _RECONCILER,
        "        letters=letters,\n    )",
        "    )",
        _EVERY,
    ),
    Protection(
        "a user's rule has dead letters",
        f"{CONSTRUCTS}/_hooks.py",
        'resource.add_property_override("Targets.0.DeadLetterConfig.Arn", letters.queue_arn)',
        "pass",
        (f"{_HOPS}::test_a_users_rules_have_them_too_unless_they_name_a_queue_of_their_own",),
    ),
    Protection(
        "dead letters are kept for 14 days",
        f"{CONSTRUCTS}/_queues.py",
        "        retention_period=Duration.days(14),\n",
        "",
        _EVERY,
    ),
]

ALARMS = [
    Protection(
        "an alarm tells somebody",
        _MONITORING,
        "alarm.add_alarm_action(actions.SnsAction(self.topic))",
        "pass",
        _EVERY,
    ),
    Protection("dead letters have alarms", _MONITORING, "in letters.items():", "in ():", _EVERY),
    Protection(
        "each alarm is on the first letter",
        _MONITORING,
        "        threshold: float = 1,",
        "        threshold: float = 2,",
        _EVERY,
    ),
    Protection(
        "a stream that is late has an alarm",
        _MONITORING,
        """        self._alarm(
            "StreamIsLate",""",
        """        (lambda *_, **__: None)(
            "StreamIsLate",""",
        _ALARMS,
    ),
    Protection(
        "executions that end badly have alarms",
        _MONITORING,
        '(("Failed", "failed"), ("TimedOut", "timed out"), ("Aborted", "was aborted"))',
        "()",
        _ALARMS,
    ),
    Protection(
        "functions that fail have alarms",
        _MONITORING,
        '(("Dispatcher", dispatcher), ("Reconciler", reconciler))',
        "()",
        _ALARMS,
    ),
    Protection(
        "a reconciler that is not called has an alarm",
        _MONITORING,
        "            missing=cloudwatch.TreatMissingData.BREACHING,\n",
        "",
        _SILENT,
    ),
]
