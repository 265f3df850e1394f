"""A page and its models as a static site, for any host."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

from petri.errors import BadRequest
from petri.files import write_whole
from petri.viewing.site import MANIFEST, MESH, THUMBNAIL, Site
from petri.viewing.specimens import ENDING


def export(site: Site, folder: Path) -> None:
    """Write every file of a site, each whole, the manifest last.

    Args:
        site: what the page consists of.
        folder: is made if need be; an earlier export in it is replaced.

    Raises:
        BadRequest: it holds something else, or cannot be written.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise BadRequest(f"{folder} is a file, not a folder")
        earlier = _earlier(folder) if folder.is_dir() and any(folder.iterdir()) else []
        names = sorted(site, key=lambda name: (name == MANIFEST, name))
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, site[name].read())
        for name in earlier:
            if name not in site:
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise BadRequest(f"cannot write to {folder}: {error.strerror or error}") from None


def _earlier(folder: Path) -> list[str]:
    """The models' files and pictures of the export that lies in a folder."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] == "petri-manifest" and (folder / "index.html").is_file():
            # Names alone: a manifest that somebody else wrote may not point out of the folder.
            named = [
                [entry["file"], entry.get("thumbnail"), entry.get("film"), entry.get("mesh")]
                for entry in manifest["models"]
            ]
            names = [Path(unquote(address)).name for addresses in named for address in addresses if address]
            return [name for name in names if name.endswith((ENDING, THUMBNAIL, MESH))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise BadRequest(f"{folder} is not empty and no earlier export: choose another folder")
