"""The route is resolved as the installed SDK and transport would resolve it, and nothing is sent."""

from __future__ import annotations

import sys
import zipfile
from importlib import metadata
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oairunbook.observe.clients import construct
from oairunbook.route import resolve
from oairunbook.route.base_url import resolve_base_url
from oairunbook.route.installed import Installed, installed_sdk, version_of
from oairunbook.route.proxy import decide_proxy

HTTPX = Installed(sdk="2.54.0", transport_name="httpx", transport_version=httpx.__version__)


def installed_in(folder: Path, *names: str) -> Path:
    """A folder with the metadata of distributions: a wheel's, an egg's (setuptools), or a link to a working copy."""
    for name in names:
        if name.endswith(".egg-link"):
            (folder / name).write_text("/nowhere")
            continue
        project, _, version = name.rpartition(".")[0].partition("-")
        (folder / name).mkdir(parents=True)
        file = "METADATA" if name.endswith(".dist-info") else "PKG-INFO"
        (folder / name / file).write_text(f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n")
    return folder


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("openai-1.2.3.dist-info",), ("openai-4.0.dist-info",)),
        (("openai-1.2.3.egg-info",), ("openai-4.0.dist-info",)),
        (("other-1.dist-info",), ("openai-4.0.dist-info",)),
        (("other-1.egg-info", "openai-4.0.dist-info"), ()),
        (("OpenAI-2.0rc1.dist-info",), ()),
        (("other-1.dist-info",), ("openai_wrapper-4.0.dist-info",)),
        ((), ("openai-4.0+local.1.dist-info",)),
    ],
)
def test_versions_are_those_that_python_itself_finds(
    first: tuple[str, ...], second: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [
        installed_in(tmp_path / "first", *first),
        installed_in(tmp_path / "second", *second),
        tmp_path / "absent",
    ]
    monkeypatch.setattr(sys, "path", [str(folder) for folder in folders])
    for package in ("openai", "openai-wrapper", "httpx"):
        try:
            theirs: str | None = metadata.version(package)
        except metadata.PackageNotFoundError:
            theirs = None
        assert version_of(package) == theirs


def test_a_version_inside_a_zip_file_is_found_as_python_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "layer.zip", "w") as layer:
        layer.writestr("openai-1.2.3.dist-info/METADATA", "Metadata-Version: 2.1\nName: openai\nVersion: 1.2.3\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "layer.zip")])
    assert version_of("openai") == "1.2.3"


def test_a_version_that_changes_while_this_runs_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert version_of("openai") is None
    installed_in(tmp_path, "openai-1.2.3.dist-info")
    assert version_of("openai") == "1.2.3"


def transports() -> list[tuple[object, Installed]]:
    """Every transport that is installed here, with what the route says of it."""
    found: list[tuple[object, Installed]] = [(httpx, HTTPX)]
    here = installed_sdk()
    if here.transport_name == "httpx2":
        import httpx2

        found.append((httpx2, here))
    return found


ENTRIES = st.sampled_from(
    [
        "*", "com", "openai.com", ".openai.com", "api.openai.com", ".api.openai.com", "api.openai.com:443", "api.openai.com:8443", "localhost", "127.0.0.1",
        "10.0.0.0/8", "*.openai.com", "https://api.openai.com", "http://api.openai.com", "OPENAI.COM", "example.org", "", " ", "penai.com",
    ]
)  # fmt: skip
URLS = st.sampled_from(
    [
        "https://api.openai.com/v1",
        "https://api.openai.com:443/v1",
        "https://api.openai.com:8443/v1",
        "http://localhost:4000",
        "http://127.0.0.1:4000",
        "http://10.1.2.3/v1",
        "https://eu.api.openai.com",
    ]
)


@pytest.mark.parametrize(("module", "installed"), transports())
@given(
    entries=st.lists(ENTRIES, max_size=3),
    url=URLS,
    variable=st.sampled_from(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"]),
)
def test_the_proxy_decision_is_the_transports_own(
    module: object, installed: Installed, entries: list[str], url: str, variable: str
) -> None:
    environment = {variable: "http://proxy.example.test:3128", "NO_PROXY": ",".join(entries)}
    base = resolve_base_url(url, environment, "auto")
    ours = decide_proxy(environment, base.scheme, base.host, base.explicit_port, installed)
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
            "HTTP_PROXY",
            "http_proxy",
            "NO_PROXY",
            "no_proxy",
        ):
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        with module.Client(verify=False) as client:  # type: ignore[attr-defined]
            pool = client._transport_for_url(module.URL(url))._pool  # type: ignore[attr-defined]
    theirs = getattr(pool, "_proxy_url", None) is not None
    assert (ours.url is not None) == theirs, ours.rule


@pytest.mark.parametrize(
    ("environment", "url", "source", "family"),
    [
        ({}, "https://api.openai.com/v1", "default", "direct"),
        (
            {"OPENAI_BASE_URL": "https://eu.api.openai.com/v1"},
            "https://eu.api.openai.com/v1",
            "OPENAI_BASE_URL",
            "direct",
        ),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com"},
            "https://r.openai.azure.com",
            "AZURE_OPENAI_ENDPOINT",
            "azure",
        ),
        ({"OPENAI_BASE_URL": "http://localhost:4000"}, "http://localhost:4000", "OPENAI_BASE_URL", "gateway"),
    ],
)
def test_base_url_and_family_come_from_where_the_sdk_looks(
    environment: dict[str, str], url: str, source: str, family: str
) -> None:
    route = resolve(environment=environment)
    assert (route.base_url.value, route.base_url.source, route.family) == (url, source, family)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.openai.com/v1",
        "ftp://api.openai.com",
        "https://",
        "https://api.openai.com:abc/v1",
        " https://api.openai.com/v1",
        "https://api.openai.com/v1\n",
        '"https://api.openai.com/v1"',
        "https://api.openai.com\u200b/v1",
        "https://\uff41pi.openai.com/v1",
    ],
)
def test_a_base_url_that_cannot_be_used_says_why(url: str) -> None:
    assert resolve(environment={"OPENAI_BASE_URL": url}).problems


@pytest.mark.parametrize("host", ["b\u00fccher.example", "B\u00dcCHER.example", "stra\u00dfe.example"])
def test_a_host_in_another_script_can_be_used(host: str) -> None:
    assert not resolve(environment={"OPENAI_BASE_URL": f"https://{host}/v1"}).problems


@pytest.mark.parametrize("key", ["sk-abcdefgh\n", "sk-abc\x01defgh", "\u201csk-abcdefgh\u201d"])
def test_a_key_that_no_header_may_hold_is_found_without_showing_it(key: str) -> None:
    credential = resolve(environment={"OPENAI_API_KEY": key}).credential
    assert credential.problems
    assert "abcdefgh" not in repr(credential)


def test_the_same_key_has_the_same_fingerprint_within_one_archive_only() -> None:
    environment = {"OPENAI_API_KEY": "sk-abcdefgh"}
    one, again, other = (
        resolve(environment=environment, fingerprint_key=key) for key in (b"a" * 32, b"a" * 32, b"b" * 32)
    )
    assert one.credential.fingerprint == again.credential.fingerprint != other.credential.fingerprint


@pytest.mark.parametrize(("url", "scheme", "port"), [("wss://a.test/v1", "https", 443), ("ws://a.test/v1", "http", 80)])
def test_the_schemes_of_websockets_are_no_fault_as_the_transport_dials_them_too(
    url: str, scheme: str, port: int
) -> None:
    base = resolve_base_url(url, {}, "auto")

    assert (base.problems, base.scheme, base.port) == ((), scheme, port)
    assert resolve_base_url("ftp://a.test/v1", {}, "auto").problems


@pytest.mark.parametrize(
    "url",
    [
        "https://svc:word@llm.acme.test/v1",
        "https://api.openai.com/v1?api-version=2024-10-21",
        "https://api.openai.com/v1//",
        "https://api.openai.com./v1",
        "https://acme.openai.azure.com/openai/v1?api-version=preview",
        "https://api.openai.com/v1/",
    ],
)
def test_the_sdk_gets_the_base_url_as_it_is_with_what_is_wrong_in_it(url: str) -> None:
    """It sends userinfo in the place of the key, and puts a request's path behind a query; without them another request would be tested."""
    openai = pytest.importorskip("openai")
    environment = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-x"}
    route = resolve(environment=environment)

    assert str(construct(route, environment).base_url) == str(openai.OpenAI(api_key="sk-x", base_url=url).base_url)
    assert "word" not in repr(route)
