"""Tables and texts on a terminal: text from outside is shown as it is, never obeyed."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from harbench.outside import visible


class _Plain(Console):
    """Takes no text for markup, and spells out what a terminal would obey."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)


def terminal(stderr: bool = False) -> Console:
    """The console for all tables; bold and colour come by `style` or as `Text`."""
    return _Plain(stderr=stderr, markup=False, emoji=False, highlight=False)
