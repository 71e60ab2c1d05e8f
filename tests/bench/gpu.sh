#!/usr/bin/env bash
# On a machine with a GPU, inside nine minutes: tests that need one, then gpu.py. Leaves gpu.json.
set -uo pipefail
cd "$(dirname "$0")/.."
out="${1:-gpu.json}"
timeout 180 python -m pytest -m cuda conformance -q
echo "tests marked cuda: exit code $?"
timeout 340 python bench/gpu.py --out "$out" "${@:2}"
