"""Who imports whom: no circle, the reading path first, and few imports inside functions.

The imports are read from the source of every file of the package, those inside functions too.
``from gptlite.x import y`` imports the module ``gptlite.x.y`` where there is one, and else
``gptlite.x``, as it does where that package's ``__init__`` has the name from one of its modules.
``import gptlite`` imports ``gptlite/__init__.py`` with all that this file imports.

Python runs a package's ``__init__`` before its modules. So whoever imports
``gptlite.generate.loop`` from outside ``gptlite/generate/`` imports ``gptlite.generate``, too. For
the package's own modules this does not count (else each package whose ``__init__`` imports one of
them would be a circle), and ``gptlite`` itself, the package of them all, counts only where it is
named.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import NamedTuple

import pytest

import gptlite

ROOT = Path(gptlite.__file__).resolve().parent.parent

WINGS = {
    *("checkpoints", "download", "evaluate", "exercises", "explain", "figures", "finetune"),
    *("lab", "pretrain", "storyteller", "tasks", "training", "views"),
}
# The reading path, and what lies beside it on the ground floor.
PATH = tuple(
    f"gptlite.{name}"
    for name in (
        *("config", "tokenizer", "layers", "block", "model", "cache", "sampling", "generate"),
        *("generate.loop", "generate.samples", "generate.growing", "generate.speculation"),
        *("trace", "alphabet", "call", "checks", "errors", "files", "texts", "command", "version"),
        *("lock", "outputs"),
        *("special", "characters", "offsets", "patterns", "fast.products"),
        *("fast.chunks", "fast.bpe", "fast.merging", "fast.rows", "fast.words", "fast.joining"),
        *("fast.memory", "fast.threads", "fast.lanes", "fast.calls", "fast.mapping"),
    )
)

# What a folder must not import, not even inside a function.
FORBIDDEN = {
    "fast": WINGS,
    "checkpoints": {"download", "training", "pretrain", "finetune", "tasks", "evaluate"},
    "download": {"training", "pretrain", "finetune", "tasks", "evaluate"},
    "training": {"checkpoints", "download", "pretrain", "finetune", "tasks", "evaluate"},
    "pretrain": {"finetune", "tasks", "evaluate"},
    "finetune": {"pretrain", "tasks", "evaluate"},
    "tasks": {"training", "pretrain", "finetune", "evaluate"},
    "evaluate": {"pretrain", "finetune", "views", "explain", "lab"},
    "views": {"explain", "figures", "lab"},
    "lab": {"explain", "training", "pretrain", "finetune", "tasks", "evaluate"},
}

# Libraries that are imported inside functions alone, wherever that is.
LIBRARIES = {
    "tqdm": "a progress bar, only where something takes long",
    "requests": "the network, only where something is fetched",
    "urllib3": "an error of the network, only where something is fetched",
    "matplotlib": "drawing, which is not installed with gptlite",
    "fcntl": "is not there on Windows, nor in a browser",
    "ssl": "is not there in a browser",
    "msvcrt": "is there on Windows only",
}

# Imports that are inside a function: (module, what it imports): why.
LIGHT = "import gptlite loads no wing"
MET = "a reader is loaded only where a file of its form is met"
FETCHED = "a reader is loaded only where a file that was fetched is checked"
INSIDE = {
    ("gptlite", "gptlite.checkpoints"): LIGHT,
    ("gptlite", "gptlite.download"): LIGHT,
    ("gptlite.model", "gptlite.checkpoints"): LIGHT,
    ("gptlite.model", "gptlite.download"): LIGHT,
    ("gptlite.model", "gptlite.training.initial"): LIGHT,
    ("gptlite.tokenizer", "gptlite.checkpoints.vocabulary"): LIGHT,
    ("gptlite.tokenizer", "gptlite.download"): LIGHT,
    ("gptlite.tokenizer", "gptlite.training.merges"): LIGHT,
    ("gptlite.generate.__main__", "gptlite.views.terminal"): "the first text waits for no view",
    ("gptlite.checkpoints.formats", "gptlite.checkpoints.pytorch.contents"): MET,
    ("gptlite.checkpoints.formats", "gptlite.checkpoints.pytorch.nanogpt"): MET,
    ("gptlite.checkpoints.formats", "gptlite.checkpoints.tensorflow.tensorbundle"): MET,
    ("gptlite.checkpoints.tensorflow.openai", "gptlite.checkpoints.tensorflow.tensorbundle"): MET,
    ("gptlite.download.official", "gptlite.checkpoints.names"): FETCHED,
    ("gptlite.download.official", "gptlite.checkpoints.tensorflow.crc32c"): FETCHED,
    ("gptlite.download.official", "gptlite.checkpoints.tensorflow.openai"): FETCHED,
    ("gptlite.download.official", "gptlite.checkpoints.tensorflow.tensorbundle"): FETCHED,
}


class Import(NamedTuple):
    """An import statement's module, and where it stands."""

    importer: str
    imported: str
    line: int
    inside: bool  # a function
    for_types: bool  # under ``if TYPE_CHECKING``

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: imports {self.imported}"


def modules(root: Path, package: str) -> dict[str, Path]:
    """List a package's modules and their files."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path, package: str) -> list[Import]:
    """List every import of every module of a package."""
    files = modules(root, package).items()
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in files}
    return [each for name, tree in trees.items() for each in imports_in(name, tree, trees)]


def imports_in(
    importer: str,
    node: ast.AST,
    trees: Mapping[str, ast.Module],
    inside: bool = False,
    for_types: bool = False,
) -> Iterator[Import]:
    """Find the imports in a part of a module's source."""
    for child in ast.iter_child_nodes(node):
        imported: list[str] = []
        if isinstance(child, ast.Import):
            imported = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            assert child.module and not child.level, f"{importer}: a relative import"
            own = names_imported(trees[child.module]) if child.module in trees else set()
            for alias in child.names:
                full = f"{child.module}.{alias.name}"
                is_module = full in trees and alias.name not in own
                imported.append(full if is_module else child.module)
        else:
            within = inside or isinstance(child, (ast.FunctionDef, ast.Lambda))
            types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from imports_in(importer, child, trees, within, for_types or types)
        for name in dict.fromkeys(imported):
            yield Import(importer, name, child.lineno, inside, for_types)


def names_imported(tree: ast.Module) -> set[str]:
    """List the names that a module has from others."""
    statements = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in statements for alias in node.names}


def graph(found: list[Import], known: Set[str]) -> dict[str, set[str]]:
    """Give the modules that each imports, with the packages that come before them."""
    edges: dict[str, set[str]] = {name: set() for name in known}
    for importer, imported, *_ in found:
        if imported not in known:
            continue
        edges[importer].add(imported)
        parts = imported.split(".")
        for n in range(2, len(parts)):
            package = ".".join(parts[:n])
            if importer != package and not importer.startswith(f"{package}."):
                edges[importer].add(package)
    return edges


def circles(edges: Mapping[str, Set[str]]) -> list[list[str]]:
    """Give a shortest circle through each module that is in one; each circle once."""
    found: dict[frozenset[str], list[str]] = {}
    for start in sorted(edges):
        before: dict[str, str | None] = {start: None}
        row = [start]
        for name in row:  # which grows: breadth first
            for imported in sorted(edges[name]):
                if imported == start:
                    circle = [name]
                    while (back := before[circle[-1]]) is not None:
                        circle.append(back)
                    found.setdefault(frozenset(circle), [*reversed(circle), start])
                    row.clear()
                    break
                if imported not in before:
                    before[imported] = name
                    row.append(imported)
    return sorted(found.values(), key=len)


def folder_of(module: str) -> str:
    """Give the folder of the package in which a module lies; "" for the top one."""
    first, *rest = module.split(".")[1:] or [""]
    return first if rest or (ROOT / "gptlite" / first).is_dir() else ""


IMPORTS = imports(ROOT, "gptlite")


def test_there_is_no_circle() -> None:
    found = circles(graph(IMPORTS, set(modules(ROOT, "gptlite"))))
    assert not found, "\n".join(" -> ".join(circle) for circle in found)


def test_the_reading_path_imports_no_wing_at_module_level() -> None:
    found = [
        str(each)
        for each in IMPORTS
        if each.importer in ("gptlite", *PATH)
        and not each.inside
        and folder_of(each.imported) in WINGS
        and each.imported.startswith("gptlite.")
    ]
    assert set(PATH) <= set(modules(ROOT, "gptlite"))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_a_folder_does_not_import_what_builds_on_it(folder: str) -> None:
    found = [
        str(each)
        for each in IMPORTS
        if each.importer.split(".")[1:2] == [folder]
        and each.imported.startswith("gptlite.")
        and folder_of(each.imported) in FORBIDDEN[folder]
    ]
    assert (ROOT / "gptlite" / folder).is_dir()
    assert all((ROOT / "gptlite" / name).is_dir() for name in FORBIDDEN[folder])
    assert not found, "\n".join(found)


def test_nothing_imports_a_door() -> None:
    found = [str(each) for each in IMPORTS if each.imported.endswith("__main__")]
    assert not found, "\n".join(found)


def test_only_the_imports_listed_are_inside_a_function() -> None:
    found = [
        str(each)
        for each in IMPORTS
        if each.inside
        and each.imported.split(".")[0] not in LIBRARIES
        and (each.importer, each.imported) not in INSIDE
    ]
    assert not found, "\n".join(found)


def test_each_import_listed_is_there() -> None:
    inside = {(each.importer, each.imported) for each in IMPORTS if each.inside}
    libraries = {imported.split(".")[0] for _, imported in inside}
    stale = [*(INSIDE.keys() - inside), *(LIBRARIES.keys() - libraries)]
    assert not stale


def test_these_libraries_are_imported_inside_functions_alone() -> None:
    found = [
        str(each)
        for each in IMPORTS
        if each.imported.split(".")[0] in LIBRARIES and not each.inside and not each.for_types
    ]
    assert not found, "\n".join(found)


def test_importing_gptlite_loads_no_wing_and_none_of_these_libraries() -> None:
    code = "import sys, gptlite; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & (LIBRARIES.keys() - {"fcntl", "msvcrt"})  # which Python itself may load
    assert "gptlite.model" in loaded
    assert not {name for name in loaded if name.startswith("gptlite.") and folder_of(name) in WINGS}


# ---- The search itself --------------------------------------------------------------------------


def written(folder: Path, files: Mapping[str, str]) -> list[list[str]]:
    """Write a package ``p``, and give its circles."""
    for name, source in files.items():
        path = folder / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return circles(graph(imports(folder, "p"), set(modules(folder, "p"))))


def test_a_circle_is_found_at_module_level_and_through_functions(tmp_path: Path) -> None:
    files = {
        "__init__.py": "from p.a import x",
        "a.py": "import p.b",
        "b.py": "def f():\n    from p import c",
        "c.py": "class C:\n    def f(self):\n        from p.d import x",
        "d.py": "",
    }
    assert written(tmp_path, files) == []
    assert written(tmp_path, {"d.py": "from p.b import f"}) == [["p.b", "p.c", "p.d", "p.b"]]
    files_of_types = "if TYPE_CHECKING:\n    from p.c import C"
    assert written(tmp_path, {"d.py": files_of_types}) == [["p.c", "p.d", "p.c"]]
    assert written(tmp_path, {"d.py": "import p"}) == [
        ["p", "p.a", "p.b", "p.c", "p.d", "p"],
    ]


def test_a_package_is_imported_with_its_modules_by_others_than_its_own(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "a.py": "import p.room.one",
        "room/__init__.py": "from p.room.two import x",
        "room/one.py": "",
        "room/two.py": "import p.room.one",
    }
    assert written(tmp_path, files) == []
    name = {
        "__init__.py": "from p.room import two",
        "room/__init__.py": "from p.room.two import two",
    }
    assert written(tmp_path, name | {"room/two.py": "import p"}) == [
        ["p", "p.room", "p.room.two", "p"]
    ]
    assert written(tmp_path, {"__init__.py": "", "room/two.py": "from p.a import y"}) == [
        ["p.a", "p.room", "p.room.two", "p.a"]
    ]
    assert written(tmp_path, {"room/two.py": "from p.room import y"}) == [
        ["p.room", "p.room.two", "p.room"]
    ]
