"""Files of ours that are not understood: put aside for a look, never in the way of a start."""

from __future__ import annotations

from pathlib import Path


def set_aside(path: Path, now: float) -> str:
    """Rename the file to ``<file>.corrupt-<now>`` (epoch seconds); what became of it, in words. Never raises."""
    aside = path.with_name(f"{path.name}.corrupt-{int(now)}")
    try:
        path.replace(aside)
    except OSError as failure:
        return f"could not be set aside: {failure.strerror}"
    return f"set aside as {aside}"
