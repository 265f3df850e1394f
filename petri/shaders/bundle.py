"""Many ES modules in one: the viewer is written as modules, and may have to travel as one file."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from petri.viewer import text

_IMPORT = re.compile(
    r'^import\s+(?:(?P<names>[^"\';]+?)\s+from\s+)?"(?P<path>\.[^"]+)";[ \t]*(?://.*)?$', re.M
)
_DECLARED = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) +(?P<name>\w+))", re.M)
_LISTED = re.compile(r"^export \{(?P<names>[^}]*)\};$", re.M)
_DEFAULT = re.compile(r"^export default ", re.M)
# Not ".*" at the front: that takes seconds in a long line, such as the processor's step.
_LEFT = re.compile(r"(?:^(?:import|export)\b|\bimport\s*\(|\bimport\.meta\b).*", re.M)

_LETTER = re.compile(r"[^\x00-\x7f]")


def bundle(entry: str, *, read: Callable[[str], str] = text) -> str:
    """Put a module and all that it imports into one.

    Each module becomes a function that returns what it exports, called once, in the order of their imports.

    Args:
        entry: path of the module that is run, from the viewer's folder, such as `app.js`.
        read: gives a module's text by its path.

    Returns:
        The text of a module that imports nothing, in ASCII: a page that names no encoding reads it alike.

    Raises:
        ValueError: modules that import each other in a circle, or are not written as `viewer/README.md` asks.
    """
    names: dict[str, str] = {}
    parts: list[str] = []

    def add(path: str, importers: tuple[str, ...]) -> str:
        if path in importers:
            raise ValueError(f"modules import each other in a circle: {' → '.join((*importers, path))}")
        if path not in names:
            source = read(path)
            folder = posixpath.dirname(path)
            imported = {
                match["path"]: add(
                    posixpath.normpath(posixpath.join(folder, match["path"])), (*importers, path)
                )
                for match in _IMPORT.finditer(source)
            }
            names[path] = "module" + str(len(names))
            parts.append(_wrap(path, source, names[path], imported))
        return names[path]

    add(entry, ())
    return _LETTER.sub(_escaped, "\n".join(parts))


def _escaped(letter: re.Match[str]) -> str:
    """What JavaScript reads as that letter, in any text, pattern or comment."""
    return re.sub("(....)", r"\\u\1", letter[0].encode("utf-16-be").hex())


def _wrap(path: str, source: str, name: str, imported: dict[str, str]) -> str:
    exports: list[str] = []

    def listed(match: re.Match[str]) -> str:
        for each in filter(None, (each.strip() for each in match["names"].split(","))):
            inner, _, outer = each.partition(" as ")
            exports.append(f"{outer}: {inner}" if outer else inner)
        return ""

    def declared(match: re.Match[str]) -> str:
        exports.append(match["name"])
        return ""

    body = _IMPORT.sub(lambda match: _unpacked(match["names"], imported[match["path"]]), source)
    body = _LISTED.sub(listed, _DECLARED.sub(declared, body))
    if _DEFAULT.search(body):
        body = _DEFAULT.sub("const byDefault = ", body)
        exports.append("default: byDefault")
    left = _LEFT.search(body)
    if left:
        raise ValueError(f"{path} is not written as viewer/README.md asks: {left[0].strip()}")
    return f"// {path}\nconst {name} = (() => {{\n{body}\nreturn {{ {', '.join(exports)} }};\n}})();\n"


def _unpacked(names: str | None, module: str) -> str:
    """What an import statement's names become: `a, { b, c as d }`."""
    if not names:
        return ""
    default, _, braced = (part.strip() for part in names.partition("{"))
    lines = []
    if default.rstrip(", "):
        if default.startswith("*"):
            lines.append(f"const {default.removeprefix('*').strip().removeprefix('as').strip()} = {module};")
        else:
            lines.append(f"const {default.rstrip(', ')} = {module}.default;")
    if braced:
        lines.append(f"const {{ {braced.rstrip('} ').replace(' as ', ': ')} }} = {module};")
    return " ".join(lines)
