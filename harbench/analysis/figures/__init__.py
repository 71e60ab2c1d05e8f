"""Figures for papers: functions of records, each returning a matplotlib Figure."""
