"""One file of several modules: diffusers fetches one file of code for each part, and no others."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]  # the folder in which `ldm_core` is
HEADER = """\
# SPDX-License-Identifier: MIT
# Written by python -m ldm_core.export --format diffusers. These are modules of the miniature Stable
# Diffusion, one after the other and without their imports of each other:
"""


def bundle(path: Path) -> str:
    """Join the sources of all modules that a module of `ldm_core` imports relatively, and its own,
    each unchanged but for these imports.

    Raises ValueError for code that would mean something else in one file: two modules that define
    the same name, and a relative import of a module, under another name, or within a function.
    """
    sources: dict[Path, str] = {}
    _collect(path, sources)
    _check_names(sources)
    names = [source.relative_to(ROOT).as_posix() for source in sources]
    listed = "".join(f"#   {name}\n" for name in names)
    parts = [f"\n\n# {name}\n\n{source}" for name, source in zip(names, sources.values())]
    return HEADER + listed + "".join(parts)


def _collect(path: Path, sources: dict[Path, str]) -> None:
    """Add a module behind those that it imports."""
    if path in sources:
        return
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        imported = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
        if node.col_offset or any(alias.asname for alias in node.names) or imported.is_dir():
            raise ValueError(f"{path}, line {node.lineno}, cannot be put into one file.")
        _collect(imported.with_suffix(".py"), sources)
        for number in range(node.lineno - 1, node.end_lineno):
            lines[number] = ""
    sources[path] = "".join(lines)


def _check_names(sources: dict[Path, str]) -> None:
    owners: dict[str, Path] = {}
    for path, source in sources.items():
        for name in _defined(ast.parse(source)):
            if owners.setdefault(name, path) != path:
                raise ValueError(f"{owners[name]} and {path} both define {name}.")


def _defined(module: ast.Module) -> set[str]:
    """The names that a module defines."""
    found = set()
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return found
