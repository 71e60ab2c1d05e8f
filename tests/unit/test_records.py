"""Records that were changed, copied or replaced are refused in words; none hides another."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from end_to_end.commands import Cli
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.frames import made_up_identity, made_up_record

from harbench.errors import HarbenchError
from harbench.evaluation.metrics import from_confusion
from harbench.running.reading import LARGEST, OLDER, read_folder, read_record
from harbench.running.records import Identity, Record

ROOT = Path(__file__).resolve().parents[2]
Values = dict[str, Any]


def identity(seed: int) -> Identity:
    return made_up_identity(seed, scales=["mixed", "gaps"], rates=[0.1])


def values(seed: int = 0) -> Values:
    found: Values = made_up_record(identity(seed)).model_dump(mode="json")
    return found


def place(root: Path, seed: int = 0, label: str = "cnn") -> Path:
    return root / "bodysim+activities=3" / "clean" / "quick" / label / f"seed-{seed}.json"


def put(path: Path, content: Values) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def change(record: Values, keys: str, value: object) -> Values:
    """`record` with the value at ``split.train`` replaced; numbers are positions in a list."""
    *folders, last = [int(key) if key.isdigit() else key for key in keys.split(".")]
    inside: Any = record
    for key in folders:
        inside = inside[key]
    inside[last] = value
    return record


FORGED = [
    ("conditions.0.accuracy", 0.9, "accuracy does not follow from the confusion matrix"),
    ("conditions.0.accuracy", 1.01, "less than or equal to 1"),
    ("conditions.0.accuracy", float("nan"), "finite"),
    ("conditions.0.f1_macro", 0.81, "f1_macro does not follow"),
    ("conditions.0.f1_macro", float("inf"), "conditions.0.f1_macro"),
    ("conditions.0.f1_weighted", 0.1, "f1_weighted does not follow"),
    ("conditions.0.balanced_accuracy", 0.7, "balanced_accuracy does not follow"),
    ("conditions.0.f1_per_class", [0.8], "f1_per_class does not follow"),
    ("conditions.0.f1_per_class", [0.8, None], "f1_per_class does not follow"),
    ("conditions.0.nll", -0.1, "conditions.0.nll"),
    ("conditions.0.nll", float("nan"), "conditions.0.nll"),
    ("conditions.0.ece", 1.5, "conditions.0.ece"),
    ("conditions.0.rate", 1.0, "conditions.0.rate"),
    ("conditions.0.rate", 0.2, "a rate above 0 goes with"),
    ("conditions.0.scale", "limb", "conditions.0.scale"),
    ("conditions.0.confusion", [[8, 2]], "not square"),
    ("conditions.0.confusion", [[8, 2], [2]], "not square"),
    ("conditions.0.confusion", [], "not square"),
    ("conditions.0.confusion", [[9, 2], [2, 8]], "counts 21 windows, n says 20"),
    ("conditions.0.confusion", [[8, 2], [-2, 12]], "conditions.0.confusion.1.0"),
    ("conditions.0.confusion", [[8.5, 1.5], [2, 8]], "conditions.0.confusion.0.0"),
    ("conditions.0.confusion", [[10**400, 2], [2, 8]], "conditions.0.confusion.0.0"),
    ("conditions.0.n", 19, "n says 19"),
    ("conditions.0.n", True, "conditions.0.n"),
    ("conditions", [], "conditions"),
    ("split.test", 30, "20 of 30 test windows scored"),
    ("split.test", 10**30, "split.test"),
    ("split.labelled", 81, "81 of 80 training windows are labelled"),
    ("split.leakage", 0.6, "leakage is above touching"),
    ("split.touching", 2, "split.touching"),
    ("split.test_subjects", 21, "21 people gave 20 test windows"),
    ("split.digest", "d", "split.digest"),
    ("identity.rules", {}, "the rules lack split, label_fraction"),
    ("identity.rules.rates", [1.5], "rules.rates.0"),
    ("identity.rules.split", "by-hand", "rules.split"),
    ("identity.rules.label_fraction", 0, "rules.label_fraction"),
    ("identity.rules.folds", 0, "rules.folds: 0 is no number of folds"),
    ("identity.rules.new_rule", 1, "rules.new_rule"),
    ("identity.evaluator", 0, "identity.evaluator"),
    ("identity.seed", -1, "identity.seed"),
    ("identity.seed", "0", "identity.seed"),
    ("identity.fingerprint", "f", "identity.fingerprint"),
    ("status", "failed", "status"),
    ("schema", 1, OLDER),
    ("schema", 3, OLDER),
    ("extra", 1, "extra"),
    ("cost.parameters", -1, "cost.parameters"),
]


@pytest.mark.parametrize(("keys", "value", "message"), FORGED)
def test_a_changed_record_is_refused(
    tmp_path: Path, keys: str, value: object, message: str
) -> None:
    path = put(place(tmp_path), change(values(), keys, value))
    good = put(place(tmp_path, 1), values(1))
    found = read_folder(tmp_path)
    assert [each for each, _ in found.records] == [good]
    (problem,) = found.problems
    assert problem.path == path and message in problem.reason and len(str(problem)) < 500


def test_conditions_follow_the_rules(tmp_path: Path) -> None:
    record = values()
    (clean,) = record["conditions"]
    for extra, message in (
        ([clean], "there twice"),
        ([{**clean, "scale": "sensor", "rate": 0.1}], "the rules have no test condition sensor"),
        ([{**clean, "scale": "mixed", "rate": 0.2}], "no test condition mixed 20 %"),
    ):
        path = put(place(tmp_path), {**record, "conditions": [clean, *extra]})
        with pytest.raises(HarbenchError, match=message):
            read_record(path)
    put(place(tmp_path), {**record, "conditions": [{**clean, "scale": "mixed", "rate": 0.1}]})
    with pytest.raises(HarbenchError, match="clean is missing"):
        read_record(place(tmp_path))
    other = from_confusion([[11, 0], [0, 9]])
    mixed = {**clean, **other, "scale": "mixed", "rate": 0.1, "confusion": [[11, 0], [0, 9]]}
    put(place(tmp_path), {**record, "conditions": [clean, mixed]})
    with pytest.raises(HarbenchError, match="count other windows of a class"):
        read_record(place(tmp_path))
    gaps = {**clean, "scale": "gaps"}
    put(place(tmp_path), {**record, "conditions": [clean, gaps]})
    read_record(place(tmp_path))
    wider = {
        **gaps,
        "f1_per_class": [*gaps["f1_per_class"], None],
        "confusion": [[*row, 0] for row in gaps["confusion"]] + [[0, 0, 0]],
    }
    put(place(tmp_path), {**record, "conditions": [clean, wider]})
    with pytest.raises(HarbenchError, match="matrices are of different sizes"):
        read_record(place(tmp_path))


def test_a_seed_is_one_of_the_folds(tmp_path: Path) -> None:
    record = change(values(4), "identity.rules.split", "subject")
    record["identity"]["rules"]["folds"] = 5
    read_record(put(place(tmp_path, 4), record))
    with pytest.raises(HarbenchError, match="seed 5 is none of the 5 folds, 0 to 4"):
        read_record(put(place(tmp_path, 5), change(record, "identity.seed", 5)))


def test_as_many_people_as_windows_are_possible(tmp_path: Path) -> None:
    record = change(values(), "split.test_subjects", 20)
    assert read_record(put(place(tmp_path), record)).split.test_subjects == 20


def test_an_identity_says_only_the_options_that_were_used() -> None:
    """Digests of identities from before there was an option stay what they were."""
    plain = identity(0).model_dump(mode="json")
    assert not {"impute", "indicator", "pretrain"} & plain.keys()
    for used in ({"impute": "hold"}, {"indicator": True}, {"pretrain": False}):
        said = Identity.model_validate({**plain, **used}).model_dump(mode="json")
        assert said == {**plain, **used}
    with pytest.raises(ValueError, match="the rules lack split"):
        Identity.model_validate({**plain, "rules": {}})


def every_key(inside: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values of a record, but of what may say anything."""
    if before in (("identity", "config"), ("provenance",)):
        return []
    items = inside.items() if isinstance(inside, dict) else enumerate(inside)
    paths = []
    for key, value in items:
        paths.append((*before, key))
        if isinstance(value, dict | list):
            paths += every_key(value, (*before, key))
    return paths


JUNK = st.sampled_from(
    [None, "", "x", [], {}, [[]], -1, 2, 0.5, 1e308, -0.0, 10**30, 10**4000, True, "NaN", [None]]
)
WHOLE = values()


@settings(max_examples=200)
@given(st.sampled_from(every_key(WHOLE)), JUNK)
def test_any_value_may_be_junk(
    tmp_path_factory: pytest.TempPathFactory, keys: tuple[Any, ...], junk: object
) -> None:
    """It is read as a record that says something else, or refused in words that name the file."""
    record = json.loads(json.dumps(WHOLE))
    inside = record
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = junk
    path = place(tmp_path_factory.mktemp("junk"))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record))
    try:
        found = read_record(path)
    except HarbenchError as error:
        assert str(path) in str(error) and len(str(error)) < 600
    else:
        Record.model_validate_json(found.model_dump_json())


@settings(max_examples=60)
@given(st.integers(0, 2500), st.binary(max_size=4), st.sampled_from([0, 1, 30, 10_000]))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, begin: int, junk: bytes, gone: int
) -> None:
    whole = json.dumps(WHOLE).encode()
    path = place(tmp_path_factory.mktemp("bytes"))
    path.parent.mkdir(parents=True)
    path.write_bytes(whole[:begin] + junk + whole[begin + gone :])
    found = read_folder(path.parents[4])
    assert len(found.records) + len(found.problems) == 1
    assert all(str(path) in str(problem) for problem in found.problems)


def test_a_copy_elsewhere_is_named_with_its_original(tmp_path: Path) -> None:
    path = put(place(tmp_path), values())
    copy = tmp_path / "backup" / "seed-0.json"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    found = read_folder(tmp_path)
    assert [each for each, _ in found.records] == [path]
    (problem,) = found.problems
    assert str(copy) in str(problem) and str(path) in str(problem)
    again = put(place(tmp_path / "more"), values())
    found = read_folder(tmp_path)
    assert found.records == [], "two fitting copies: neither is taken"
    named = " ".join(map(str, found.problems))
    assert len(found.problems) == 3 and str(again) in named and str(path) in named


def test_tables_of_tuning_are_no_records(tmp_path: Path) -> None:
    for kind in ("tuning", "choices"):
        put(tmp_path / kind / "x" / "subject-15" / "quick" / "cnn" / "seed-0.json", {})
    put(place(tmp_path), values())
    found = read_folder(tmp_path)
    assert len(found.records) == 1 and not found.problems


def test_a_seed_that_contradicts_the_file_s_name_names_both(tmp_path: Path) -> None:
    path = put(place(tmp_path, 3), values(0))
    (problem,) = read_folder(tmp_path).problems
    assert str(path) in str(problem) and str(place(tmp_path, 0)) in str(problem)
    put(place(tmp_path, 0), values(0))
    found = read_folder(tmp_path)
    assert [each for each, _ in found.records] == [place(tmp_path, 0)]
    (problem,) = found.problems
    assert str(path) in str(problem) and str(place(tmp_path, 0)) in str(problem)


@pytest.mark.parametrize("part", ["bodysim+activities=3", "clean", "quick"])
def test_a_record_in_another_folder_is_refused(tmp_path: Path, part: str) -> None:
    whole = place(tmp_path)
    moved = Path(str(whole).replace(f"/{part}/", "/other/"))
    put(moved, values())
    (problem,) = read_folder(tmp_path).problems
    assert problem.path == moved and f"/{part}/" in problem.reason


@pytest.mark.parametrize(
    ("label", "changed", "fits"),
    [
        ("cnn", {}, True),
        ("cnn+width=64", {}, True),
        ("cnn+width=32", {}, False),
        ("cnn+depth=3", {}, False),
        ("timesnet", {}, False),
        ("cnn+", {}, False),
        ("cnn", {"augment": "corruption"}, False),
        ("cnn+augment=corruption", {"augment": "corruption"}, True),
        ("cnn+augment=corruption", {}, False),
        ("cnn", {"impute": "hold"}, False),
        ("cnn+impute=hold+indicator=true", {"impute": "hold", "indicator": True}, True),
        ("cnn+indicator=true", {"impute": "hold", "indicator": True}, False),
        ("cnn+impute=hold", {}, False),
        ("simmtm+pretrain=false", {"method": "simmtm", "pretrain": False}, True),
        ("simmtm", {"method": "simmtm", "pretrain": False}, False),
        ("cnn+precision=bf16", {"precision": "bf16"}, True),
        ("cnn", {"precision": "bf16"}, False),
        ("cnn+tuned=20", {"tuned": 20}, True),
        ("cnn+tuned=10", {"tuned": 20}, False),
    ],
)
def test_the_folder_names_the_configuration(
    tmp_path: Path, label: str, changed: Values, fits: bool
) -> None:
    record = values()
    put(place(tmp_path, label=label), {**record, "identity": {**record["identity"], **changed}})
    found = read_folder(tmp_path)
    assert (len(found.records), len(found.problems)) == ((1, 0) if fits else (0, 1))


def folder(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("absent"))


def circular(path: Path) -> None:
    path.symlink_to(path)


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, LARGEST + 1)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (folder, "a folder in place of a record. Delete it."),
    "dangling": (dangling, "a link that leads nowhere"),
    "circular": (circular, "cannot be read"),
    "fifo": (os.mkfifo, "not a file"),
    "huge": (huge, "100000001 bytes are no record"),
    "empty": (Path.touch, "EOF"),
    "list": (lambda path: path.write_text("[]"), "object"),
    "deep": (lambda path: path.write_text("[" * 100_000), "recursion"),
    "latin": (lambda path: path.write_bytes(b'{"schema": "\xe9"}'), "unicode"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_of_a_record_is_named(tmp_path: Path, kind: str) -> None:
    good = put(place(tmp_path, 1), values(1))
    odd = place(tmp_path, 0)
    make, message = ODD[kind]
    make(odd)
    found = read_folder(tmp_path)
    assert [each for each, _ in found.records] == [good]
    assert [problem.path for problem in found.problems] == [odd]
    assert message in found.problems[0].reason


def test_the_rest_is_shown_and_the_exit_code_tells(cli: Cli, tmp_path: Path) -> None:
    results = tmp_path / "results"
    for seed in (0, 1):
        put(place(results, seed), values(seed))
    assert cli("results", "check").code == 0 and cli("results").code == 0
    old = put(place(results, 2), {**values(2), "schema": 1})
    commands = (
        ("results",),
        ("results", "list"),
        ("table", "--protocol", "clean"),
        ("report", "--out", tmp_path / "report.html"),
    )
    for command in commands:
        answer = cli(*command)
        assert answer.code == 1 and f"{old}: {OLDER}" in answer.err, answer.err
        assert "cnn" in answer.out.lower() or (tmp_path / "report.html").is_file()
    checked = cli("results", "check", results)
    assert checked.code == 1 and f"{old}: {OLDER}" in checked.out
    assert "2 records hold, 1 do not" in checked.out
    for seed in range(3, 20):
        put(place(results, seed), {**values(seed), "schema": 1})
    assert "8 more are left out: harbench results check" in cli("results").err
    old.unlink()
    assert "Options go behind the word" in cli("results", "--method", "cnn", "check").err


def test_every_committed_record_holds() -> None:
    """Of those that today's rules made; a record of older rules is named as such."""
    found = read_folder(ROOT / "results")
    assert [str(p) for p in found.problems if p.reason.removesuffix(".") != OLDER] == []
