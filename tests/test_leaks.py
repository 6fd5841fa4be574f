"""The leak table finds what leaks, and nothing leaks through `check`, `diagnose` and `triage`; `python -m tests.leaks` runs all commands."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from tests.leaks import Plants, Table, echoing, environment_of, leak_table, named_in, scanned


def test_no_secret_that_was_planted_is_found_in_what_commands_leave(tmp_path: Path) -> None:
    folder = tmp_path / "left"
    folder.mkdir()
    table = leak_table(("proxy.denied", "api.invalid_key"), (), folder, echo=False)
    frame = table.frame()
    assert frame.loc["commands run"].to_dict() == {"check": 4, "diagnose": 2, "triage": 2}
    assert frame.drop(index="commands run").to_numpy().sum() == table.leaks() == 0
    assert (folder / "check-api.invalid_key" / "check.json").stat().st_size > 10_000
    assert scanned(folder).startswith("detect-secrets: 0 found")


def test_secrets_that_a_base_url_names_are_taken_out_of_an_answer_that_quotes_them_encoded(tmp_path: Path) -> None:
    """From a variable and from an option; the path that is called is the one that was given."""
    plants = Plants()
    table = Table(plants)
    piece = plants.secrets["piece of the base URL's path"]
    with echoing("") as server:
        url = named_in(server, plants)
        environment = environment_of(plants, {"OPENAI_BASE_URL": url, "OPENAI_MODEL": "m"})
        table.run("check", ["check", "--model", "m", "--json", "-"], tmp_path, environment)
        table.run("check", ["check", "--model", "m", "--json", "-", "--base-url", url], tmp_path, environment)
    assert table.leaks() == 0
    for number in (1, 2):
        left = (tmp_path / f"check-{number}.stdout").read_text()
        assert "You sent GET /token/[redacted]/v1" in left
        assert piece.encode().hex() not in left
        assert plants.secrets["parameter of the base URL"].encode().hex() not in left


def test_a_leak_in_an_output_or_a_file_counts_for_its_place_and_its_command(tmp_path: Path) -> None:
    plants = Plants()
    table = Table(plants)
    leak = base64.b64encode(f"user:{plants.secrets['OPENAI_API_KEY']}".encode())
    (tmp_path / "note").write_bytes(leak)
    (tmp_path / plants.secrets["text: cookie"]).mkdir()
    (tmp_path / "settings.ini").write_text(f"password = '{plants.secrets['DATABASE_PASSWORD']}'\n")
    table.run("explain", ["explain", "tls.expired"], tmp_path, os.environ)
    found = table.frame()["explain"]
    assert found[found > 0].to_dict() == {
        "OPENAI_API_KEY": 1,
        "DATABASE_PASSWORD": 1,
        "text: cookie": 1,
        "commands run": 1,
    }
    assert "settings.ini: Secret Keyword, line 1" in scanned(tmp_path)
