"""Data flows one way, and the observing half needs nothing that the failing runtime may not have."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "oairunbook"

OBSERVING = sorted(
    [
        *(
            PACKAGE / name
            for name in (
                *("__init__.py", "records.py", "identity.py"),
                *("runtime.py", "practice.py", "practice_names.py"),
            )
        ),
        *PACKAGE.glob("redaction/**/*.py"),
        *PACKAGE.glob("evidence/**/*.py"),
        *PACKAGE.glob("route/**/*.py"),
        *PACKAGE.glob("observe/**/*.py"),
    ]
)
"""The half that goes to the path."""

CARRIED_ALONG = {"dns"}
OF_THE_RUNTIME = {"openai", "httpx", "httpx2", "httpcore", "httpcore2", "certifi", "truststore", "pydantic"}
"""What the failing runtime may have, or not: imported inside a function, where its absence is an observation."""


def imports(path: Path) -> Iterator[tuple[str, bool, ast.stmt]]:
    """Module, whether it is imported when the file is, and where."""
    tree = ast.parse(path.read_text("utf-8"))
    lazy = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef))
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name, id(node) not in lazy, node) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", id(node) not in lazy, node


def test_the_contracts_of_import_linter_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_a_broken_contract_is_noticed(tmp_path: Path) -> None:
    """The control: the same contracts over a package in which the diagnosis opens a socket and a probe judges."""
    shutil.copytree(PACKAGE, tmp_path / "oairunbook", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE.parent / "pyproject.toml", tmp_path)
    for name, line in (("diagnose/tcp.py", "import socket"), ("observe/tcp.py", "import oairunbook.diagnose.tcp")):
        with (tmp_path / "oairunbook" / name).open("a") as file:
            file.write(f"\n{line}\n")
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert "oairunbook.diagnose.tcp -> socket" in done.stdout
    assert "oairunbook.observe.tcp -> oairunbook.diagnose.tcp" in done.stdout


@pytest.mark.parametrize("path", OBSERVING, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_observing_half_imports_the_standard_library_dnspython_and_itself(path: Path) -> None:
    allowed = set(sys.stdlib_module_names) | CARRIED_ALONG | {"oairunbook"}
    for module, at_once, _ in imports(path):
        root = module.partition(".")[0]
        assert root in (allowed if at_once else allowed | OF_THE_RUNTIME), f"imports {module}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_of_the_package_itself_only_its_version_and_its_front_are_imported(path: Path) -> None:
    """`oairunbook.check` calls every part: a probe that imported it would meet the diagnosis without any linter seeing it."""
    modules = {item.stem for item in PACKAGE.glob("*.py")} | {
        item.parent.name for item in PACKAGE.glob("*/__init__.py")
    }
    front = {"check"} if path.parts[-2] in ("record", "panel", "oairunbook") and path not in OBSERVING else set()
    for module, _, node in imports(path):
        if module == "oairunbook" and isinstance(node, ast.ImportFrom):
            assert {name.name for name in node.names} <= modules | {"__version__"} | front


@pytest.mark.parametrize("path", OBSERVING, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_observing_half_is_written_in_the_python_of_older_runtimes(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 9))


def test_a_real_python_3_9_compiles_the_observing_half() -> None:
    """Where one is installed; what `feature_version` does not know, it knows."""
    found = [*sorted(Path.home().glob(".pyenv/versions/3.9.*/bin/python")), shutil.which("python3.9")]
    program = next((item for item in found if item), None)
    if program is None:
        return  # `feature_version` alone has to do
    code = "import sys\nfor name in sys.argv[1:]: compile(open(name, encoding='utf-8').read(), name, 'exec')"
    done = subprocess.run([program, "-c", code, *OBSERVING], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


HEAVY = (
    "openai",
    "httpx",
    "httpx2",
    "pandas",
    "papermill",
    "nbformat",
    "ipywidgets",
    "pydantic",
    "dns",
    "cryptography",
)
"""What costs a tenth of a second and more, or is only wanted by some commands."""


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("--help",), set()),
        (("--version",), set()),
        (("triage", "-"), set()),
        # The control: a check does need them, so the list can be met.
        (("check", "--base-url", "http://127.0.0.1:9/v1", "--timeout", "1", "-q"), {"openai", "dns"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_command_imports_only_what_it_uses(arguments: tuple[str, ...], wanted: set[str]) -> None:
    """A cron job pays for imports a million times."""
    program = (
        "import atexit, sys\nfrom oairunbook.cli import main\nsys.argv = ['oairunbook', *sys.argv[1:]]\n"
        f"atexit.register(lambda: print('loaded', *sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr))\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        input="openai.APIConnectionError: Connection error.",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    loaded = set(done.stderr.splitlines()[-1].split()[1:])
    assert loaded >= wanted
    if not wanted:
        assert not loaded
