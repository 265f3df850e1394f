"""Links of what people read: each leads to a file that is there, and to a heading that it has."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "models/README.md", "viewer/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _text(page):
    """Without what is code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def _anchors(page):
    """The anchors of a page's headings, as hosts of repositories make them."""
    found = []
    for heading in re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return found


def _name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(_text(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else page.parent / unquote(path)
        assert target.exists(), f"{link}: there is no such file"
        if anchor:
            assert anchor in _anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_that_names_the_report_says_which(page):
    text = " ".join(_text(page).split())
    says = re.search(r"\bthe report\b", text, re.IGNORECASE)
    if says and page.name not in ("report.md", "CHANGELOG.md"):
        linked = re.search(r"\[the report\]\(([^)]*)\)", text, re.IGNORECASE)
        assert linked and linked.start() <= says.start(), "its first mention is no link"
        assert (page.parent / linked[1]).resolve() == ROOT / "docs" / "report.md"


def test_the_folders_of_the_readme_are_there():
    rows = re.findall(r"^\| (`[^|]+`) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    folders = re.findall(r"`([^`]+)`", " ".join(rows))
    assert len(folders) > 10
    assert [name for name in folders if not (ROOT / name).is_dir()] == []
