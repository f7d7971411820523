"""What the world outside is told: as its published schema says, with nothing in it that somebody wrote."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from gtplus_runtime import outbound
from gtplus_runtime.lifecycle import BATCH, PROJECT, Duty, Lifecycle
from gtplus_runtime.store import Key

SCHEMAS = Path(__file__).parents[2] / "gtplus_constructs" / "schemas"
OF_BATCH, OF_PROJECT = (json.loads((SCHEMAS / f"{k}-status-changed.v1.json").read_text()) for k in ("batch", "project"))
NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?", fullmatch=True)


def problems(schema: dict[str, Any], detail: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(detail)]


@st.composite
def events(draw: st.DrawFn, lifecycle: Lifecycle) -> dict[str, Any]:
    names = sorted(lifecycle.statuses)
    return {
        "seq": draw(st.integers(1, 10**6)),
        "status": draw(st.sampled_from(names)),
        "before": draw(st.sampled_from(["", *names])),
        "round": draw(st.integers(1, 9)),
        "at": "2026-11-25T01:11:41.000042Z",
        "actor": {"id": "AROASECRET", "name": "rosa@example.com", "duty": str(draw(st.sampled_from(Duty)))},
        "data": {"reason": "a word that somebody wrote"},
    }


@given(NAMES, NAMES, events(BATCH))
def test_an_event_of_a_batch_is_as_its_schema_says(project: str, batch: str, event: dict[str, Any]) -> None:
    key = Key(project, batch)
    detail = outbound.detail("labeling", key, event)
    assert problems(OF_BATCH, json.loads(json.dumps(detail))) == []
    assert outbound.detail_type(key) == "Batch status changed"


@given(NAMES, events(PROJECT))
def test_an_event_of_a_project_is_as_its_schema_says(project: str, event: dict[str, Any]) -> None:
    detail = outbound.detail("labeling", Key(project), event)
    assert problems(OF_PROJECT, json.loads(json.dumps(detail))) == []
    assert outbound.detail_type(Key(project)) == "Project status changed"


@given(NAMES, NAMES, events(BATCH))
def test_no_name_of_a_person_and_no_word_of_theirs_is_told(project: str, batch: str, event: dict[str, Any]) -> None:
    key = Key(project, batch)
    detail = outbound.detail("labeling", key, event)
    told = json.dumps([detail, outbound.message(key, event), outbound.attributes(detail)])
    assert not re.search(r"SECRET|rosa|somebody wrote", told)


@given(NAMES, NAMES, events(BATCH))
def test_the_same_event_is_told_again_in_the_same_words(project: str, batch: str, event: dict[str, Any]) -> None:
    key = Key(project, batch)
    once, again = (json.dumps(outbound.detail("labeling", key, dict(event))) for _ in range(2))
    assert once == again


@given(NAMES, NAMES, events(BATCH))
def test_a_message_can_be_sent_and_filtered(project: str, batch: str, event: dict[str, Any]) -> None:
    key = Key(project, batch)
    detail = outbound.detail("labeling", key, event)
    subject, _ = outbound.message(key, event)
    assert 0 < len(subject) < 100  # "Publish" of the SNS API Reference: at most 100 characters, no line break
    assert "\n" not in subject
    sent = {name: value["StringValue"] for name, value in outbound.attributes(detail).items()}
    assert sent == {
        name: str(detail[name])
        for name in ("project", "batch", "status", "waitsFor", "duty", "seq", "at")
        if detail[name] is not None
    }


@pytest.mark.parametrize(("schema", "lifecycle"), [(OF_BATCH, BATCH), (OF_PROJECT, PROJECT)])
def test_the_schema_names_the_statuses_of_the_lifecycle(schema: dict[str, Any], lifecycle: Lifecycle) -> None:
    assert set(lifecycle.statuses) == set(schema["properties"]["status"]["examples"])


FIRST: dict[str, dict[str, Any]] = {
    "batch": {"workspace": "w", "project": "p", "batch": "b", "round": 1},
    "project": {"workspace": "w", "project": "p"},
}
"""Events of version 1 as they were first published: they stay valid, whatever is added."""


@pytest.mark.parametrize(("schema", "name"), [(OF_BATCH, "batch"), (OF_PROJECT, "project")])
def test_version_1_only_grows(schema: dict[str, Any], name: str) -> None:
    rest = {"version": 1, "seq": 1, "status": "Paused", "before": None, "at": "2026-11-25T01:11:41.000000Z"}
    event = {**FIRST[name], **rest, "duty": "operate", "waitsFor": None}
    assert problems(schema, event) == []
    assert problems(schema, {**event, "added": 1, "status": "A status of next year"}) == []
    assert set(schema["required"]) == set(event)
    for field in event:
        without = {key: value for key, value in event.items() if key != field}
        assert problems(schema, without), field
    assert problems(schema, {**event, "version": 2})
    assert problems(schema, {**event, "at": "yesterday"})
