"""The simulated workforce: it looks at images and says which digit they show.

It has learned from the digits that are not in the batch, and never sees a true label of the batch. Without added
mistakes it labels 199 of the standard batch's 200 digits correctly (it takes one 9 for a 5), so a sample of any size,
drawn with any seed, has at most one wrong label.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import combinations
from math import exp
from typing import Any, NamedTuple, Protocol

from gtplus_cli.simulation import digits

CLASSES = 10
"""The classes are the digits 0 to 9; class *n* is named as it is written."""

_STEEPNESS = 3.0


class Label(NamedTuple):
    """What the workforce says about one image.

    Attributes:
        class_id: the digit.
        confidence: how clear the image is, 0 to 1: the closest contest that the class won against another. A slip
            of the hand does not feel wrong, so an added mistake has the confidence of what was seen.
    """

    class_id: int
    confidence: float

    @property
    def name(self) -> str:
        """The class's name."""
        return str(self.class_id)

    def written(self, attribute: str, about: Mapping[str, str]) -> dict[str, Any]:
        """The label's attributes in an output manifest."""
        metadata = {"confidence": self.confidence, "class-name": self.name, **about}
        return {attribute: self.class_id, f"{attribute}-metadata": metadata}


class Given(Protocol):
    """A label that a workforce gave."""

    def written(self, attribute: str, about: Mapping[str, str]) -> dict[str, Any]:
        """The label's attributes in an output manifest.

        Args:
            attribute: the label attribute.
            about: metadata of the job.
        """
        ...


class Work(NamedTuple):
    """What came of labeling a set of images.

    Attributes:
        labels: by object.
        failed: what could not be labeled, by object, with the reason.
    """

    labels: Mapping[str, Given]
    failed: dict[str, str]


class Labelers(Protocol):
    """A simulated workforce.

    Attributes:
        name: for the log; says that it is simulated.
    """

    name: str

    def label(self, images: Mapping[str, bytes], *, with_care: bool = False) -> Work:
        """Label images.

        Args:
            images: the bytes of the image files by object.
            with_care: no mistakes on purpose, as in a rework.
        """
        ...


class Workforce:
    """A simulated workforce for images of handwritten digits.

    Args:
        error_rate: the share of objects that get an added mistake when it works without care, 0 to 1.
        seed: which objects get them, and which wrong class.
        count: the size of the batch of digits that it must not have learned from.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(self, error_rate: float = 0.12, seed: int = 7, count: int = digits.COUNT) -> None:
        if not 0 <= error_rate <= 1:
            raise ValueError(f"an error rate of {error_rate}: between 0 and 1 is possible")
        digits.chosen(count)
        self.error_rate = error_rate
        self.seed = seed
        self.name = f"simulated workforce (error rate {error_rate:g}, seed {seed})"
        self._count = count

    def label(self, images: Mapping[str, bytes], *, with_care: bool = False) -> Work:
        """Labels images.

        Args:
            images: the bytes of the image files by object; their order does not matter.
            with_care: no added mistakes, as in a rework.
        """
        seen: dict[str, digits.Shades] = {}
        failed: dict[str, str] = {}
        for obj, image in images.items():
            try:
                seen[obj] = digits.read(image)
            except ValueError as error:
                failed[obj] = str(error)
        labels = dict(zip(seen, _classify(list(seen.values()), self._count), strict=True))
        for obj, shift in {} if with_care else slips(labels, self.error_rate, self.seed).items():
            labels[obj] = labels[obj]._replace(class_id=(labels[obj].class_id + shift) % CLASSES)
        return Work(labels, failed)


def slips(objects: Iterable[str], error_rate: float, seed: int) -> dict[str, int]:
    """Chooses the objects that get an added mistake: exactly `round(error_rate × objects)` of them.

    The choice depends on seed and keys only, not on their order, and not on the bucket: a bucket's name may differ
    from run to run.

    Returns:
        By how many classes, 1 to 9, the label of each chosen object is off.
    """
    drawn = sorted((_draw(seed, obj), obj) for obj in objects)
    return {obj: 1 + draw % (CLASSES - 1) for draw, obj in drawn[: round(error_rate * len(drawn))]}


def _draw(seed: int, obj: str) -> int:
    key = obj.removeprefix("s3://").partition("/")[2] if obj.startswith("s3://") else obj
    return int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest())


def _classify(images: list[digits.Shades], count: int) -> list[Label]:
    if not images:
        return []
    classifier = _learned(count)
    pairs = list(combinations(range(CLASSES), 2))
    contests = classifier.decision_function(images).tolist()
    labels = []
    for winner, margins in zip(classifier.predict(images).tolist(), contests, strict=True):
        # A positive margin is one for the first class of the pair.
        closest = min(
            margin if winner == first else -margin
            for (first, second), margin in zip(pairs, margins, strict=True)
            if winner in (first, second)
        )
        labels.append(Label(winner, round(1 / (1 + exp(-_STEEPNESS * closest)), 2)))
    return labels


@cache
def _learned(count: int) -> Any:
    from sklearn.svm import SVC

    images, labels = digits.training_material(count)
    return SVC(gamma=0.001, decision_function_shape="ovo").fit(images, labels)
