"""The state machine of a batch, generated from its lifecycle. Pure: names and ARNs go in, a definition comes out.

For every status that something can follow: a park that bears the status's own name, so the console shows *In progress*
lit for weeks; a choice among its followers; and for every status its handler. So a status change is three
transitions: the choice, the handler, the park. A park writes its token to the head, naming the event that was handled,
and waits; it is refused where a newer generation has begun. An execution can be thrown away at any moment: the next
generation starts at the status handled last.

Sources: "Amazon States Language" (JSONata), "Wait for a Callback with the Task Token", and the quotas of Step
Functions: 25,000 events in a history (this machine writes about ten a status change) and a year of life.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from gtplus_runtime.lifecycle import Lifecycle, Status
from gtplus_runtime.protocol import HANDLER_ATTEMPTS, HANDLER_TIMEOUT_SECONDS

_CONDITION_FAILED = ["DynamoDb.ConditionalCheckFailedException", "DynamoDB.ConditionalCheckFailedException"]
_LAMBDA_BUSY = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
]


def after(status: Status) -> str:
    """The name of the choice that follows a park."""
    return f"After {status.name}"


def on(status: Status | str) -> str:
    """The name of the state that runs a status's handler."""
    return f"On {status if isinstance(status, str) else status.name}"


def definition_version(lifecycle: Lifecycle, handlers: Mapping[str, str]) -> str:
    """The version of the definition: another one for every change of it.

    A park writes it to the head, so the reconciler knows the executions that wait in an older definition.

    Args:
        lifecycle: the statuses and what follows them.
        handlers: what each status's handler is known by, the same in every synth.
    """
    text = json.dumps(batch_definition(lifecycle, handlers=handlers, table="", version=""))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def batch_definition(
    lifecycle: Lifecycle, *, handlers: Mapping[str, str], table: str, version: str, partition: str = "aws"
) -> dict[str, Any]:
    """The definition, as the object that CloudFormation takes.

    Args:
        lifecycle: the statuses and what follows them.
        handlers: the ARN of each status's handler function, by the status's name.
        table: the name of the table.
        version: of the definition, which a park writes to the head.
        partition: of the ARNs.

    Raises:
        ValueError: naming every status that has no handler.
    """
    missing = [status.name for status in lifecycle if status.name not in handlers]
    if missing:
        raise ValueError(f"no handler for {', '.join(repr(str(name)) for name in missing)}")
    update = f"arn:{partition}:states:::aws-sdk:dynamodb:updateItem"
    states: dict[str, Any] = {"Start": _start(lifecycle)}
    for status in lifecycle:
        states[on(status)] = _handler(status, handlers[status.name], partition)
        if status.is_end:
            states[status.name] = _end(status, update, table)
        else:
            states[status.name] = _park(status, update, table, version)
            states[after(status)] = _choice(status)
    states["Record failure"] = _record_failure(update, table)
    states["Failed"] = {
        "Type": "Fail",
        "Error": "{% $states.input.error.Error %}",
        "Cause": "{% 'the handler of ' & $states.input.status & ' failed; the batch shows why' %}",
    }
    states["Superseded"] = {"Type": "Succeed", "Comment": "A newer generation follows the table."}
    states["Unknown status"] = {
        "Type": "Fail",
        "Error": "UnknownStatus",
        "Cause": "A newer deployment knows this status: the next generation handles it.",
    }
    return {
        "Comment": "The way of a batch; the table is the truth, this execution its follower.",
        "QueryLanguage": "JSONata",
        "StartAt": "Start",
        "States": states,
    }


def _start(lifecycle: Lifecycle) -> dict[str, Any]:
    first = lifecycle.first
    choices = [
        {"Condition": f"{{% $states.input.handled = false and {_is(first.name)} %}}", "Next": on(first)},
        *(
            {"Condition": f"{{% $states.input.handled = true and {_is(status.name)} %}}", "Next": status.name}
            for status in lifecycle
        ),
    ]
    return {"Type": "Choice", "Choices": choices, "Default": "Unknown status"}


def _park(status: Status, update: str, table: str, version: str) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Comment": status.meaning,
        "Resource": f"{update}.waitForTaskToken",
        "Arguments": _update_head(
            table,
            "SET #token = :token, parkedGeneration = :generation, handled = :seq, handledStatus = :status, "
            "parkedAt = :now, parkedDefinition = :definition, noticeTag = :tag",
            {"#token": "token"},
            {
                ":token": {"S": "{% $states.context.Task.Token %}"},
                ":definition": {"S": version},
                # A new generation parks before it has run a handler.
                ":tag": {"S": "{% $exists($states.input.noticeTag) ? $states.input.noticeTag : '' %}"},
            },
        ),
        "Output": "{% $merge([$states.input, $states.result]) %}",
        "Retry": _write_retry(),
        "Catch": [{"ErrorEquals": _CONDITION_FAILED, "Next": "Superseded"}],
        "Next": after(status),
    }


def _end(status: Status, update: str, table: str) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Comment": status.meaning,
        "Resource": update,
        "Arguments": _update_head(
            table,
            "SET handled = :seq, handledStatus = :status, parkedAt = :now, parkedGeneration = :generation "
            "REMOVE #token, #open",
            {"#token": "token", "#open": "open"},
            {},
        ),
        "Output": "{% $states.input %}",
        "Retry": _write_retry(),
        "Catch": [{"ErrorEquals": _CONDITION_FAILED, "Next": "Superseded"}],
        "End": True,
    }


def _choice(status: Status) -> dict[str, Any]:
    return {
        "Type": "Choice",
        "Choices": [{"Condition": f"{{% {_is(name)} %}}", "Next": on(name)} for name in status.followers],
        "Default": "Unknown status",
    }


def _handler(status: Status, function_arn: str, partition: str) -> dict[str, Any]:
    fields = ("project", "batch", "seq", "status", "generation")
    payload = {field: f"{{% $states.input.{field} %}}" for field in fields}
    return {
        "Type": "Task",
        "Comment": status.meaning,
        "Resource": f"arn:{partition}:states:::lambda:invoke",
        "Arguments": {
            "FunctionName": function_arn,
            "Payload": payload
            | {
                "execution": "{% $states.context.Execution.Id %}",
                # An older dispatcher says none.
                "correlation": "{% $exists($states.input.correlation) ? $states.input.correlation : '' %}",
            },
        },
        "TimeoutSeconds": HANDLER_TIMEOUT_SECONDS,
        "Output": "{% $merge([$states.input, {'noticeTag': $states.result.Payload.noticeTag}]) %}",
        "Retry": [
            {
                "ErrorEquals": _LAMBDA_BUSY,
                "IntervalSeconds": 1,
                "MaxAttempts": 6,
                "BackoffRate": 2,
                "JitterStrategy": "FULL",
            },
            {
                "ErrorEquals": ["States.TaskFailed", "States.Timeout"],
                "IntervalSeconds": 2,
                "MaxAttempts": HANDLER_ATTEMPTS - 1,
                "BackoffRate": 2,
                "JitterStrategy": "FULL",
            },
        ],
        "Catch": [
            {
                "ErrorEquals": ["States.ALL"],
                "Output": "{% $merge([$states.input, {'error': $states.errorOutput}]) %}",
                "Next": "Record failure",
            }
        ],
        "Next": status.name,
    }


def _record_failure(update: str, table: str) -> dict[str, Any]:
    error = "$states.input.error"
    cause = f"$substring($string({error}.Cause), 0, 400)"
    failure = f"{{% $states.input.status & ': ' & {error}.Error & ': ' & {cause} %}}"
    arguments = _update_head(
        table, "SET failure = :failure, failedSeq = :seq, failedAt = :now", {}, {":failure": {"S": failure}}
    )
    values = arguments["ExpressionAttributeValues"]
    del values[":status"]
    return {
        "Type": "Task",
        "Comment": "The batch shows why it does not go on; the reconciler tries again.",
        "Resource": update,
        "Arguments": arguments,
        "Output": "{% $states.input %}",
        "Retry": _write_retry(),
        "Catch": [{"ErrorEquals": _CONDITION_FAILED, "Next": "Superseded"}],
        "Next": "Failed",
    }


def _update_head(table: str, expression: str, names: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "TableName": table,
        "Key": {
            "pk": {"S": "{% 'BATCH#' & $states.input.project & '#' & $states.input.batch %}"},
            "sk": {"S": "HEAD"},
        },
        "UpdateExpression": expression,
        "ConditionExpression": "generation = :generation",
        "ExpressionAttributeValues": {
            # The SDK integration takes numbers as text.
            ":generation": {"N": "{% $string($states.input.generation) %}"},
            ":seq": {"N": "{% $string($states.input.seq) %}"},
            ":status": {"S": "{% $states.input.status %}"},
            ":now": {"S": "{% $now() %}"},
            **values,
        },
    }
    return arguments | ({"ExpressionAttributeNames": names} if names else {})


def _write_retry() -> list[dict[str, Any]]:
    return [
        # First: a condition that failed stays failed, and must reach the Catch at once.
        {"ErrorEquals": _CONDITION_FAILED, "MaxAttempts": 0},
        # A transaction on the same head (TransactionConflict), a throttle, a fault of DynamoDB.
        {
            "ErrorEquals": ["States.TaskFailed"],
            "IntervalSeconds": 1,
            "MaxAttempts": 8,
            "BackoffRate": 2,
            "MaxDelaySeconds": 60,
            "JitterStrategy": "FULL",
        },
    ]


def _is(name: str) -> str:
    # JSONata's texts are JSON's: it knows no escape for a single quote.
    return f"$states.input.status = {json.dumps(str(name))}"
