"""What only the adapters can say of a configuration that is well-formed: files that are not there, doubtful choices."""

import os
from collections.abc import Mapping

from bridge.config.explain import mistake
from bridge.config.mistakes import Mistake
from bridge.config.model import Config
from bridge.contract import Examining


def examine(config: Config, env: Mapping[str, str] | None = None) -> tuple[tuple[Mistake, ...], tuple[str, ...]]:
    """The mistakes, and the warnings, over all networks. Reads the files that settings name; touches no network.

    `env` is the process's environment unless given.
    """
    env = os.environ if env is None else env
    mistakes: list[Mistake] = []
    warnings: list[str] = []
    for name, attachment in config.networks.items():
        if not isinstance(attachment.factory, Examining):
            continue
        for remark in attachment.factory.examine(attachment.settings, config.context(name)):
            found = mistake(("networks", name, *remark.key.split(".")), remark.text, config.path.name, env)
            if remark.fatal:
                mistakes.append(found)
            else:
                warnings.append(str(found))
    return tuple(mistakes), tuple(warnings)
