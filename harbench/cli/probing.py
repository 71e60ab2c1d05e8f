"""What all probes refuse before any training."""

from __future__ import annotations

from pathlib import Path

from harbench.errors import HarbenchError


def require_possible(protocol: str, figure: Path | None) -> None:
    """Raise HarbenchError for a sweep of configurations, and for a figure that cannot be drawn."""
    from harbench import registry
    from harbench.analysis.figures.style import require_ending

    if figure is not None:
        require_ending("--figure", figure)
    if len(registry.protocol(protocol).variants) > 1:
        raise HarbenchError(f"Protocol {protocol!r} is a sweep of configurations: choose another.")
