"""A contact sheet: images with the labels that they were given, as one PNG for people to look at."""

import io
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

_PAPER, _CARD, _RULE, _INK, _FAINT = "#f6f5f1", "#ffffff", "#d9d6cd", "#22252b", "#6c6f76"
_WRONG, _WRONG_CARD, _RIGHT = "#c62828", "#fdecea", "#1b7f3b"
_IMAGE, _PAD, _CAPTION, _GAP, _MARGIN = 96, 8, 36, 12, 36
_CARD_WIDTH, _CARD_HEIGHT = _IMAGE + 2 * _PAD, _IMAGE + 2 * _PAD + _CAPTION
_TITLE, _TEXT, _LABEL, _ARROW = 30, 17, 24, 22


class Tile(NamedTuple):
    """One image of the sheet.

    Attributes:
        image: the bytes of the image file.
        label: what it was labeled.
        wrong: whether that is wrong; it is marked in red.
        after: the label after a rework, where it is known.
    """

    image: bytes
    label: str
    wrong: bool = False
    after: str | None = None


def contact_sheet(tiles: Sequence[Tile], title: str, note: str = "", columns: int = 10) -> bytes:
    """Draws images in rows with their labels below, and returns the PNG.

    Args:
        tiles: the images, row by row.
        title: the headline.
        note: a line below the headline.
        columns: how many images a row has.
    """
    columns = max(1, min(columns, len(tiles)))
    rows = -(-len(tiles) // columns)
    text_width = max(_width(title, _TITLE), _width(note, _TEXT))
    grid_width = columns * (_CARD_WIDTH + _GAP) - _GAP
    head = _MARGIN + _TITLE + (14 + _TEXT if note else 0) + 26
    size = (
        2 * _MARGIN + max(grid_width, text_width),
        head + rows * (_CARD_HEIGHT + _GAP) - _GAP + _MARGIN,
    )
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), title, _INK, _font(_TITLE), anchor="lt")
    draw.text((_MARGIN, _MARGIN + _TITLE + 14), note, _FAINT, _font(_TEXT), anchor="lt")
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        _draw_tile(sheet, draw, tile, _MARGIN + column * (_CARD_WIDTH + _GAP), head + row * (_CARD_HEIGHT + _GAP))
    png = io.BytesIO()
    sheet.save(png, "PNG", optimize=True)
    return png.getvalue()


def _draw_tile(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int) -> None:
    draw.rounded_rectangle(
        (left, top, left + _CARD_WIDTH - 1, top + _CARD_HEIGHT - 1),
        radius=8,
        fill=_WRONG_CARD if tile.wrong else _CARD,
        outline=_WRONG if tile.wrong else _RULE,
        width=3 if tile.wrong else 1,
    )
    # Pillow wants transparency that a palette tells to be taken out of it first.
    picture = Image.open(io.BytesIO(tile.image)).convert("RGBA").convert("RGB")
    if max(picture.size) <= _IMAGE:
        picture = picture.resize((_IMAGE, _IMAGE), Image.Resampling.NEAREST)
    else:
        picture = ImageOps.pad(picture, (_IMAGE, _IMAGE), color=_CARD)
    sheet.paste(picture, (left + _PAD, top + _PAD))
    middle = (left + _CARD_WIDTH / 2, top + _CARD_HEIGHT - _PAD / 2 - _CAPTION / 2)
    _draw_caption(draw, tile, *middle)


def _draw_caption(draw: ImageDraw.ImageDraw, tile: Tile, x: float, y: float) -> None:
    color = _WRONG if tile.wrong else _INK
    room = _CARD_WIDTH - 8
    if tile.after is None or tile.after == tile.label:
        text, size = _fitted(tile.label, room)
        draw.text((x, y), text, color, _font(size), anchor="mm")
        return
    # The bundled font has no arrow, so it is drawn; it tells old from new without colors.
    half = (room - _ARROW - 16) / 2
    (first, first_size), (second, second_size) = _fitted(tile.label, half), _fitted(tile.after, half)
    before, after = _width(first, first_size), _width(second, second_size)
    left = x - (before + after + _ARROW + 16) / 2
    draw.text((left, y), first, color, _font(first_size), anchor="lm")
    start, end = left + before + 8, left + before + 8 + _ARROW
    draw.line((start, y, end, y), _FAINT, 2)
    draw.polygon([(end, y), (end - 7, y - 5), (end - 7, y + 5)], _FAINT)
    draw.text((end + 8, y), second, _RIGHT if tile.wrong else _INK, _font(second_size), anchor="lm")


def _fitted(text: str, room: float) -> tuple[str, int]:
    """The text as it fits, and its size: smaller first, then cut."""
    text = text.replace("×", "x")  # which the bundled font lacks
    size = next((size for size in range(_LABEL, 9, -1) if _width(text, size) <= room), 10)
    while len(text) > 1 and _width(text, size) > room:
        text = text[:-2] + "…"
    return text, size


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _width(text: str, size: int) -> int:
    return round(_font(size).getlength(text))
