"""From a grid of runs to records."""
