"""The canary guard finds a secret wherever a test leaves one, and is silent otherwise."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.world.canary import Canaries

CANARIES = Canaries()


@pytest.mark.parametrize(
    "text",
    [
        CANARIES.openai_key,
        f"before {CANARIES.openai_key[:40]}",
        quote(CANARIES.proxy_password, safe=""),
        *(base64.b64encode(f"{'u' * n}:{CANARIES.proxy_password}".encode()).decode() for n in range(3)),
        base64.urlsafe_b64encode(CANARIES.azure_key.encode()).decode(),
        CANARIES.proxy_url("proxy.acme.example", 3128),
    ],
    # The texts are others in each process, and pytest-xdist wants the same names in all of them.
    ids=range(8),
)
def test_every_form_of_a_secret_is_found(text: str) -> None:
    assert CANARIES.found_in("here", f"some {text} text")


def test_other_secrets_and_masked_ones_are_no_leak() -> None:
    assert not CANARIES.found_in("here", Canaries().openai_key)
    assert not CANARIES.found_in("here", f"sk-proj-{'*' * 40}{CANARIES.openai_key[-4:]}")


def test_a_file_that_the_test_made_for_its_secret_is_no_leak(tmp_path: Path, canaries: Canaries) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(canaries.openai_key)
    canaries.own_files.add(key_file)


def test_a_test_that_leaks_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makepyfile(
        """
        import base64, logging, os, subprocess, sys
        import click, click.testing
        import pytest

        def test_shows_nothing(tmp_path):
            print("nothing")
            (tmp_path / "file").write_text("nothing")

        def test_prints(canaries):
            print("key", canaries.openai_key)

        def test_reads_what_it_printed(capsys, canaries):
            print(base64.b64encode(canaries.azure_key.encode()))
            capsys.readouterr()

        def test_leaves_what_it_printed(capsys, canaries):
            print(canaries.azure_key, file=sys.stderr)

        def test_logs(canaries):
            logging.getLogger("oairunbook.any").debug("header %s", canaries.openai_key)

        def test_writes_a_file(tmp_path, canaries):
            (tmp_path / "folder").mkdir()
            (tmp_path / "folder" / "file").write_bytes(canaries.other.encode())

        def test_names_a_file(tmp_path, canaries):
            (tmp_path / canaries.other).touch()

        def test_starts_a_process(canaries):
            subprocess.run(["printenv", "OPENAI_API_KEY"], capture_output=True, check=True)

        def test_runs_a_command(canaries):
            @click.command()
            def command():
                raise ValueError(os.environ["OPENAI_API_KEY"])
            click.testing.CliRunner().invoke(command)

        def test_raises(canaries):
            raise ValueError(canaries.openai_key)
        """
    )
    result = pytester.runpytest_subprocess("-p", "tests.guard", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=9, failed=1, errors=9)
    result.stdout.no_fnmatch_line("*ERROR at teardown of test_shows_nothing*")
    result.stdout.fnmatch_lines(["A canary secret leaked:", "openai_key in Captured stdout call"])


def test_a_skip_fails_where_everything_must_run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makepyfile("import pytest\n\n\ndef test_needs_more():\n    pytest.skip('no root here')\n")
    arguments = ("-p", "tests.guard", "-p", "no:cacheprovider")

    monkeypatch.setenv("OAIRUNBOOK_REQUIRE_ALL", "1")
    required = pytester.runpytest_subprocess(*arguments)
    required.assert_outcomes(failed=1)
    required.stdout.fnmatch_lines(["*forbids this skip*no root here*"])

    monkeypatch.delenv("OAIRUNBOOK_REQUIRE_ALL")
    pytester.runpytest_subprocess(*arguments).assert_outcomes(skipped=1)
