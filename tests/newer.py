"""A newer version of the runtime, for tests: a copy of it with one status more."""

import shutil
from pathlib import Path

import gtplus_runtime

NEW_STATUS = "Triaged by hand"


def copy_with_a_status_more(folder: Path) -> Path:
    """Copy the runtime; between *Data received* and *In progress* its lifecycle has a status without a handler.

    Args:
        folder: where the package is put.

    Returns:
        The package's folder.
    """
    runtime = folder / "gtplus_runtime"
    shutil.copytree(Path(gtplus_runtime.__file__).parent, runtime, ignore=shutil.ignore_patterns("__pycache__"))
    lifecycle = runtime / "lifecycle.py"
    text = lifecycle.read_text()
    for old, new in (
        ('    PAUSED = "Paused"\n    CANCELLED', f'    TRIAGED = "{NEW_STATUS}"\n    PAUSED = "Paused"\n    CANCELLED'),
        ("{_B.IN_PROGRESS: _PROVIDER, **_STOPS},", "{_B.IN_PROGRESS: _PROVIDER, _B.TRIAGED: _PROVIDER, **_STOPS},"),
        (
            "        Status(\n            _B.IN_PROGRESS,",
            '        Status(_B.TRIAGED, "Sorted by people.", {_B.IN_PROGRESS: _PROVIDER, **_STOPS}),\n'
            "        Status(\n            _B.IN_PROGRESS,",
        ),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    lifecycle.write_text(text)
    return runtime
