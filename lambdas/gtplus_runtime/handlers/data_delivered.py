"""*Data delivered*: write the summary. The end."""

from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Say in one file what was delivered, how it was reviewed, and every step of the way."""
    events = [
        {name: event[name] for name in ("seq", "status", "at", "round")} | {"actor": event["actor"]["name"]}
        for event in batch.store.events(batch.key)
    ]
    facts = batch.facts
    summary = {
        "version": 1,
        "project": batch.key.project,
        "batch": batch.key.batch,
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
    batch.note(summary=batch.objects.write_json(batch.file("summary.json"), summary))
    batch.tell_provider()
