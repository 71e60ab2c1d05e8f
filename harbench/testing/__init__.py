"""Checks that methods of the suite and of third parties can be put through."""
