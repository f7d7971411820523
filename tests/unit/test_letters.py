"""What the command line makes of letters, answers and input that the local cloud does not give."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gtplus_cli.batch_commands import _verdicts
from gtplus_cli.caller import Caller
from gtplus_cli.client import WorkspaceClient
from gtplus_cli.errors import guarded
from gtplus_cli.letters import DeadLetters
from gtplus_cli.main import app
from gtplus_runtime.problems import Problem, Refused


class Queue:
    """A queue of letters, none of which comes twice."""

    def __init__(self, *bodies: Any) -> None:
        self.waiting = [
            {
                "MessageId": str(number),
                "ReceiptHandle": str(number),
                "Body": json.dumps(body),
                "Attributes": {"SentTimestamp": "0"},
                "MessageAttributes": {},
            }
            for number, body in enumerate(bodies)
        ]
        self.deleted: list[str] = []

    def receive_message(self, **_: Any) -> dict[str, Any]:
        messages, self.waiting = self.waiting, []
        return {"Messages": messages}

    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:
        self.deleted.append(ReceiptHandle)

    def change_message_visibility(self, **_: Any) -> None:
        pass


class Client:
    """A workspace that answers as it is told."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        self.call = answer
        self.facts = {"letters": {"rules": "rules", "storage": "storage"}}


def letters(hop: str, queue: Queue, answer: Callable[..., Any] = lambda *_, **__: {}) -> DeadLetters:
    session: Any = type("Session", (), {"client": lambda self, name: queue})()
    client: Any = Client(answer)
    return DeadLetters(session, client, hop)


def test_a_letter_whose_event_the_table_does_not_have_stays() -> None:
    detail = {"project": "streets", "batch": "digits", "status": "Accepted", "at": "2026-11-25T00:00:00.000000Z"}
    queue = Queue({"detail": detail}, {"detail": {**detail, "at": "2026-11-26T00:00:00.000000Z"}})

    def answer(route: str, **span: str) -> dict[str, int]:
        return {"told": int(span["since"].startswith("2026-11-26"))}

    done = letters("rules", queue, answer).redrive(10)
    assert (done.again, [why for _, why in done.left]) == (
        1,
        ["the table has no event of 2026-11-25T00:00:00.000000Z to tell again"],
    )
    assert queue.deleted == ["1"]


def test_a_look_that_failed_is_listed_as_what_it_is() -> None:
    (letter,) = letters("storage", Queue({"project": "streets", "batch": "digits"})).look(10)
    assert letter.what == "a look at the delivery of batch streets/digits"


def test_of_a_whole_quarantine_one_that_is_refused_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(route: str, **more: Any) -> Any:
        if route == "event.list":
            return {"events": [{"id": name, "uri": f"s3://b/{name}"} for name in ("one", "two", "three")], "next": None}
        if more["event"] == "two":
            raise Refused(409, "this event cannot be replayed", [Problem("two", "names an object", "", "look at it")])
        return {"uri": f"s3://b/{more['event']}", "reason": "its batch is on hold", "settled": "now"}

    monkeypatch.setattr(Caller, "client", Client(answer))
    said = io.StringIO()
    code = guarded(lambda: app(["events", "replay", "--all"], standalone_mode=False), Console(file=said, width=200))
    assert code != 0
    assert "s3://b/one" in (told := capsys.readouterr().out)
    assert "s3://b/three" in told
    assert " ".join(said.getvalue().split()) == "1 of 3 were not replayed two names an object look at it"


@pytest.mark.parametrize("arguments", [[], [""], ["one", "--all"]])
def test_what_is_replayed_is_one_event_or_all(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    called: list[str] = []
    monkeypatch.setattr(Caller, "client", Client(lambda route, **_: called.append(route)))
    said = io.StringIO()
    code = guarded(lambda: app(["events", "replay", *arguments], standalone_mode=False), Console(file=said, width=200))
    assert (code, called) == (1, [])
    assert "it is not clear what to replay" in said.getvalue()


@pytest.mark.parametrize("name", ["../../x", "\udcff", ""])
def test_a_name_that_can_be_none_is_refused_before_any_call(name: str) -> None:
    client = object.__new__(WorkspaceClient)  # it has no workspace to call
    with pytest.raises(Refused, match="event: 1 to 63 letters"):
        client.call("event.replay", event=name)


SAMPLE = [{"object": "s3://data/raw/1"}]
VERDICT = '{"object": "s3://data/raw/1", "correct": true}\n'


def test_verdicts_in_another_encoding_are_refused_with_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text(VERDICT, encoding="utf-16")
    with pytest.raises(Refused, match=r"text in UTF-8 .*verdicts.jsonl.*write the file as UTF-8"):
        _verdicts(path, SAMPLE)
    path.write_text(VERDICT, encoding="utf-8-sig")
    assert _verdicts(path, SAMPLE) == [{"object": "s3://data/raw/1", "correct": True}]


def test_verdicts_on_what_is_not_in_the_sample_are_refused_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text(VERDICT + VERDICT.replace("raw", "row") + VERDICT.replace('"s3://data/raw/1"', "{}") + "{}\n")
    with pytest.raises(Refused, match="2 problems") as refusal:
        _verdicts(path, SAMPLE)
    assert [(problem.place, problem.value) for problem in refusal.value.problems] == [
        ("line 2", "'s3://data/row/1'"),
        ("line 3", "{}"),
    ]


def test_of_an_empty_quarantine_a_program_reads_that_nothing_was_replayed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Caller, "client", Client(lambda route, **_: {"events": [], "next": None}))
    app(["events", "replay", "--all", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == {"events": []}
