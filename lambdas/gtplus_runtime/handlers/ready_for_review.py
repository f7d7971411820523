"""*Ready for review*: read the round's labels, and draw the sample that the reviewers look at."""

from typing import Any

from gtplus_runtime.frozen import input_changes
from gtplus_runtime.handling import Batch, on_status
from gtplus_runtime.label_files import label_files, missing_files
from gtplus_runtime.labels import Coverage
from gtplus_runtime.labels.agreement import agreement
from gtplus_runtime.metrics import count_completed
from gtplus_runtime.objects import Unreadable
from gtplus_runtime.review import METHODS, draw


@on_status
def handler(batch: Batch) -> None:
    """Count the labels and what is missing, draw the sample with its seed, and write the review set."""
    manifest = batch.told("manifest")
    sources = batch.sources()
    coverage = Coverage(batch.objects.chunks(manifest), batch.attribute, sources)
    seed = f"{batch.head['uid']}/{batch.round}"
    # A place that an earlier release registered has no method.
    method = batch.place.settings.get("sampleMethod", "random")
    labeled = coverage.labeled
    sample = draw(labeled, batch.place.settings["sampleSize"], seed, method)
    entries = [
        {"object": label.source, "label": label.value, "name": label.name, "confidence": label.least_confidence}
        | ({} if weight is None else {"weight": weight})
        for label, weight in sample
    ]
    uri = batch.objects.keep_lines(batch.round_file("sample.jsonl"), entries)
    summary, files = coverage.summary(), label_files(batch.objects, coverage.files, batch.place.writes)
    counts = {
        "completed": len(labeled),
        "failed": coverage.failed,
        "toReview": len(sample),
        "withFeedback": 0,
    }
    present = batch.head["round"] == batch.round
    batch.note(
        # Late, in the next round: what was reported of that counts by now.
        counts if present else None,
        labels={
            **summary,
            "problems": [*summary["problems"], *missing_files(files)],
            "files": files,
            "round": batch.round,
            "agreement": _with_earlier_rounds(batch, manifest, coverage, sources),
        },
        manifests={**batch.facts.get("manifests", {}), str(batch.round): manifest},
        inputChanges=input_changes(batch.objects, batch.facts["inventory"], batch.place.reads),
        sample={
            "uri": uri,
            "round": batch.round,
            "size": len(sample),
            "of": len(labeled),
            "method": METHODS[method],
            "seed": seed,
        },
    )
    batch.tell_provider()
    if present:
        count_completed(batch.key, batch.round, batch.head.get("objects", {}), counts)


def _with_earlier_rounds(batch: Batch, of: str, coverage: Coverage, sources: list[str]) -> dict[str, Any]:
    """How far the labels agree with those of each earlier round, as far as these are still there."""
    found = {}
    for number, manifest in batch.facts.get("manifests", {}).items():
        # Two rounds in one place: the earlier labels were written over.
        if int(number) < batch.round and manifest != of:
            try:
                earlier = Coverage(batch.objects.chunks(manifest), batch.attribute, sources)
            except Unreadable:
                found[number] = {"unreadable": manifest}
            else:
                found[number] = agreement(coverage.labels, earlier.labels)
    return found
