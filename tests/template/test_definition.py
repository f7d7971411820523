"""The generated definition of the state machine, as it would be deployed: the local cloud accepts invalid ones."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeAlias

import pytest

from gtplus_constructs import _definition
from gtplus_constructs._definition import after, batch_definition, definition_version, on
from gtplus_runtime.lifecycle import BATCH, PEOPLE, Lifecycle, Status
from gtplus_runtime.protocol import HANDLER_ATTEMPTS, HANDLER_TIMEOUT_SECONDS
from tests.template.asl import Validator
from tests.template.conftest import ROOT
from tests.template.support import Body, of_type

States: TypeAlias = dict[str, dict[str, Any]]
OPEN = [status for status in BATCH if not status.is_end]
ENDS = [status for status in BATCH if status.is_end]
CONDITION_FAILED = {"DynamoDb.ConditionalCheckFailedException", "DynamoDB.ConditionalCheckFailedException"}
JSONATA = re.compile(r"\{%(.*)%\}", re.DOTALL)
INPUT = {
    "project": "signs",
    "batch": "digits-001",
    "generation": 3,
    "handled": True,
    "seq": 7,
    "status": "In progress",
    "correlation": "r1",
}


pytestmark = pytest.mark.xdist_group("template")


@pytest.fixture(scope="session")
def validator() -> Validator:
    return Validator.installed(ROOT / ".local" / "tools")


@pytest.fixture(scope="session")
def definition(example_body: Body) -> dict[str, Any]:
    """The definition of the example's machine; a function stands in it as its logical id."""

    def text(part: Any) -> str:
        match part:
            case str():
                return part
            case {"Ref": "AWS::Partition"}:
                return "aws"
            case {"Ref": name}:
                return str(name)
            case {"Fn::GetAtt": [name, "Arn"]}:
                return f"arn:aws:lambda:us-east-1:111122223333:function:{name}"
        raise AssertionError(part)

    (machine,) = of_type(example_body, "AWS::StepFunctions::StateMachine").values()
    found: dict[str, Any] = json.loads("".join(map(text, machine["Properties"]["DefinitionString"]["Fn::Join"][1])))
    return found


@pytest.fixture(scope="session")
def states(definition: dict[str, Any]) -> States:
    found: States = definition["States"]
    return found


def followers(state: dict[str, Any]) -> Iterator[str]:
    """Every state that can come next."""
    for key in ("Next", "Default"):
        if key in state:
            yield state[key]
    for branch in (*state.get("Choices", []), *state.get("Catch", [])):
        yield branch["Next"]


def expressions(value: Any) -> Iterator[str]:
    """Every JSONata expression in a state."""
    if isinstance(value, dict):
        for each in value.values():
            yield from expressions(each)
    elif isinstance(value, list):
        for each in value:
            yield from expressions(each)
    elif isinstance(value, str) and (found := JSONATA.fullmatch(value)):
        yield found[1].strip()


class TestTheLanguage:
    def test_a_validator_that_knows_jsonata_finds_nothing(
        self, validator: Validator, definition: dict[str, Any]
    ) -> None:
        assert validator.errors(definition) == [[]]

    def test_it_is_red_for_what_is_broken(self, validator: Validator, definition: dict[str, Any]) -> None:
        """Else the test above would say nothing."""

        def broken(change: Callable[[States], Any]) -> dict[str, Any]:
            wrong = copy.deepcopy(definition)
            change(wrong["States"])
            return wrong

        faults: dict[str, Callable[[States], Any]] = {
            "no such state": lambda s: s["In progress"].update(Next="Nowhere"),
            "no such state in a choice": lambda s: s["Start"]["Choices"][0].update(Next="Nowhere"),
            "no such state in a catch": lambda s: s["In progress"]["Catch"][0].update(Next="Nowhere"),
            "no way there": lambda s: s.update({"Lonely": {"Type": "Succeed"}}),
            "no way on": lambda s: s["In progress"].pop("Next"),
            "JSONata that does not parse": lambda s: s["Start"]["Choices"][0].update(Condition="{% $states = = 1 %}"),
            "JSONata deep in the arguments": lambda s: s["Paused"]["Arguments"].update(X={"Y": "{% $merge([ %}"}),
            "a condition that is none": lambda s: s["Start"]["Choices"][0].update(Condition="$states.input.handled"),
            "fields of JSONPath": lambda s: s["In progress"].update(ResultPath="$.x"),
            "an unknown field": lambda s: s["In progress"].update(Foo=1),
            "a task of nothing": lambda s: s["On Paused"].pop("Resource"),
            "a count that is none": lambda s: s["On Paused"]["Retry"][0].update(MaxAttempts="3"),
        }
        found = validator.errors(*(broken(change) for change in faults.values()))
        assert [name for name, errors in zip(faults, found, strict=True) if not errors] == []

    def test_every_expression_uses_what_step_functions_knows(self, states: States) -> None:
        """An unknown variable is nothing, silently, and `$eval` is refused by the deploy."""
        used = {
            name for state in states.values() for text in expressions(state) for name in re.findall(r"\$(\w+)", text)
        }
        assert used == {"states", "merge", "string", "substring", "now", "exists"}

    def test_every_expression_has_a_value(self, validator: Validator, states: States) -> None:
        sample = {
            "input": {**INPUT, "error": {"Error": "E", "Cause": "a" * 1_000}},
            "result": {"seq": 8, "status": "Ready for review"},
            "context": {"Task": {"Token": "token"}, "Execution": {"Id": "arn"}},
            "errorOutput": {"Error": "E", "Cause": "C"},
        }
        found = list(expressions(states))
        values = validator.evaluate((text, sample) for text in found)
        assert [text for text, value in zip(found, values, strict=True) if value is None] == []

    def test_the_sdk_is_given_texts(self, validator: Validator, states: States) -> None:
        """A number would be refused at run time, by the integration."""
        given = [
            expression[1]
            for state in states.values()
            for value in state.get("Arguments", {}).get("ExpressionAttributeValues", {}).values()
            for text in value.values()
            if (expression := JSONATA.fullmatch(text))
        ]
        assert given
        error = {"Error": "E", "Cause": {"not": "a text"}}
        sample = {"input": {**INPUT, "error": error}, "context": {"Task": {"Token": "t"}}}
        assert all(isinstance(value, str) for value in validator.evaluate((text, sample) for text in given))


class TestThePicture:
    def test_every_state_exists_and_is_reached(self, definition: dict[str, Any], states: States) -> None:
        reached, waiting = set[str](), [definition["StartAt"]]
        while waiting:
            name = waiting.pop()
            assert name in states
            if name not in reached:
                reached.add(name)
                waiting += followers(states[name])
        assert reached == set(states)

    def test_it_is_made_of_the_lifecycle_and_four_states_beside_it(self, states: States) -> None:
        expected = {name for s in BATCH for name in ([s.name, on(s)] if s.is_end else [s.name, after(s), on(s)])}
        beside = {"Start", "Record failure", "Failed", "Superseded", "Unknown status"}
        assert set(states) == expected | beside
        assert max(map(len, states)) <= 80

    @pytest.mark.parametrize("status", OPEN, ids=lambda s: s.slug)
    def test_an_open_status_is_a_park_of_its_name(self, states: States, status: Status) -> None:
        park = states[status.name]
        assert park["Type"] == "Task"
        assert park["Resource"] == "arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken"
        assert park["Next"] == after(status)
        # It waits for weeks: no time-out, which would end the execution.
        assert not {"TimeoutSeconds", "HeartbeatSeconds"} & set(park)

    @pytest.mark.parametrize("status", OPEN, ids=lambda s: s.slug)
    def test_then_a_choice_over_exactly_its_followers(self, states: States, status: Status) -> None:
        choice = states[after(status)]
        assert choice["Type"] == "Choice"
        assert [branch["Next"] for branch in choice["Choices"]] == [on(name) for name in status.followers]
        assert choice["Default"] == "Unknown status"

    @pytest.mark.parametrize("status", list(BATCH), ids=lambda s: s.slug)
    def test_every_status_runs_the_handler_of_its_name(
        self, states: States, example_body: Body, status: Status
    ) -> None:
        handler = states[on(status)]
        assert handler["Resource"] == "arn:aws:states:::lambda:invoke"
        assert handler["Next"] == status.name
        name = handler["Arguments"]["FunctionName"].rpartition(":")[2]
        function = of_type(example_body, "AWS::Lambda::Function")[name]["Properties"]
        assert function["Handler"] == f"gtplus_runtime.handlers.{status.slug}.handler"
        assert handler["TimeoutSeconds"] == function["Timeout"] == HANDLER_TIMEOUT_SECONDS

    @pytest.mark.parametrize("status", ENDS, ids=lambda s: s.slug)
    def test_an_end_is_written_and_not_waited_for(self, states: States, status: Status) -> None:
        end = states[status.name]
        assert end["Resource"] == "arn:aws:states:::aws-sdk:dynamodb:updateItem"
        assert end["End"] is True
        assert after(status) not in states

    def test_a_status_change_is_three_transitions(self, states: States) -> None:
        for status in OPEN:
            for follower in status.followers:
                choice = states[status.name]["Next"]
                handler = next(n for n in followers(states[choice]) if n == on(follower))
                way = [choice, handler, states[handler]["Next"]]
                assert way == [after(status), on(follower), follower]

    def test_a_status_without_a_handler_is_named(self) -> None:
        handlers = {status.name: "arn" for status in BATCH if status.name != "Paused"}
        with pytest.raises(ValueError, match=r"no handler for .*Paused"):
            batch_definition(BATCH, handlers=handlers, table="T", version="1")

    def test_another_lifecycle_makes_another_machine(self, validator: Validator) -> None:
        """Names with quotes too: they stand in expressions."""
        first = Status("Anna's \\ first", "It begins.", {"Done": frozenset(PEOPLE)})
        small = Lifecycle(first, Status("Done", "It ends."))
        functions = {s.name: "arn:aws:lambda:us-east-1:111122223333:function:x" for s in small}
        made = batch_definition(small, handlers=functions, table="T", version="1")
        assert validator.errors(made) == [[]]
        condition = JSONATA.fullmatch(made["States"]["Start"]["Choices"][0]["Condition"])
        assert condition is not None
        asked = {"input": {**INPUT, "handled": False, "status": first.name}}
        assert validator.evaluate([(condition[1], asked)]) == [True]


class TestWhatAnExecutionDoes:
    def chosen(self, validator: Validator, choice: dict[str, Any], inputs: list[dict[str, Any]]) -> list[str]:
        """Where a choice leads for each input, by evaluating its conditions as Step Functions does."""
        conditions = [next(expressions(branch["Condition"])) for branch in choice["Choices"]]
        values = iter(validator.evaluate((text, {"input": given}) for given in inputs for text in conditions))
        ways = []
        for _ in inputs:
            answers = [next(values) for _ in conditions]
            assert all(isinstance(answer, bool) for answer in answers)
            ways.append(
                next((b["Next"] for b, yes in zip(choice["Choices"], answers, strict=True) if yes), choice["Default"])
            )
        return ways

    def test_a_first_generation_starts_with_the_first_handler(self, validator: Validator, states: States) -> None:
        first = {**INPUT, "handled": False, "status": BATCH.first.name}
        assert self.chosen(validator, states["Start"], [first]) == [on(BATCH.first)]

    def test_a_later_one_parks_where_it_stands(self, validator: Validator, states: States) -> None:
        inputs = [{**INPUT, "status": str(status.name)} for status in BATCH]
        assert self.chosen(validator, states["Start"], inputs) == [status.name for status in BATCH]

    def test_only_the_first_status_can_be_unhandled(self, validator: Validator, states: States) -> None:
        inputs = [{**INPUT, "handled": False, "status": str(s.name)} for s in BATCH if s is not BATCH.first]
        assert set(self.chosen(validator, states["Start"], inputs)) == {"Unknown status"}

    @pytest.mark.parametrize("status", OPEN, ids=lambda s: s.slug)
    def test_an_event_leads_to_its_handler_or_waits_for_a_newer_deployment(
        self, validator: Validator, states: States, status: Status
    ) -> None:
        known = [str(each.name) for each in BATCH]
        ways = self.chosen(validator, states[after(status)], [{**INPUT, "status": name} for name in [*known, "New"]])
        assert ways == [on(name) if name in status.followers else "Unknown status" for name in [*known, "New"]]

    def test_a_woken_park_passes_on_what_it_was_told(self, validator: Validator, states: States) -> None:
        told = {"seq": 8, "status": "Ready for review", "handled": True}
        outputs = [next(expressions(states[status.name]["Output"])) for status in OPEN]
        for value in validator.evaluate((text, {"input": INPUT, "result": told}) for text in outputs):
            assert value == {**INPUT, **told}

    def test_a_handler_passes_its_input_on_and_which_notice_is_the_last(
        self, validator: Validator, states: States
    ) -> None:
        """What it answered else is nobody's; one of an earlier release answers no tag."""
        (output,) = {states[on(status)]["Output"] for status in BATCH}
        (text,) = expressions(output)
        answers = [{"outcome": "done", "noticeTag": "t"}, {"outcome": "done"}]
        values = validator.evaluate((text, {"input": INPUT, "result": {"Payload": each}}) for each in answers)
        assert list(values) == [{**INPUT, "noticeTag": "t"}, INPUT]

    def test_a_park_keeps_which_notice_is_the_last(self, validator: Validator, states: States) -> None:
        (tag,) = {states[status.name]["Arguments"]["ExpressionAttributeValues"][":tag"]["S"] for status in OPEN}
        (text,) = expressions(tag)
        assert list(validator.evaluate((text, {"input": each}) for each in ({"noticeTag": "t"}, {}))) == ["t", ""]

    def test_a_handler_is_told_what_it_needs_and_no_token(self, validator: Validator, states: States) -> None:
        for status in BATCH:
            payload = states[on(status)]["Arguments"]["Payload"]
            assert set(payload) == {"project", "batch", "seq", "status", "generation", "execution", "correlation"}
            assert not any("Token" in text for text in expressions(payload))
        texts = {key: next(expressions(text)) for key, text in payload.items()}
        values = validator.evaluate(
            (t, {"input": INPUT, "context": {"Execution": {"Id": "arn"}}}) for t in texts.values()
        )
        assert dict(zip(texts, values, strict=True)) == {
            **{key: value for key, value in INPUT.items() if key != "handled"},
            "execution": "arn",
        }

    def test_an_older_dispatcher_says_no_correlation(self, validator: Validator, states: States) -> None:
        (told,) = {states[on(status)]["Arguments"]["Payload"]["correlation"] for status in BATCH}
        (text,) = expressions(told)
        older = {name: value for name, value in INPUT.items() if name != "correlation"}
        assert validator.evaluate([(text, {"input": older})]) == [""]


class TestItsVersion:
    """What an execution writes on the batch when it parks, and the reconciler compares with the newest."""

    HANDLERS: ClassVar = {status.name: f"Stack/On {status.name}" for status in BATCH}

    def test_is_the_same_in_every_synth(self) -> None:
        assert definition_version(BATCH, self.HANDLERS) == definition_version(BATCH, dict(self.HANDLERS))

    def test_is_another_for_every_change(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = definition_version(BATCH, self.HANDLERS)
        assert definition_version(BATCH, self.HANDLERS | {"Paused": "Stack/Another"}) != before
        monkeypatch.setattr(_definition, "HANDLER_ATTEMPTS", 9)
        assert definition_version(BATCH, self.HANDLERS) != before

    def test_is_known_to_the_reconciler_and_written_by_every_park(self, states: States, example_body: Body) -> None:
        functions = of_type(example_body, "AWS::Lambda::Function").values()
        (reconciler,) = [
            f["Properties"] for f in functions if f["Properties"]["Handler"].endswith("reconciler.handler")
        ]
        written = {
            state["Arguments"]["ExpressionAttributeValues"][":definition"]["S"]
            for state in states.values()
            if state.get("Resource", "").endswith(".waitForTaskToken")
        }
        assert written == {reconciler["Environment"]["Variables"]["GTPLUS_DEFINITION"]}


class TestWhatIsWritten:
    def writes(self, states: States) -> dict[str, dict[str, Any]]:
        return {name: s for name, s in states.items() if ":updateItem" in s.get("Resource", "")}

    def test_only_by_the_generation_that_counts(self, states: States) -> None:
        writes = self.writes(states)
        assert set(writes) == {str(status.name) for status in BATCH} | {"Record failure"}
        for state in writes.values():
            assert state["Arguments"]["ConditionExpression"] == "generation = :generation"

    def test_to_the_head_of_this_batch(self, validator: Validator, states: States) -> None:
        for state in self.writes(states).values():
            key = state["Arguments"]["Key"]
            assert key["sk"] == {"S": "HEAD"}
            text = JSONATA.fullmatch(key["pk"]["S"])
            assert text is not None
            assert validator.evaluate([(text[1], {"input": INPUT})]) == ["BATCH#signs#digits-001"]

    def test_each_names_all_its_values_and_no_other(self, states: States) -> None:
        """DynamoDB refuses a name or value that is not used, as well as one that is missing."""
        for state in self.writes(states).values():
            arguments = state["Arguments"]
            text = arguments["UpdateExpression"] + " " + arguments["ConditionExpression"]
            assert set(re.findall(r":\w+", text)) == set(arguments["ExpressionAttributeValues"])
            assert set(re.findall(r"#\w+", text)) == set(arguments.get("ExpressionAttributeNames", {}))

    def test_a_park_names_the_event_that_was_handled(self, states: States) -> None:
        for status in OPEN:
            update = states[status.name]["Arguments"]["UpdateExpression"]
            assigned, _, removed = update.removeprefix("SET ").partition(" REMOVE ")
            assert set(assigned.split(", ")) == {
                "#token = :token",
                "parkedGeneration = :generation",
                "handled = :seq",
                "handledStatus = :status",
                "parkedAt = :now",
                "parkedDefinition = :definition",
                "noticeTag = :tag",
            }
            # A failure is that of one event, and is over once that one is handled; parking where it was is not.
            assert removed == ""

    def test_an_end_closes_the_head(self, states: States) -> None:
        for status in ENDS:
            arguments = states[status.name]["Arguments"]
            assigned, _, removed = arguments["UpdateExpression"].removeprefix("SET ").partition(" REMOVE ")
            assert {"handled = :seq", "handledStatus = :status"} <= set(assigned.split(", "))
            names = arguments["ExpressionAttributeNames"]
            assert {names.get(name, name) for name in removed.split(", ")} >= {"open", "token"}

    def test_a_failure_is_shown_and_nothing_taken_for_handled(self, states: States) -> None:
        update = states["Record failure"]["Arguments"]["UpdateExpression"]
        assert "handled" not in update
        assert "token" not in update
        assert states["Record failure"]["Next"] == "Failed"


class TestRetriesAndCatches:
    def test_a_failed_condition_is_never_tried_again(self, states: States) -> None:
        """Named first: the general retry that follows would take it too, and a superseded execution would linger."""
        for status in [*BATCH, None]:
            state = states["Record failure" if status is None else status.name]
            first, *others = state["Retry"]
            assert set(first["ErrorEquals"]) == CONDITION_FAILED
            assert first["MaxAttempts"] == 0
            assert [set(each["ErrorEquals"]) for each in others] == [{"States.TaskFailed"}]
            (caught,) = state["Catch"]
            assert set(caught["ErrorEquals"]) == CONDITION_FAILED
            assert caught["Next"] == "Superseded"
        assert states["Superseded"]["Type"] == "Succeed"

    def test_a_write_outlives_a_minute_of_throttling(self, states: States) -> None:
        retry = states["In progress"]["Retry"][1]
        waits = [
            min(retry["IntervalSeconds"] * retry["BackoffRate"] ** n, retry["MaxDelaySeconds"])
            for n in range(retry["MaxAttempts"])
        ]
        assert sum(waits) > 60
        assert retry["JitterStrategy"] == "FULL"

    @pytest.mark.parametrize("status", list(BATCH), ids=lambda s: s.slug)
    def test_a_handler_is_retried_and_its_failure_shown(self, states: States, status: Status) -> None:
        handler = states[on(status)]
        busy, failed = handler["Retry"]
        assert "Lambda.TooManyRequestsException" in busy["ErrorEquals"]
        assert set(failed["ErrorEquals"]) == {"States.TaskFailed", "States.Timeout"}
        # With the first run: as often as the reconciler counts on.
        assert failed["MaxAttempts"] + 1 == HANDLER_ATTEMPTS
        assert {busy["JitterStrategy"], failed["JitterStrategy"]} == {"FULL"}
        (caught,) = handler["Catch"]
        assert caught["ErrorEquals"] == ["States.ALL"]
        assert caught["Next"] == "Record failure"
