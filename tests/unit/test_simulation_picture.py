"""The contact sheet shows every image with its label, and marks the wrong ones."""

import io

import pytest
from PIL import Image

from gtplus_cli.simulation import Tile, contact_sheet, digits

DIGIT = digits.render((0, 16) * 32)
RED, GREEN = (198, 40, 40), (27, 127, 59)


def drawn(tiles: list[Tile], columns: int = 10, title: str = "T", note: str = "") -> Image.Image:
    image = Image.open(io.BytesIO(contact_sheet(tiles, title, note, columns)))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return image


def colors(image: Image.Image) -> set[object]:
    return {color for _, color in image.getcolors(image.width * image.height) or []}


def test_ten_images_make_a_row() -> None:
    one, ten, eleven = (drawn([Tile(DIGIT, "3")] * number) for number in (1, 10, 11))

    assert one.height == ten.height < eleven.height
    assert one.width < ten.width == eleven.width


def test_a_long_title_or_note_is_not_cut_off() -> None:
    short = drawn([Tile(DIGIT, "3")])

    assert drawn([Tile(DIGIT, "3")], title="A long title " * 9).width > short.width
    assert drawn([Tile(DIGIT, "3")], note="A long note " * 9).width > short.width


@pytest.mark.parametrize(
    ("tile", "red", "green"),
    [
        (Tile(DIGIT, "3"), False, False),
        (Tile(DIGIT, "3", after="3"), False, False),
        (Tile(DIGIT, "3", after="8"), False, False),
        (Tile(DIGIT, "3", wrong=True), True, False),
        (Tile(DIGIT, "3", wrong=True, after="3"), True, False),
        (Tile(DIGIT, "3", wrong=True, after="8"), True, True),
    ],
)
def test_wrong_labels_are_red_and_what_they_became_is_green(tile: Tile, red: bool, green: bool) -> None:
    seen = colors(drawn([tile]))

    assert (RED in seen, GREEN in seen) == (red, green)


def test_counts_can_be_read_in_the_bundled_font() -> None:
    """It has no times sign, and draws an empty box in its place."""
    assert drawn([Tile(DIGIT, "2 × car", True, "3 × car")]) == drawn([Tile(DIGIT, "2 x car", True, "3 x car")])


def test_a_palette_with_transparency_is_drawn_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    png = io.BytesIO()
    Image.new("P", (200, 100)).save(png, "PNG", transparency=bytes([128, 64]))
    drawn([Tile(png.getvalue(), "3")])
    assert [str(warning.message) for warning in recwarn] == []


def test_a_sheet_of_nothing_is_a_title() -> None:
    assert drawn([]).width > 0


def test_the_same_sheet_is_the_same_file() -> None:
    tiles = [Tile(DIGIT, "3"), Tile(DIGIT, "4", wrong=True, after="5")]

    assert contact_sheet(tiles, "T", "N") == contact_sheet(tiles, "T", "N")
