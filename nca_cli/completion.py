"""What the shell offers when a user presses Tab; nothing heavy may be imported here."""

from __future__ import annotations


def complete_target(incomplete: str) -> list[str]:
    """Names of patterns and pictures that begin so."""
    from petri.targets import PATTERNS, PICTURES

    return [name for name in (*PATTERNS, *PICTURES) if name.startswith(incomplete)]


def complete_model(incomplete: str) -> list[str]:
    """Names of shipped models that begin so."""
    from petri.models import names

    return [name for name in names() if name.startswith(incomplete)]
