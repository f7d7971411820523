"""cdk-nag's Serverless pack: what it finds is exactly what is acknowledged here, each with its reason.

AwsSolutions is tried beside it, in `tests/template/test_nag.py`.
"""

from pathlib import Path

import pytest
from cdk_nag import ServerlessChecks

from gtplus_runtime.lifecycle import BATCH
from tests.access.town import FLAGS, OURS, build
from tests.template.test_nag import listed

HANDLERS = ["".join(word.capitalize() for word in status.slug.split("_")) for status in BATCH]

ACKNOWLEDGED: dict[str, tuple[str, list[str]]] = {
    "Whoever calls these waits for the answer, or is told by the event source what failed: no call is lost.": (
        "Serverless-LambdaDLQ",
        [
            *(f"Workflow/{name}" for name in HANDLERS),
            "Workflow/Dispatcher",
            "Workflow/StorageEventsFunction",
            "Api/Function",
        ],
    ),
    "The machine traces every batch; a function's own segments would take a right on every resource and add nothing.": (
        "Serverless-LambdaTracing",
        [
            *(f"Workflow/{name}" for name in HANDLERS),
            "Workflow/Dispatcher",
            "Workflow/Reconciler",
            "Workflow/StorageEventsFunction",
            "Api/Function",
        ],
    ),
    "They are dead-letter queues themselves: of a table stream, a schedule, a queue and its rule, rules, a topic.": (
        "Serverless-SQSRedrivePolicy",
        [
            *(f"Workflow/{name}DeadLetters" for name in ("Dispatcher", "Reconciler", "StorageEvents")),
            "RuleDeadLetters",
            "TopicDeadLetters",
        ],
    ),
    "Of a queue: what fails goes back to it, and by its redrive policy to its dead letters.": (
        "Serverless-LambdaEventSourceMappingDestination",
        ["Workflow/Messages"],
    ),
}
"""By reason: the finding, and the constructs of the workspace that it is on."""


@pytest.mark.parametrize("flags", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in FLAGS])
def test_what_is_found_is_what_is_acknowledged(tmp_path: Path, flags: str) -> None:
    stack = build(tmp_path, FLAGS[flags](), places=(OURS,)).stack
    found = {
        (str(resource.construct_path).removesuffix("/Resource"), violation.rule_name)
        for violation in ServerlessChecks().validate_scope(stack).violations
        for resource in violation.violating_resources
    }
    acknowledged = {(f"Town/Workspace/{path}", finding) for finding, paths in ACKNOWLEDGED.values() for path in paths}
    assert not found - acknowledged, f"mend it, or acknowledge it with its reason:{listed(found - acknowledged)}"
    assert not acknowledged - found, f"take it out, it would hide the next of its kind:{listed(acknowledged - found)}"
