"""*Data delivered*: write the summary and the dataset card. The end."""

from gtplus_runtime.handling import Batch, on_status
from gtplus_runtime.labels.card import dataset_card


@on_status
def handler(batch: Batch) -> None:
    """Say what was delivered, how it was reviewed, and every step of the way: for programs, and for people."""
    events = [
        {name: event[name] for name in ("seq", "status", "at", "round")} | {"actor": event["actor"]["name"]}
        for event in batch.store.events(batch.key)
    ]
    facts = batch.facts
    summary = {
        "version": 1,
        "project": batch.key.project,
        "batch": batch.key.batch,
        "input": batch.head["form"]["input"],
        "manifest": batch.delivery,
        "labelAttribute": batch.attribute,
        "objects": batch.head["objects"],
        "rounds": batch.round,
        "labels": facts["labels"],
        "review": facts.get("review"),
        "accepted": facts["accepted"],
        "delivery": facts["delivery"],
        "events": events,
    }
    batch.note(
        summary=batch.objects.write_json(batch.file("summary.json"), summary),
        card=batch.objects.write_text(batch.file("README.md"), dataset_card(summary), "text/markdown; charset=utf-8"),
    )
    batch.tell_provider()
