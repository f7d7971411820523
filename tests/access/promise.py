"""What a promise is: a check of a world, called by what it says."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

from gtplus_constructs.assertions import NotModelled
from tests.access.world import World

Check: TypeAlias = Callable[[World], None]


class Promises(dict[str, Check]):
    """Checks by what they promise."""

    def __call__(self, check: Check) -> Check:
        """Add a function whose name, read aloud, is the promise."""
        name = check.__name__.replace("_", " ")
        assert name not in self, name
        self[name] = named(name, check)
        return check


def named(name: str, check: Check) -> Check:
    """The check, which breaks by its name where the template lacks what it looks at, or cannot be judged."""

    @wraps(check)
    def kept(world: World) -> None:
        try:
            check(world)
        except (LookupError, TypeError, ValueError, AttributeError, NotModelled) as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error

    return kept


def each_has(found: dict[str, Any], **options: Any) -> None:
    """Assert that every resource has these values; a path is written with `__`."""
    for name, properties in found.items():
        for path, wanted in options.items():
            value: Any = properties
            for step in path.split("__"):
                value = value.get(step) if isinstance(value, dict) else None
            assert value == wanted, f"{name}: {path.replace('__', '.')} is {value!r}, not {wanted!r}"


def none_has(found: dict[str, Any], *options: str) -> None:
    """Assert that no resource has any of these properties."""
    for name, properties in found.items():
        there = [option for option in options if option in properties]
        assert not there, f"{name} has {there}: {[properties[option] for option in there]}"
