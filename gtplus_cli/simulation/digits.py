"""The demo's real data: handwritten digits, 8×8 pixels of 17 shades, as PNG files.

They are the 1,797 digits of scikit-learn's `load_digits` (the test set of the UCI data set "Optical Recognition of
Handwritten Digits", E. Alpaydin and C. Kaynak). A batch takes some of them; all the others, with their labels, are
what the simulated workforce has learned from. The people who wrote the digits are not separated: the workforce has
seen other digits by the same hands.
"""

import io
from functools import cache

from PIL import Image

Shades = tuple[int, ...]
"""The 64 pixels of a digit, row by row: 0 is paper, 16 is ink."""

COUNT = 200
"""How many digits a batch has unless told otherwise."""

MOST = 898
"""The most that a batch can have: half of all, so that as many are left to learn from."""

_SIDE, _INK, _WHITE, _SCALE = 8, 16, 255, 8


def chosen(count: int = COUNT) -> list[int]:
    """Returns the positions in the data set of the digits that make up a batch.

    The rule: `count` positions evenly spaced over the data set from its first digit on; number *i* is the whole part
    of *i* × 1,797 / `count`. It depends on nothing else.

    Raises:
        ValueError: if `count` is not between 1 and `MOST`.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"a batch of {count} digits: between 1 and {MOST} are possible")
    total = len(_data_set()[0])
    return [number * total // count for number in range(count)]


def name_of(position: int) -> str:
    """Returns the file name of a digit: `digit-0007.png` is the data set's number 7."""
    return f"digit-{position:04}.png"


def batch(count: int = COUNT) -> dict[str, bytes]:
    """Returns the batch's images: PNG bytes by file name."""
    shades = _data_set()[0]
    return {name_of(position): render(shades[position]) for position in chosen(count)}


def training_material(count: int = COUNT) -> tuple[list[Shades], list[int]]:
    """Returns shades and labels of the digits that are *not* in the batch: what a workforce may learn from."""
    shades, labels = _data_set()
    others = sorted(set(range(len(shades))) - set(chosen(count)))
    return [shades[position] for position in others], [labels[position] for position in others]


def true_labels(count: int = COUNT) -> dict[str, int]:
    """Returns the labels of the batch's digits by file name. For `Answers` only, which guards them."""
    labels = _data_set()[1]
    return {name_of(position): labels[position] for position in chosen(count)}


def render(shades: Shades) -> bytes:
    """Draws a digit dark on light, as a PNG of 64×64 pixels; `read` gets the shades back exactly."""
    light = bytes(_WHITE - round(shade * _WHITE / _INK) for shade in shades)
    small = Image.frombytes("L", (_SIDE, _SIDE), light)
    large = small.resize((_SIDE * _SCALE, _SIDE * _SCALE), Image.Resampling.NEAREST)
    png = io.BytesIO()
    large.save(png, "PNG", optimize=True)
    return png.getvalue()


def read(image: bytes) -> Shades:
    """Looks at an image: the mean shade of each of its 8×8 fields.

    Any size and format that Pillow knows will do, so that one can give the workforce a picture of one's own.

    Raises:
        ValueError: if these bytes are no image.
    """
    try:
        grey = Image.open(io.BytesIO(image)).convert("L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable image: {error}") from error
    fields = grey.resize((_SIDE, _SIDE), Image.Resampling.BOX).tobytes()
    return tuple(round((_WHITE - field) * _INK / _WHITE) for field in fields)


@cache
def _data_set() -> tuple[list[Shades], list[int]]:
    # Takes most of a second to import, and is an extra: whoever only reads the command's help must not wait for it.
    from sklearn.datasets import load_digits

    data = load_digits()
    return [tuple(map(int, row)) for row in data.data], [int(label) for label in data.target]
