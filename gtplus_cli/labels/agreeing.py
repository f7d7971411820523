"""How far the labels in two manifests agree: those of a round and an earlier one, or of a provider and gold labels."""

from pathlib import Path
from typing import Any

from gtplus_cli.labels.reading import lines_in, opened
from gtplus_runtime.labels import Label
from gtplus_runtime.labels.agreement import agreement
from gtplus_runtime.problems import Problem, Refused


def label_agreement(
    manifest: str | Path,
    gold: str | Path,
    *,
    attribute: str | None = None,
    gold_attribute: str | None = None,
    s3: Any = None,
) -> dict[str, Any]:
    """Compare the labels of the objects that are in both manifests; of several lines of an object, the last counts.

    Args:
        manifest: a path, or an S3 URI.
        gold: what it is compared with, a path or an S3 URI.
        attribute: the label attribute in `manifest`; the only one with metadata where none is named.
        gold_attribute: the label attribute in `gold`; where none is named the same, or else the only one there.
        s3: the S3 client to fetch with; None makes one of the default session.

    Returns:
        See `gtplus_runtime.labels.agreement.Agreement.summary`.

    Raises:
        Refused: there is nothing to read, it is not clear which attribute is meant, or no object is in both.
    """
    name, labels = _labels(manifest, attribute, "attribute", None, s3)
    _, others = _labels(gold, gold_attribute, "gold attribute", name, s3)
    if labels.keys().isdisjoint(others):
        example = next(iter(others), "")
        problem = Problem(
            "gold", "must label objects of the manifest", example, "name the objects as the manifest does"
        )
        raise Refused(400, "no object is in both manifests", [problem])
    return agreement(labels, others)


def _labels(
    location: str | Path, attribute: str | None, option: str, preferred: str | None, s3: Any
) -> tuple[str, dict[str, Label]]:
    found: dict[str, dict[str, Label]] = {}
    with opened(location, s3) as path:
        for line in lines_in(path, attribute):
            for label in line.labels:
                found.setdefault(label.attribute, {})[label.source] = label
    if preferred is not None and preferred in found:
        return preferred, found[preferred]
    if len(found) != 1:
        named = ", ".join(sorted(found)) or "none"
        problem = Problem(option, f"{location} must have one label attribute with metadata", named, "name one")
        raise Refused(400, "it is not clear which labels are meant", [problem])
    return next(iter(found.items()))
