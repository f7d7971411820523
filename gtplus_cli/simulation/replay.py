"""A simulated workforce for images of one's own: it knows nothing of them, and hands on labels that others gave.

In the first round some labels are another object's, on purpose, so that there is something for the review to find.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from gtplus_cli.simulation.workforce import Work, slips


class Replayed(NamedTuple):
    """A label as it stands in a manifest.

    Attributes:
        value: of the label attribute.
        metadata: of the label attribute.
        name: the label in a few words.
    """

    value: Any
    metadata: Mapping[str, Any]
    name: str

    def written(self, attribute: str, about: Mapping[str, str]) -> dict[str, Any]:
        """The label's attributes in an output manifest: the type stays, the job is the simulated one."""
        now = {name: about[name] for name in ("job-name", "creation-date")}
        return {attribute: self.value, f"{attribute}-metadata": {**about, **self.metadata, **now}}


class Replay:
    """Hands on the labels of a manifest.

    Args:
        labels: by file name below the batch's folder.
        start: what the URI of every object begins with, up to that name.
        error_rate: the share of objects that get another object's label when it works without care, 0 to 1.
        seed: which objects get them.
    """

    def __init__(self, labels: Mapping[str, Replayed], start: str, error_rate: float, seed: int) -> None:
        self.name = f"simulated workforce (replays labels, error rate {error_rate:g}, seed {seed})"
        self._labels, self._start, self._error_rate, self._seed = dict(labels), start, error_rate, seed

    def label(self, images: Mapping[str, bytes], *, with_care: bool = False) -> Work:
        """Label images by their names; their content is not looked at.

        Args:
            images: the bytes of the image files by object.
            with_care: no wrong labels on purpose, as in a rework.
        """
        names = {obj: obj.partition(self._start)[2] for obj in images}
        labels = {obj: self._labels[name] for obj, name in names.items() if name in self._labels}
        failed = {obj: "no label in the manifest" for obj in images if obj not in labels}
        wrong = {} if with_care else slips(labels, self._error_rate, self._seed)
        return Work(labels | {obj: self._another(labels[obj], draw) for obj, draw in wrong.items()}, failed)

    def _another(self, label: Replayed, draw: int) -> Replayed:
        """A label that is not this one: another object's, whose words differ where there is any."""
        known = {json.dumps(each.value, sort_keys=True): each for each in self._labels.values()}
        known.pop(json.dumps(label.value, sort_keys=True), None)
        others = [each for each in known.values() if each.name != label.name] or list(known.values())
        if others:
            return others[draw % len(others)]
        return Replayed(WRONG, {**label.metadata, "class-name": WRONG}, WRONG)


WRONG = "wrong on purpose"
"""The label that stands for a wrong one where all labels are the same."""
