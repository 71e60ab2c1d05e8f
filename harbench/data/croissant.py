"""A dataset's facts as Croissant metadata (JSON-LD), the format of dataset search engines.

Croissant 1.0 of MLCommons, https://docs.mlcommons.org/croissant/docs/croissant-spec.html. The
prepared files are described, by name, size and sha256; no sample of a signal is inside.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from harbench.dataset import HARDataset

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
FILES = {"windows.f32": "application/octet-stream", "index.npz": "application/zip"}
UNKNOWN = "not stated by the source"


def croissant(dataset: HARDataset, folder: Path) -> dict[str, Any]:
    """JSON-LD of a prepared dataset whose files lie in `folder`."""
    info = dataset.info
    steps, sensors, channels = dataset.shape
    facts = (
        f"{len(dataset)} windows of {steps} steps at {info.rate:g} Hz, {sensors} sensors x "
        f"{channels} channels, {len(np.unique(dataset.subjects))} subjects, "
        f"{len(np.unique(dataset.recordings))} recordings. windows.f32 is a little-endian float32 "
        f"array {list(dataset.windows.shape)} (windows, steps, sensors, channels), NaN where "
        "missing; index.npz holds labels, subjects, recordings and starts of the windows."
    )
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": dataset.spec,
        "description": f"{info.title}. {facts}",
        "license": info.licence or UNKNOWN,
        "url": info.url or UNKNOWN,
        "citeAs": info.citation or UNKNOWN,
        "version": f"1.0.0+{dataset.fingerprint[:12]}",
        "keywords": ["human activity recognition", "wearable sensors", *info.classes],
        "variableMeasured": [
            {"@type": "sc:PropertyValue", "name": f"{sensor.name}.{channel}", "unitText": unit}
            for sensor in info.sensors
            for channel, unit in zip(info.channels, info.units, strict=True)
        ],
        "distribution": [_file(folder / name, kind) for name, kind in FILES.items()],
        "recordSet": [_names("classes", info.classes)],
    }


def _file(path: Path, kind: str) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": kind,
        "sha256": digest,
    }


def _names(name: str, values: tuple[str, ...]) -> dict[str, Any]:
    """A record set of an enumeration: class index and name."""
    key, text = f"{name}/index", f"{name}/name"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "dataType": "sc:Enumeration",
        "key": {"@id": key},
        "field": [
            {"@type": "cr:Field", "@id": key, "name": key, "dataType": "sc:Integer"},
            {"@type": "cr:Field", "@id": text, "name": text, "dataType": "sc:Text"},
        ],
        "data": [{key: index, text: value} for index, value in enumerate(values)],
    }
