"""Which tests say of themselves that they show a rule: ``@pytest.mark.conforms("RFC2779:2.1.1")``, read from source.

Nothing is imported or run, so that the page can be made where no server is installed.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

MARKER = "pytest.mark.conforms"


def claims(root: Path) -> Mapping[str, tuple[str, ...]]:
    """The ids of rules, and the tests that show each, as pytest names them, relative to `root`'s parent.

    Raises `ValueError` for a marker whose arguments are not plain strings, that stands where no test is, or behind a
    name, where it would not be seen.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted(root.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if MARKER not in text:
            continue
        where = path.relative_to(root.parent).as_posix()
        tree = ast.parse(text, where)
        _none_hidden(tree, where)
        for test, ids in _tests(tree, where):
            for each in ids:
                found[each].add(test)
    return {each: tuple(sorted(tests)) for each, tests in sorted(found.items())}


def _none_hidden(tree: ast.Module, where: str) -> None:
    """Every marker is a decorator, or in a ``pytestmark``."""
    seen = {
        id(mark)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for mark in node.decorator_list
    }
    seen |= {id(mark) for node in tree.body for mark in _module_marks(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == MARKER and id(node) not in seen:
            raise ValueError(f"{where}:{node.lineno}: conforms stands where nobody looks: write it above the test")


def _tests(tree: ast.Module, where: str) -> Iterator[tuple[str, list[str]]]:
    for_all = [each for node in tree.body for each in _assigned(node, where)]
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for_class = for_all + _marked(node, where)
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name.startswith("test_"):
                    yield f"{where}::{node.name}::{inner.name}", for_class + _marked(inner, where)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            ids = _marked(node, where)
            if node.name.startswith("test_"):
                yield f"{where}::{node.name}", for_all + ids
            elif ids:
                raise ValueError(f"{where}:{node.lineno}: {node.name} is no test, and can show nothing")


def _assigned(node: ast.stmt, where: str) -> list[str]:
    """The ids in a ``pytestmark`` of the whole file."""
    return [each for mark in _module_marks(node) for each in _ids(mark, where)]


def _module_marks(node: ast.stmt) -> list[ast.expr]:
    if not isinstance(node, ast.Assign) or not any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    ):
        return []
    return node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]


def _marked(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, where: str) -> list[str]:
    return [each for decorator in node.decorator_list for each in _ids(decorator, where)]


def _ids(mark: ast.expr, where: str) -> list[str]:
    if not isinstance(mark, ast.Call) or ast.unparse(mark.func) != MARKER:
        return []
    ids = [arg.value for arg in mark.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    if not mark.args or mark.keywords or len(ids) != len(mark.args):
        raise ValueError(f"{where}:{mark.lineno}: conforms takes ids of rules, as strings")
    return ids
