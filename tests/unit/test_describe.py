"""What `data info` says of gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rich.console import Console

from harbench.cli.describe import describe, natural_gaps
from harbench.testing.windows import made_up


def test_gaps_are_measured_per_channel() -> None:
    data = made_up((40, 2, 3))
    windows = np.array(data.windows)
    windows[0, 5:10, 1, 2] = np.nan
    windows[0, 30:, 1, 2] = np.nan
    windows[3, :, 1, 2] = np.nan
    windows[4, :2, 0, 0] = np.nan
    data = type(data)(**{**vars(data), "windows": windows})
    share, lengths = natural_gaps(data)
    assert lengths == {(0, 0): [2], (1, 2): [5, 10, 40]}
    assert share[1, 2] == 55 / (90 * 40) and share.astype(bool).sum() == 2
    console = Console(width=120, record=True)
    console.print(describe(data))
    text = console.export_text()
    assert "s1 c2" in text and "1.53 %" in text and "2.00" in text


def test_a_sensor_that_is_lost_as_a_whole_takes_one_line() -> None:
    data = made_up((40, 2, 3))
    windows = np.array(data.windows)
    windows[:3, 5:10, 1] = np.nan
    windows[7, 5:10, 0, 1] = np.nan
    data = type(data)(**{**vars(data), "windows": windows})
    console = Console(width=120, record=True)
    console.print(describe(data))
    text = console.export_text()
    assert "s1 (every channel)" in text and "s1 c0" not in text and "s0 c1" in text


def test_nothing_is_said_of_gaps_where_there_are_none() -> None:
    console = Console(width=120, record=True)
    console.print(describe(made_up((40, 2, 3))))
    assert "channel with gaps" not in console.export_text()


def test_it_fits_80_columns_and_keeps_what_looks_like_markup() -> None:
    data = made_up((40, 2, 3))
    subjects = np.array([f"subject-{row % 18:02d}" for row in range(len(data))])
    info = replace(data.info, title="[red]lab[/]", classes=("[/b]", *data.info.classes[1:]))
    console = Console(width=80, record=True)
    console.print(describe(replace(data, subjects=subjects, info=info), ["[bold]a note"]))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert all(word in text for word in ("[red]lab[/]", "[/b]", "[bold]a note", "subject-17"))


def test_windows_classes_and_recordings_of_each_subject() -> None:
    data = made_up((40, 2, 3))
    rows = np.arange(len(data))
    data = replace(
        data,
        subjects=np.where(rows % 3 == 0, "anna", "ben"),
        recordings=rows // 30,
        labels=np.where(rows % 3 == 0, 1, rows % 2),
    )
    console = Console(width=120, record=True)
    console.print(describe(data))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["anna", "30", "1", "3"] in lines and ["ben", "60", "2", "3"] in lines
