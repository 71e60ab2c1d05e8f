"""harbench: RobustHAR and its baselines under shared protocols with missing data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# In a checkout, methods/, datasets/ and protocols/ lie beside the package: make them importable.
_root = Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file() and (_root / "methods").is_dir():
    __path__.append(str(_root))

if TYPE_CHECKING:
    from harbench.classifier import Classifier as Classifier
    from harbench.model import load as load
    from harbench.running.api import run as run

__all__ = ["Classifier", "__version__", "load", "run"]


def __getattr__(name: str) -> Any:
    """Import the heavy entry points on first use, so that `harbench --help` stays fast."""
    if name == "run":
        from harbench.running.api import run

        return run
    if name == "Classifier":
        from harbench.classifier import Classifier

        return Classifier
    if name == "load":
        from harbench.model import load

        return load
    raise AttributeError(f"module 'harbench' has no attribute {name!r}")
