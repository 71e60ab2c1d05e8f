"""Downloads: from a server on this machine, recorded, checked, and refused politely."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harbench.datasets.bodysim import Bodysim, BodysimOptions
from harbench.datasets.dsads import Dsads, DsadsOptions

from harbench.data import fetch
from harbench.data.paths import cache_dir
from harbench.errors import HarbenchError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        """Like the parent's, but `broken.zip` ends early."""
        if self.path != "/broken.zip":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 400)
        return None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "raw+data.zip").write_bytes(b"some bytes" * 1000)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def dsads_at(url: str, monkeypatch: pytest.MonkeyPatch) -> Dsads:
    info = dataclasses.replace(Dsads(DsadsOptions()).info, url=url)
    monkeypatch.setattr(Dsads, "info", info)
    return Dsads(DsadsOptions())


def test_a_download_is_kept_and_checked(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dsads_at(f"{server}/raw+data.zip", monkeypatch)
    path = fetch.download(dataset)
    assert path.read_bytes() == b"some bytes" * 1000
    note = path.with_name(path.name + ".sha256").read_text()
    assert note.strip() == hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(fetch, "_retrieve", lambda *_: pytest.fail("fetched twice"))
    assert fetch.locate(dataset, None) == path
    path.write_bytes(b"other bytes")
    with pytest.raises(HarbenchError, match="has changed since its download"):
        fetch.download(dataset)


@pytest.mark.parametrize("place", ["/absent.zip", "/broken.zip", None])
def test_an_unreachable_address_is_said(
    server: str, place: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server + place if place else "http://127.0.0.1:9/absent.zip"
    with pytest.raises(HarbenchError, match=r"Could not download .* prepare dsads --from FILE"):
        fetch.download(dsads_at(url, monkeypatch))
    assert not list((cache_dir() / "downloads").iterdir())


def test_an_embedded_dataset_needs_none() -> None:
    with pytest.raises(HarbenchError, match="needs no download"):
        fetch.download(Bodysim(BodysimOptions()))
