"""Which room of the house knows which: a room is a package of petri, or a module at its top."""

import ast
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = {f"petri.{name}": ROOT / name for name in ("models", "targets", "viewer")} | {
    name: ROOT / name for name in ("petri", "nca_cli", "dni_cli")
}
GROUND = {"petri.checks", "petri.errors", "petri.hooks", "petri.maps"}  # what petri.nca stands on


def _modules():
    """All modules' files by name."""
    found = {}
    for name, folder in FOLDERS.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((name, *parts)).removesuffix(".__init__")] = path
    return found


def _room(module):
    return "petri" if module == "petri.__main__" else ".".join(module.split(".")[:2])


def _that_run(tree):
    """All nodes of a module but those within `if TYPE_CHECKING:`."""
    yield tree
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from _that_run(node)


@cache
def _imports():
    """Pairs of rooms, the first of which imports the second, within a function too; not for types alone."""
    modules, pairs = _modules(), {}
    for module, path in modules.items():
        for node in _that_run(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}:{node.lineno}: an import is written out"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                while name and name not in modules:
                    name = name.rpartition(".")[0]  # the name of something in a module
                if name and _room(name) != _room(module):
                    pairs.setdefault((_room(module), _room(name)), f"{path.relative_to(ROOT)}:{node.lineno}")
    return pairs


def _circle(pairs):
    """Rooms each of which imports the next, and the last the first; empty if there are none such."""
    rest = set(pairs)
    while ends := {pair for pair in rest if pair[1] not in {importer for importer, _ in rest}}:
        rest -= ends
    if not rest:
        return []
    way = [min(rest)[0]]
    while way.count(way[-1]) < 2:
        way.append(min(room for importer, room in rest if importer == way[-1]))
    return way[way.index(way[-1]) :]


def test_the_rooms_are_found():
    pairs = _imports()
    assert ("petri.engine", "petri.nca") in pairs and ("petri", "petri.engine") in pairs
    assert ("petri.models", "petri.shaders") in pairs and ("nca_cli.play", "petri.film") in pairs


def test_a_circle_of_rooms_would_be_found():
    assert _circle({("a", "b"), ("b", "c"), ("c", "d")}) == []
    assert _circle({("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")}) == ["b", "c", "b"]


def test_no_room_imports_one_that_stands_on_it():
    pairs = _imports()
    circle = _circle(set(pairs))
    assert not circle, [pairs[pair] for pair in pairwise(circle)]


def test_what_a_cell_does_knows_nothing_above_it():
    above = {room: place for (importer, room), place in _imports().items() if importer == "petri.nca"}
    assert above.keys() <= GROUND, above


def test_no_room_knows_the_commands_or_the_front_door():
    pairs = _imports().items()
    climbing = {
        pair: place
        for pair, place in pairs
        if pair[0].startswith("petri.") and not pair[1].startswith("petri.")
    }
    assert not climbing


def test_whoever_imports_the_lowest_room_alone_has_its_rollouts_and_no_engine_before_the_first():
    program = """
import sys
from petri.nca import Automaton, Spec
assert "petri.engine" not in sys.modules
automaton = Automaton(Spec(living=True))
print(list(automaton.rollout(automaton.seed_state(8), 2).shape))
assert "petri.engine" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[1, 16, 8, 8]\n"
