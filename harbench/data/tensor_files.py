"""Tensors and a JSON header in one safetensors file, written atomically, with a checksum.

The file says its own name, too: one that is damaged, or lies under another's name, is not read.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from harbench.data.paths import writing

Tensors = dict[str, Tensor]


def save(path: Path, tensors: Tensors, header: dict[str, Any], durable: bool = True) -> None:
    """Write `tensors` and `header`; an older file stays whole until the new one is complete.

    durable: whether it is on the disk afterwards, or may be lost with the machine's power.
    """
    # A network may hold one tensor under two names, which safetensors refuses: copy each.
    plain = {
        key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()
    }
    text = json.dumps(header)
    # One entry: safetensors writes several in an order of chance, and equal files are compared.
    note = {"name": path.name, "header": text, "checksum": _checksum(plain, text)}
    with writing(path, durable) as temporary:
        try:
            save_file(plain, temporary, metadata={"note": json.dumps(note)})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load(path: Path) -> tuple[Tensors, dict[str, Any]] | None:
    """The tensors and header; None where there is no file, or none that is whole and in place."""
    try:
        with safe_open(path, framework="pt") as file:
            note = json.loads(file.metadata()["note"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        whole = note["checksum"] == _checksum(tensors, note["header"])
        return (
            (tensors, json.loads(note["header"])) if whole and note["name"] == path.name else None
        )
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def _checksum(tensors: Tensors, header: str) -> int:
    """CRC-32 of names, types, shapes and values, and of the header."""
    value = zlib.crc32(header.encode())
    for key in sorted(tensors):
        tensor = tensors[key]
        value = zlib.crc32(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode(), value)
        value = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, value)
    return value
