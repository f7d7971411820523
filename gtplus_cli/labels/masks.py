"""Segmentation masks: which pixels have which color, as the run lengths that COCO writes."""

import io
import re
from typing import NamedTuple

_RUN = re.compile(rb"(...)\1*", re.DOTALL)


class Region(NamedTuple):
    """The pixels of one color.

    Attributes:
        counts: lengths of runs outside and inside by turns, beginning outside, column by column.
        bbox: left, top, width and height of the least box that holds them.
        area: how many there are.
    """

    counts: list[int]
    bbox: list[int]
    area: int


def regions_of(content: bytes) -> tuple[tuple[int, int], dict[str, Region]]:
    """The size of a mask, and its regions by color (`#rrggbb`).

    Args:
        content: the picture (PNG), with a palette or not.

    Raises:
        ValueError: it is no picture.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
            # Rows of the transposed picture are columns.
            pixels = image.convert("RGB").transpose(Image.Transpose.TRANSPOSE).tobytes()
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"no picture: {error}") from None
    runs: dict[bytes, list[tuple[int, int]]] = {}
    for found in _RUN.finditer(pixels):
        runs.setdefault(found.group(1), []).append((found.start() // 3, found.end() // 3))
    return (width, height), {f"#{color.hex()}": _region(found, width, height) for color, found in runs.items()}


def _region(runs: list[tuple[int, int]], width: int, height: int) -> Region:
    counts, before, area = [], 0, 0
    top, bottom = height, 0
    for start, end in runs:
        counts += [start - before, end - start]
        area += end - start
        before = end
        # A run that goes on in the next column touches both edges.
        whole = start // height != (end - 1) // height
        top = 0 if whole else min(top, start % height)
        bottom = height if whole else max(bottom, (end - 1) % height + 1)
    if before < width * height:
        counts.append(width * height - before)
    left, right = runs[0][0] // height, (runs[-1][1] - 1) // height + 1
    return Region(counts, [left, top, right - left, bottom - top], area)
