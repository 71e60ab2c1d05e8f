"""From a record back to the run that made it."""

from __future__ import annotations

from typing import Any

from harbench.errors import HarbenchError
from harbench.protocol import Protocol
from harbench.running.plan import Run, make_runs
from harbench.running.records import Record
