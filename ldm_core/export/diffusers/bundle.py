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
    each unchanged but for these imports: of names, not of modules, and at the beginning. No two of
    these modules may define the same name.
    """
    sources: dict[Path, str] = {}
    _collect(path, sources)
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
        _collect(imported.with_suffix(".py"), sources)
        for number in range(node.lineno - 1, node.end_lineno):
            lines[number] = ""
    sources[path] = "".join(lines)
