"""Monitoring: an alarm on everything that nobody waits for, and a topic that says so."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

_FIVE_MINUTES = Duration.minutes(5)


class Monitoring(Construct):
    """Alarms on the dead letters, the stream, the executions, the dispatcher and the reconciler.

    When they fire, and why so:

    - `<Hop>DeadLetters`, at the first letter: each is something that did not happen ("Using dead-letter queues in
      Amazon SQS" asks for an alarm on any).
    - `StreamIsLate`, when a record has waited for 5 minutes: after 60 the mapping gives it up, and the stream itself
      keeps it for 24 hours ("Change data capture for DynamoDB Streams").
    - `ExecutionsFailed`, `ExecutionsTimedOut`, `ExecutionsAborted`, at the first one: the batch shows it and the
      reconciler starts it again, but a cause that stays is mended by nobody else. What the reconciler itself ends, to
      move a batch to a newer definition, counts as aborted too.
    - `DispatcherFails`, `DispatcherIsThrottled`, and so for the reconciler, after three periods of 5 minutes on end:
      one failure is tried again, and what fails to the end is a dead letter.
    - `ReconcilerIsSilent`, after 15 minutes without a call: its schedule calls it each minute, and without it nothing
      that was lost is found.

    Plain alarms: each costs what one alarm costs a month. Upgraded in place; nothing is kept in them.

    Args:
        scope: the parent.
        id: the construct's id.
        letters: the dead-letter queues, by the name of their hop.
        dispatcher: follows the stream.
        reconciler: is called each minute.
        state_machine_arn: of the batches.
        topic: is told; it must let CloudWatch publish.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        letters: Mapping[str, sqs.IQueue],
        dispatcher: lambda_.IFunction,
        reconciler: lambda_.IFunction,
        state_machine_arn: str,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, id)
        self.topic = topic
        self.alarms: dict[str, cloudwatch.Alarm] = {}
        """Every alarm, by its id."""
        for hop, queue in letters.items():
            self._alarm(
                f"{hop.capitalize()}DeadLetters",
                queue.metric_approximate_number_of_messages_visible(period=Duration.minutes(1), statistic="Maximum"),
                f"Something was not delivered: gtplus dlq list {hop}; mend the cause, then gtplus dlq redrive {hop}",
            )
        self._alarm(
            "StreamIsLate",
            dispatcher.metric("IteratorAge", period=Duration.minutes(1), statistic="Maximum"),
            "Status changes wait for more than 5 minutes to be followed: look at the dispatcher's log",
            threshold=Duration.minutes(5).to_milliseconds(),
        )
        for name, what in (("Failed", "failed"), ("TimedOut", "timed out"), ("Aborted", "was aborted")):
            metric = cloudwatch.Metric(
                namespace="AWS/States",
                metric_name=f"Executions{name}",
                dimensions_map={"StateMachineArn": state_machine_arn},
                period=_FIVE_MINUTES,
                statistic="Sum",
            )
            self._alarm(metric.metric_name, metric, f"An execution {what}; it is started again: see its batch")
        for name, function in (("Dispatcher", dispatcher), ("Reconciler", reconciler)):
            for suffix, metric in (
                ("Fails", function.metric_errors(period=_FIVE_MINUTES)),
                ("IsThrottled", function.metric_throttles(period=_FIVE_MINUTES)),
            ):
                self._alarm(f"{name}{suffix}", metric, f"For 15 minutes, in each five: look at {name}'s log", periods=3)
        self._alarm(
            "ReconcilerIsSilent",
            reconciler.metric_invocations(period=_FIVE_MINUTES),
            "The reconciler was not called for 15 minutes: look at its schedule",
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            periods=3,
            missing=cloudwatch.TreatMissingData.BREACHING,
        )

    def _alarm(
        self,
        id: str,
        metric: cloudwatch.Metric,
        description: str,
        *,
        threshold: float = 1,
        periods: int = 1,
        comparison: cloudwatch.ComparisonOperator = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    ) -> None:
        alarm = metric.create_alarm(
            self,
            id,
            alarm_description=description,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=comparison,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        self.alarms[id] = alarm
