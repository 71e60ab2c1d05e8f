"""Downloads: from a server on this machine, recorded, checked, and refused politely."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from end_to_end.commands import Cli
from harbench.datasets.bodysim import Bodysim, BodysimOptions
from harbench.datasets.dsads import Dsads, DsadsOptions

from harbench.data import fetch
from harbench.data.paths import cache_dir
from harbench.errors import HarbenchError

CONTENT = bytes(range(256)) * 40


class Server(SimpleHTTPRequestHandler):
    """Serves CONTENT as raw+data.zip, in the ways that `rules` asks for."""

    rules: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[str | None]] = []

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.asked.append(wanted)
        if self.path != "/raw+data.zip":
            return self.send_error(404)
        mark = self.rules.get("version", '"1"')
        first = 0
        if wanted and self.headers["If-Range"] == mark and self.rules.get("ranges", True):
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            if first >= len(CONTENT):
                return self.send_error(416)
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(CONTENT) - first))
        self.send_header("ETag", mark)
        self.end_headers()
        self.wfile.write(CONTENT[first : self.rules.get("stop", len(CONTENT))])
        return None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Server, "rules", {})
    monkeypatch.setattr(Server, "asked", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def dsads_at(url: str, monkeypatch: pytest.MonkeyPatch) -> Dsads:
    info = dataclasses.replace(Dsads(DsadsOptions()).info, url=url)
    monkeypatch.setattr(Dsads, "info", info)
    return Dsads(DsadsOptions())


def test_a_plan_downloads_nothing(cli: Cli, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dsads_at(f"{server}/raw.zip", monkeypatch)
    answer = cli("run", "--method", "cnn", "--protocol", "clean", "--dataset", "dsads", "--dry-run")
    assert answer.code == 2 and "a plan downloads nothing" in answer.err
    assert "harbench data fetch dsads" in answer.err and not Server.asked


def test_a_download_is_kept_and_checked(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dsads_at(f"{server}/raw+data.zip", monkeypatch)
    path = fetch.download(dataset)
    assert path.read_bytes() == CONTENT
    note = path.with_name(path.name + ".sha256").read_text()
    assert note.strip() == hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(fetch, "_retrieve", lambda *_: pytest.fail("fetched twice"))
    assert fetch.locate(dataset, None) == path
    path.write_bytes(b"other bytes")
    with pytest.raises(HarbenchError, match="has changed since its download"):
        fetch.download(dataset)


@pytest.mark.parametrize("place", ["/absent.zip", None])
def test_an_unreachable_address_is_said(
    server: str, place: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server + place if place else "http://127.0.0.1:9/absent.zip"
    with pytest.raises(HarbenchError, match=r"Could not download .* prepare dsads --from FILE"):
        fetch.download(dsads_at(url, monkeypatch))
    assert not list((cache_dir() / "downloads").iterdir())


@pytest.mark.parametrize(
    ("later", "ranges"),
    [
        ({}, [None, "bytes=4096-"]),
        ({"ranges": False}, [None, "bytes=4096-"]),
        ({"version": '"2"'}, [None, "bytes=4096-"]),
    ],
    ids=["goes on", "a server that cannot", "another version by now"],
)
def test_a_download_that_was_cut_off_goes_on(
    server: str, later: dict[str, Any], ranges: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dsads_at(f"{server}/raw+data.zip", monkeypatch)
    Server.rules["stop"] = 4096
    with pytest.raises(HarbenchError, match="What has arrived is kept: the same command goes on"):
        fetch.download(dataset)
    assert not (cache_dir() / "downloads" / "raw+data.zip").exists()
    del Server.rules["stop"]
    Server.rules.update(later)
    path = fetch.download(dataset)
    assert path.read_bytes() == CONTENT and Server.asked == ranges
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, f"{path.name}.sha256"]


def test_a_part_that_is_too_long_is_fetched_anew(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dsads_at(f"{server}/raw+data.zip", monkeypatch)
    part = cache_dir() / "downloads" / "raw+data.zip.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT + b"more")
    part.with_name(part.name + ".version").write_text('"1"')
    with pytest.raises(HarbenchError, match="416"):
        fetch.download(dataset)
    assert fetch.download(dataset).read_bytes() == CONTENT


def test_an_embedded_dataset_needs_none() -> None:
    with pytest.raises(HarbenchError, match="needs no download"):
        fetch.download(Bodysim(BodysimOptions()))


def test_what_is_there_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBENCH_DATA", str(tmp_path))
    dataset = dsads_at("", monkeypatch)
    with pytest.raises(HarbenchError, match=r"neither .*dsads nor .*dsads\.zip"):
        fetch.download(dataset)
    (tmp_path / "dsads.zip").touch()
    with pytest.raises(HarbenchError, match=r"dsads\.zip is there\. Go on: harbench data prepare"):
        fetch.download(dataset)
