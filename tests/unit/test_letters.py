"""What `gtplus dlq` and `gtplus events` make of answers that the local cloud does not give."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from gtplus_cli.caller import Caller
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
