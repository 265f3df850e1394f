"""What the shell offers when a user presses Tab; nothing heavy may be imported here."""

from __future__ import annotations


def complete_target(incomplete: str) -> list[str]:
    """Names of patterns, pictures and materials that begin so."""
    from petri.targets import MATERIAL, MATERIALS, PATTERNS, PICTURES

    materials = (f"{MATERIAL}{name}" for name in MATERIALS)
    return [name for name in (*PATTERNS, *PICTURES, *materials) if name.startswith(incomplete)]


def complete_model(incomplete: str) -> list[str]:
    """Names of shipped models that begin so."""
    from petri.models import names

    return [name for name in names() if name.startswith(incomplete)]
