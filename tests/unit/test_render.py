"""A batch as people read it: what its review shows, and what it does not."""

from io import StringIO
from typing import Any

from rich.console import Console

from gtplus_cli.render import agreement_words, show_batch

BATCH = {
    "project": "p",
    "batch": "b",
    "status": "Review complete",
    "since": "2026-11-25T10:00:00+00:00",
    "round": 1,
    "meaning": "",
    "objects": {},
    "facts": {},
    "form": {"input": "s3://data/raw/", "output": "s3://data/labels/b/"},
}
REVIEW = {"sampled": 50, "wrong": 2, "missing": 0, "proposal": "accept", "maxErrorRate": 0.05}


def shown(**review: Any) -> str:
    console = Console(width=400, record=True, file=StringIO())
    show_batch({**BATCH, "review": {**REVIEW, **review}}, console)
    return console.export_text()


def test_a_proposal_is_shown_with_its_bound_and_its_risks() -> None:
    risks = {"acceptOver": 0.5405, "acceptDouble": 0.1117, "rejectWithin": 0.4595}
    text = shown(method="simple random", atMost=0.1206, confidence=0.95, risks=risks)
    assert "2 of 50 wrong; with 95% confidence at most 12.1% of all; proposal: accept" in text
    assert "accepts a batch just over 5.0% with a chance of 54%, one of 10.0% with 11%" in text
    assert "and rejects one of 5.0% with 46%" in text


def test_an_agreement_without_a_measure_is_told_without_it() -> None:
    """Where all have one class, and where no boxes match: the table keeps no None."""
    found = {"objects": 3, "classes": {"objects": 3, "equal": 1.0}, "boxes": {"matched": 0, "of": [3, 3], "f1": 0.0}}
    words = "3 objects in both; classes 100.0% equal; boxes F1 0.00"
    assert agreement_words(found) == words
    assert agreement_words({**found, "boxes": {**found["boxes"], "meanIou": None}}) == words


def test_a_sample_that_is_not_random_is_shown_to_bound_nothing() -> None:
    text = shown(method="least confident", missing=3)
    assert "2 of 50 wrong, 3 without a verdict; no bound follows from this sample (least confident)" in text
    assert "risks" not in text
