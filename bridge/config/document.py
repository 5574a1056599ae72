"""Reading the YAML file, strictly: what YAML would pass over or read as something else is told as a mistake."""

from pathlib import Path
from typing import Any

import yaml

from bridge.config.mistakes import ConfigError, Mistake

MAX_BYTES = 1_000_000
"""How large the file may be: far beyond what anybody writes by hand."""

_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"
_QUOTES = 'a value that begins with one of @ ! * & % needs quotes, for example "@name"'
_TABS = "indent with spaces, not with tabs"
_INDENTATION = "; check the indentation: what belongs together begins in one column, what is below it further right"
_LAYOUT = ("block", "mapping values are not allowed", "could not find expected ':'", "simple key")
"""What YAML's complaints about misplaced lines have in common."""
_SIGNS = ("start any token", "alias", "determine a constructor", "alphabetic or numeric", "a tag", "an anchor")
"""What YAML's complaints about such a value have in common."""


def read_document(path: Path) -> dict[str, Any]:
    """The file's content. Raises `ConfigError`: not readable, not YAML, a key written twice, a key that is no text."""
    name = path.name
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        text = f"no such file in {path.resolve().parent}; copy config.example.yaml there, or name another file with -c"
        raise ConfigError([Mistake(name, "", text)]) from None
    except OSError as error:
        raise ConfigError([Mistake(name, "", f"cannot be read: {error.strerror or error}")]) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError([Mistake(name, "", f"is larger than {MAX_BYTES} bytes; is it the right file?")])
    try:
        return _parse(raw.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        raise ConfigError([Mistake(name, "", f"is not UTF-8 (byte {error.start}); save it as UTF-8")]) from None


def _parse(text: str, name: str) -> dict[str, Any]:
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return {}
        mistakes = _check_keys(root, name)
        if mistakes:
            raise ConfigError(mistakes)
        data = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        text = f"{where}{_explain(error)}"
        raise ConfigError([Mistake(name, "", text)]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise ConfigError([Mistake(name, "", f"not YAML: {first}")]) from None
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise ConfigError([Mistake(name, "", "write keys and values, as in config.example.yaml")])
    return data


def _explain(error: yaml.MarkedYAMLError) -> str:
    """YAML gives `* & ! @ %` a meaning of their own; nobody who writes ``*@example.org`` meant an alias.

    What YAML says of such a value quotes it, and it may be a secret: it is replaced, not added to.
    """
    said = f"{error.context or ''} {error.problem or ''}"
    if "\\t" in said:
        return _TABS
    if any(words in said for words in _SIGNS):
        return _QUOTES
    hint = _INDENTATION if any(words in said for words in _LAYOUT) else ""
    return f"not YAML: {error.problem or error.context}{hint}"


def _check_keys(root: yaml.Node, name: str) -> list[Mistake]:
    """Keys that are written twice (YAML would keep the last, unsaid) or are read as a number, a date or a truth."""
    mistakes: list[Mistake] = []
    seen: set[int] = set()
    waiting: list[tuple[yaml.Node, str]] = [(root, "")]
    while waiting:
        node, path = waiting.pop(0)
        if id(node) in seen:  # an alias: told once, where it was written
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend((item, f"{path}[{index}]") for index, item in enumerate(node.value))
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                waiting.append((value, path))
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
                shown = f"{path}.{key.value}" if path else str(key.value)
                text = f"line {line}: YAML does not read this key as text; put it in quotes"
                mistakes.append(Mistake(name, shown if isinstance(key, yaml.ScalarNode) else path, text))
                continue
            below = f"{path}.{key.value}" if path else key.value
            if key.value in lines:
                text = f"written twice, in lines {lines[key.value]} and {line}; keep one"
                mistakes.append(Mistake(name, below, text))
            lines.setdefault(key.value, line)
            waiting.append((value, below))
    return mistakes
