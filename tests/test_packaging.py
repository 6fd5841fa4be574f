"""What is installed is whole: notebooks, schemas and types are in the wheel, and it runs away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from oairunbook import __version__

ROOT = Path(__file__).parents[1]


def build(source: Path, target: str, folder: Path) -> Path:
    call = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    done = subprocess.run(call, cwd=source, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


def names(archive: Path) -> set[str]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            return {name for name in opened.namelist() if ".dist-info/" not in name}
    with tarfile.open(archive) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


def test_the_wheel_holds_every_module_notebook_and_schema_and_nothing_else(wheel: Path) -> None:
    expected = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "oairunbook").rglob("*")
        if path.is_file() and path.suffix in (".py", ".json", ".js", ".toml", ".typed")
    }
    notebooks = {f"oairunbook/runbooks/{path.name}" for path in (ROOT / "runbooks").glob("*.ipynb")}
    pages = "oairunbook/runbooks/CAUSES.md"
    assert {"oairunbook/py.typed", "oairunbook/schema/evidence-1.json", "oairunbook/schema/verdict-1.json"} <= expected
    assert len(notebooks) >= 4
    assert {name for name in names(wheel) if not name.endswith("/.gitkeep")} == {*expected, *notebooks, pages}


def test_the_wheel_says_what_it_is_and_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        information = f"oairunbook-{__version__}.dist-info"
        metadata = Parser().parsestr(opened.read(f"{information}/METADATA").decode("utf-8"))
        scripts = opened.read(f"{information}/entry_points.txt").decode("utf-8")
        assert f"{information}/licenses/LICENSE" in opened.namelist()
    assert metadata["Version"] == __version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra", [])) == {"browser", "dask", "lab", "s3", "test"}
    assert "oairunbook = oairunbook.cli:main" in scripts


def test_the_installed_package_runs_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONDONTWRITEBYTECODE": "1"}

    def python(*arguments: str) -> str:
        call = [sys.executable, *arguments]
        done = subprocess.run(
            call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = python("-c", "import oairunbook.record.runbooks as r; print(r.folder(), *r.names())").split()
    assert where[0] == str(tmp_path / "site" / "oairunbook" / "runbooks")
    assert "02_same_path" in where
    assert python("-m", "oairunbook.cli", "--version").strip().endswith(__version__)
    assert "tls.untrusted_issuer" in python("-m", "oairunbook.cli", "lab", "--list")


def test_the_source_archive_is_complete(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    packed = names(sdist)
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "pyproject.toml", ".ci/run"):
        assert name in packed
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")} <= packed
    assert not [name for name in packed if "__pycache__" in name or name.startswith(("archive/", ".venv/"))]

    with tarfile.open(sdist) as opened:
        # Debian 12 has Python 3.11.2, which knows no filters yet (tarfile, "Supporting older Python versions").
        opened.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        opened.extractall(tmp_path)
    again = build(tmp_path / f"oairunbook-{__version__}", "wheel", tmp_path)
    assert names(again) == names(wheel)
