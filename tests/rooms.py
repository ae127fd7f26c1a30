"""Draws the rooms of the package and the imports between them, as docs/architecture.md shows them.

`python -m tests.rooms` prints the drawing in Mermaid. Rooms are the packages below `jaxcnn`, and below `jaxcnn.data`;
the single files beside them are left out, but for `main.py`. An arrow that follows from others is left out as well.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "jaxcnn"
DIVIDED = "data"
"""The room that is drawn by the rooms within it."""


def rooms() -> list[str]:
    """Returns the names of the rooms: "train", "data/read", and so on."""
    found = [file.parent for file in PACKAGE.glob("*/__init__.py")]
    within = [file.parent for file in (PACKAGE / DIVIDED).glob("*/__init__.py")]
    paths = [path.relative_to(PACKAGE).as_posix() for path in (*found, *within)]
    return sorted({*paths, "main"} - {DIVIDED})


def imports() -> dict[str, set[str]]:
    """Returns the rooms from which the files of each room import."""
    found: dict[str, set[str]] = {room: set() for room in rooms()}
    for room, others in found.items():
        files = [PACKAGE / f"{room}.py"] if room == "main" else (PACKAGE / room).rglob("*.py")
        modules = {module for file in files for module in _imported(file)}
        others |= {other for other in found for module in modules if f"{module}.".startswith(f"{_module(other)}.")}
        others.discard(room)
    return found


def _module(room: str) -> str:
    return "jaxcnn." + room.replace("/", ".")


def _imported(file: Path) -> Iterator[str]:
    """Yields the full names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Returns a graph without circles, without the arrows that follow from others."""
    return {room: others - set().union(*(_reached(graph, other) for other in others)) for room, others in graph.items()}


def _reached(graph: dict[str, set[str]], room: str) -> set[str]:
    """Returns the rooms to which arrows lead from a room, over any number of others."""
    return graph[room].union(*(_reached(graph, other) for other in graph[room]))


def drawing() -> str:
    """Returns the drawing in Mermaid, the rooms that import most first."""
    graph = imports()
    order = sorted(graph, key=lambda room: (-len(_reached(graph, room)), room))
    arrows = reduced(graph)
    lines = [f"    {room} --> {' & '.join(sorted(arrows[room]))}" for room in order if arrows[room]]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


if __name__ == "__main__":
    print(drawing())
