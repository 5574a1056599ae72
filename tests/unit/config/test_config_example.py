"""config.example.yaml and docs/configuration.md say what the installed adapters really take."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from bridge.config import load, reference
from bridge.config.mistakes import ConfigError
from bridge.config.schema import Base, PlaceSection, network_model
from bridge.config.shape import below, described, fields_of, models
from bridge.contract import Factory, Moded
from bridge.registry import installed

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config.example.yaml"
COMMENTED = re.compile(r"^( *)# ((?:  ){0,2}[a-z_]+:(?: .*)?)$", re.MULTILINE)


def keys(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Every key of a model and of those within it: its path, itself, and the model that it belongs to."""
    for key, field in fields_of(model).items():
        yield f"{path}{key}", key, model
        for inner in models(field.annotation) or models(below(field.annotation, 0)):
            yield from keys(inner, f"{path}{key}.")


def ways() -> Iterator[tuple[str, Factory]]:
    """Every way to attach a network, of every installed kind."""
    for kind, factory in installed().items():
        if isinstance(factory, Moded):
            yield from ((f"{kind} {mode}", each) for mode, each in factory.modes.items())
        else:
            yield kind, factory


ALL = [
    *keys(Base),
    *keys(PlaceSection, "rooms.*."),
    *(found for way, factory in ways() for found in keys(network_model(factory), f"{way}: ")),
]


def test_the_example_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(EXAMPLE.read_text())
    path.chmod(0o600)
    config = load(path, {})
    assert {attachment.kind for attachment in config.networks.values()} == set(installed())
    assert len(config.rooms) == 2
    # Nobody goes into service with the secrets that all the world can read.
    assert sorted(warning.split(": ")[1] for warning in config.warnings) == [
        "http.admin_token",
        "networks.home.as_token",
        "networks.home.hs_token",
        "networks.office.secret",
    ]


def test_what_the_example_shows_in_comments_is_fine_too(tmp_path: Path) -> None:
    text, number = COMMENTED.subn(r"\1\2", EXAMPLE.read_text())
    assert number > 15
    path = tmp_path / "config.yaml"
    path.write_text(text)
    try:
        config = load(path, {})
    except ConfigError as error:
        pytest.fail(str(error))
    assert config.networks["libera"].settings.model_fields_set >= {"tls", "sasl", "flood", "password", "encoding"}
    assert {"friends", "guest"} <= set(config.networks)


@pytest.mark.parametrize(("path", "key", "model"), ALL, ids=[path for path, _, _ in ALL])
def test_every_key_is_in_the_example_and_explained(path: str, key: str, model: type[BaseModel]) -> None:
    assert re.search(rf"^ *(?:# +|- )?(?:# +)?{key}:", EXAMPLE.read_text(), re.MULTILINE), f"{path} is not shown"
    inner = models(fields_of(model)[key].annotation)
    assert described(model, key) or (inner and inner[0].__doc__), f"{path} has no description"


def test_the_reference_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text()
    assert written == reference.page(installed()), "run: python -m bridge.config.reference docs/configuration.md"


def test_the_reference_page_names_every_key() -> None:
    page = reference.page(installed())
    for _, key, _ in ALL:
        assert f"| `{key}` |" in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in tables)


def test_the_page_goes_where_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main([str(tmp_path / "page.md")]) == 0
    assert reference.main([]) == 0
    assert capsys.readouterr().out == (tmp_path / "page.md").read_text()
