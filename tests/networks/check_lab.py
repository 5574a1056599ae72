"""What the tests of `rialto check --online` share: a configuration to try, and what is found on trying it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bridge.cli.probing import WITHIN, Line, probe, silenced
from bridge.config import load
from bridge.demo.servers import free_ports

Keys = Mapping[str, Any]


def write_config(
    folder: Path, networks: Mapping[str, Keys], rooms: Mapping[str, Any] | None = None, port: int = 0
) -> Path:
    """A configuration file; `port` is where it listens, any that is free if 0."""
    path = folder / "config.yaml"
    listen = f"127.0.0.1:{port or free_ports(1)[0]}"
    value = {"http": {"listen": listen}, "networks": {name: dict(keys) for name, keys in networks.items()}}
    path.write_text(yaml.safe_dump(value | ({"rooms": dict(rooms)} if rooms else {})))
    path.chmod(0o600)
    return path


async def findings(path: Path, within: float = WITHIN) -> list[Line]:
    """Everything that is found on trying the networks of the file."""
    lines: list[Line] = []
    with silenced():
        await probe(load(path, {}), lines.append, within)
    return lines


def told(lines: list[Line], network: str) -> str:
    """What was found of a network, for reading and for comparing: each line with its verdict."""
    return "\n".join(f"{'ok' if line.good else 'failed'}: {line.text}" for line in lines if line.network == network)


def failures(lines: list[Line], network: str) -> list[str]:
    """The words of what failed of a network."""
    return [line.text for line in lines if line.network == network and not line.good]
