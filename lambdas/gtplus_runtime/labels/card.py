"""The dataset card: what a set of labels is, for whoever trains with it. Markdown, from the facts of a summary.

The sections follow T. Gebru et al., "Datasheets for Datasets" (CACM 64, 2021), as far as the facts reach: what is in
it, how good it is, where it comes from, how it came about.
"""

from collections.abc import Iterable, Mapping
from typing import Any

CLASSES_LISTED = 100
"""Classes that the card lists; the summary has the others."""

Row = tuple[object, ...]

_UNKNOWN: Mapping[str, Any] = {
    **dict.fromkeys(("unlabeled", "annotations", "withoutAnnotations", "human", "confidence", "created")),
    "types": {},
    "unknownTypes": {},
    "defects": {},
}


def dataset_card(summary: Mapping[str, Any]) -> str:
    """Write the card.

    Args:
        summary: `summary.json` of a batch, or as much of it as is known: `labels` (the summary of `Statistics` or
            `Coverage`) is all that must be there.
    """
    # A batch that was counted before a deploy lacks what is counted since.
    labels = {**_UNKNOWN, **summary["labels"]}
    title = "/".join(str(summary[name]) for name in ("project", "batch") if name in summary) or "Labels"
    parts = [f"# {_text(title)}\n", _table(("What", "How many"), _counts(labels, summary.get("objects") or {}))]
    if labels["classes"]:
        parts += ["## Classes\n", _table(("Class", "Annotations", "Share"), _classes(labels))]
    parts += ["## Quality\n", *(f"- {line}\n" for line in _quality(labels, summary.get("review")))]
    if origin := _origin(summary, labels):
        parts += ["\n## Where it comes from\n", _table(("What", "Where"), origin)]
    if events := summary.get("events"):
        rows = [(e["at"][:19].replace("T", " "), e["status"], e["round"], e["actor"]) for e in events]
        parts += ["## How it came about\n", _table(("When (UTC)", "Status", "Round", "Who"), rows)]
    return "\n".join(part.rstrip("\n") if part.startswith("- ") else part for part in parts).rstrip("\n") + "\n"


def _counts(labels: Mapping[str, Any], objects: Mapping[str, Any]) -> Iterable[Row]:
    known = objects.get("total", labels["labeled"] + labels["failed"] + (labels["unlabeled"] or 0))
    rows: list[Row] = [
        ("objects", known),
        ("labeled", labels["labeled"]),
        ("failed, with a reason", labels["failed"]),
        ("annotations", labels["annotations"]),
        ("labeled, with nothing in them", labels["withoutAnnotations"]),
    ]
    for name, count in labels["types"].items():
        unknown = ", carried as it stands" if name in labels["unknownTypes"] else ""
        rows.append((f"labels of type `{name}`{unknown}", count))
    rows.append(("labels made by people", labels["human"]))
    return [row for row in rows if row[1] is not None]


def _classes(labels: Mapping[str, Any]) -> Iterable[Row]:
    ranked = sorted(labels["classes"].items(), key=lambda item: (-item[1], item[0]))
    total = max(labels["annotations"] or 0, sum(labels["classes"].values()))
    for name, count in ranked[:CLASSES_LISTED]:
        yield name, count, f"{count / total:.1%}"
    rest = total - sum(count for _, count in ranked[:CLASSES_LISTED])
    if rest > 0:
        yield "(others)", rest, f"{rest / total:.1%}"


def _quality(labels: Mapping[str, Any], review: Mapping[str, Any] | None) -> Iterable[str]:
    if review and review.get("sampled"):
        found = f"{review['wrong']} of {review['sampled']} reviewed labels were wrong"
        if "atMost" in review:
            bound = f"with {review['confidence']:.0%} confidence at most {review['atMost']:.1%} of all are"
            yield f"{found}: {bound} (exact binomial bound)."
        else:
            yield f"{found}; no bound for all labels follows from this sample ({review['method']})."
    else:
        yield "Not reviewed: nothing is known of the share of wrong labels."
    if sure := labels["confidence"]:
        yield (
            f"Confidence of {sure['count']:,} annotations: median {sure['median']:g}, a twentieth at most "
            f"{sure['p05']:g} (compare within a labeling job only; 0 stands for a single worker)."
        )
    for kind, count in labels["defects"].items():
        yield f"{_text(kind)}: {count:,}"


def _origin(summary: Mapping[str, Any], labels: Mapping[str, Any]) -> Iterable[Row]:
    accepted = summary.get("accepted") or {}
    created = labels.get("created")
    rows: list[Row] = [
        ("input", summary.get("input")),
        ("labels", summary.get("manifest")),
        ("label attribute", summary.get("labelAttribute")),
        ("SHA-256 of the labels", (summary.get("delivery") or {}).get("sha256", summary.get("sha256"))),
        ("accepted in round", accepted.get("round")),
        ("rounds", summary.get("rounds")),
        ("labels created", f"{created[0]} to {created[1]}" if created else None),
    ]
    return [row for row in rows if row[1] is not None]


def _table(head: tuple[str, ...], rows: Iterable[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    shown = [f"{cell:,}" if isinstance(cell, int) else _text(str(cell)) for row in lines for cell in row]
    width = len(head)
    return "".join(f"| {' | '.join(shown[at : at + width])} |\n" for at in range(0, len(shown), width))


def _text(text: str) -> str:
    # Names are others' words: no markup of theirs, no end of a cell or a line.
    text = "".join(c if c.isprintable() else " " for c in text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
