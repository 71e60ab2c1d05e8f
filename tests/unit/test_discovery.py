"""What is said of methods without importing them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harbench import registry
from harbench.discovery import described, title


@pytest.mark.parametrize("name", registry.method_names())
def test_the_source_says_what_the_class_says(name: str) -> None:
    cls, said = registry.method_class(name), described(name)
    assert (said.name, said.kind, said.reference) == (cls.name, cls.kind, cls.reference)
    assert (said.title, said.colour) == (cls.title, cls.colour)


def test_no_two_methods_share_a_title_or_a_colour() -> None:
    every = [described(name) for name in registry.method_names()]
    assert len({each.title for each in every}) == len(every)
    assert len({each.colour for each in every}) == len(every)


def test_a_row_is_written_as_people_write_it() -> None:
    assert title("cnn") == "CNN"
    assert title("std_mae+augment=corruption+lr=0.1") == "STD-MAE, augment=corruption, lr=0.1"
    assert title("somebodys+x=1") == "somebodys, x=1"
    assert described("somebodys").colour.startswith("#")


def test_methods_are_listed_without_torch() -> None:
    code = (
        "import sys\nfrom harbench.cli.list_ import Kind, list_\n"
        "list_(Kind.methods)\nsys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0 and b"robusthar" in done.stdout
