"""The demo's images are real digits, drawn without loss, and the workforce learns from other ones."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gtplus_cli.simulation import digits

SHADES = st.lists(st.integers(0, 16), min_size=64, max_size=64).map(tuple)
COUNTS = st.integers(1, digits.MOST)


def test_a_standard_batch_is_200_images_named_after_their_place_in_the_data_set() -> None:
    images = digits.batch()

    assert len(images) == 200
    assert list(images)[:3] == ["digit-0000.png", "digit-0008.png", "digit-0017.png"]
    assert list(images)[-1] == "digit-1788.png"


@settings(deadline=None)
@given(SHADES)
def test_drawing_loses_nothing(shades: digits.Shades) -> None:
    assert digits.read(digits.render(shades)) == shades


def test_the_ink_is_dark_on_light_paper() -> None:
    image = Image.open(io.BytesIO(digits.render((16, *[0] * 63))))

    assert (image.format, image.mode, image.size) == ("PNG", "L", (64, 64))
    assert (image.getpixel((0, 0)), image.getpixel((7, 7)), image.getpixel((8, 8))) == (0, 0, 255)


def test_a_picture_of_another_size_and_format_can_be_read_too() -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (123, 77), "black").save(jpeg, "JPEG")

    assert digits.read(jpeg.getvalue()) == (16,) * 64


@pytest.mark.parametrize("content", [b"", b"not an image", digits.render((3,) * 64)[:60]])
def test_what_is_no_image_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a readable image"):
        digits.read(content)


@settings(deadline=None)
@given(COUNTS)
def test_a_batch_has_as_many_different_digits_as_asked_for_from_all_over_the_data_set(count: int) -> None:
    chosen = digits.chosen(count)

    assert len(set(chosen)) == count
    assert chosen == sorted(chosen)
    steps = {later - earlier for earlier, later in zip(chosen, [*chosen[1:], 1797], strict=True)}
    assert max(steps) - min(steps) <= 1


@pytest.mark.parametrize("count", [0, -1, digits.MOST + 1])
def test_a_batch_that_leaves_too_little_to_learn_from_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 898"):
        digits.chosen(count)


def test_nothing_of_the_batch_is_training_material() -> None:
    batch = {digits.read(image) for image in digits.batch().values()}
    images, labels = digits.training_material()

    assert len(images) == len(labels) == 1797 - 200
    assert batch.isdisjoint(images)
