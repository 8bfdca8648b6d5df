"""Bundled models are copied into the model cache once, checked, repaired, and offered on a loopback catalog."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from labkit import catalog
from labkit.catalog import LoopbackCatalog, bundled, find_bundled, install
from labkit.catalog_entry import CatalogEntry
from labkit.errors import HomeNotWritable, ModelDamaged

_SMALL = bundled()["course-small"]


def test_the_two_models_of_the_course_are_bundled_whole() -> None:
    """What the manifest promises lies in the installation."""
    assert set(bundled()) == {"course-small", "course-large"}
    for model in bundled().values():
        assert list(catalog.damaged(model.folder, model)) == []


@pytest.mark.parametrize("name", ["course-small", "course-small:1", "Course-Small", " COURSE-SMALL:1 "])
def test_a_bundled_model_is_found_by_alias_and_by_id_in_any_case(name: str) -> None:
    """Learners type both."""
    assert find_bundled(name) == _SMALL


@pytest.mark.parametrize("name", ["", "course", "course-smal", "course-small:2", "phi-4-mini"])
def test_another_name_finds_no_bundled_model(name: str) -> None:
    """A near miss is not a hit."""
    assert find_bundled(name) is None


def test_a_model_is_copied_whole(tmp_path: Path) -> None:
    """Afterwards every file is there, and nothing half-written."""
    folder = install(_SMALL, tmp_path)
    assert {file.name for file in folder.iterdir()} == set(_SMALL.files)
    assert list(catalog.damaged(folder, _SMALL)) == []


def test_a_second_start_writes_nothing(tmp_path: Path) -> None:
    """The files are copied once."""
    before = _written(install(_SMALL, tmp_path))
    assert _written(install(_SMALL, tmp_path)) == before


def test_a_damaged_and_a_missing_file_are_repaired_and_no_other_is_touched(tmp_path: Path) -> None:
    """One flipped bit is found by its SHA-256."""
    folder = install(_SMALL, tmp_path)
    before = _written(folder)
    _flip_one_bit(folder / "model.onnx.data")
    (folder / "tokenizer.json").unlink()
    after = _written(install(_SMALL, tmp_path))
    assert list(catalog.damaged(folder, _SMALL)) == []
    assert {name for name in after if after[name] != before[name]} == {"model.onnx.data", "tokenizer.json"}


def test_damage_in_the_cache_never_reaches_the_original(tmp_path: Path) -> None:
    """The cache holds copies, not links."""
    _flip_one_bit(install(_SMALL, tmp_path) / "model.onnx.data")
    assert list(catalog.damaged(_SMALL.folder, _SMALL)) == []


def test_a_damaged_original_is_named_with_the_way_to_restore_it(tmp_path: Path) -> None:
    """Nothing can be repaired from it, and nothing broken is installed."""
    broken = replace(_SMALL, files=_SMALL.files | {"model.onnx": "0" * 64})
    with pytest.raises(ModelDamaged, match=r"course-small.model\.onnx is missing or damaged.*git checkout") as caught:
        install(broken, tmp_path)
    assert caught.value.file == _SMALL.folder / "model.onnx"
    assert not (tmp_path / "labkit/course-small/model.onnx").exists()


def test_a_missing_original_is_named_too(tmp_path: Path) -> None:
    """A clone without large files is incomplete in this way."""
    with pytest.raises(ModelDamaged, match=r"no-such-file is missing or damaged"):
        install(replace(_SMALL, files={"no-such-file": "0" * 64}), tmp_path)


def test_what_a_killed_process_left_behind_is_swept_away(tmp_path: Path) -> None:
    """A copy that was broken off by a kill costs no disk space for ever; one in progress is left alone."""
    folder = install(_SMALL, tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    abandoned, in_progress = (folder / f".model.onnx.{pid}.part" for pid in (ended.pid, os.getppid()))
    for file in (abandoned, in_progress):
        file.write_bytes(b"half")
    install(_SMALL, tmp_path)
    assert not abandoned.exists()
    assert in_progress.exists()


def test_a_file_where_the_cache_should_be_is_a_clear_error(tmp_path: Path) -> None:
    """The message names the folder and the setting that moves it."""
    (tmp_path / "models").write_text("")
    with pytest.raises(HomeNotWritable, match=r"cannot write to .*models: .*LABKIT_HOME"):
        install(_SMALL, tmp_path / "models")


def test_the_loopback_catalog_lists_the_bundled_models() -> None:
    """Foundry Local asks with POST and reads the entries under `value`."""
    with LoopbackCatalog() as served:
        assert served.url.startswith("http://127.0.0.1:")
        assert served.url.endswith("/asset-gallery/v1.0/models")
        entries = _post(served.url)
    assert [entry["properties"]["id"] for entry in entries] == [model.id for model in bundled().values()]
    assert [entry["annotations"]["tags"]["alias"] for entry in entries] == list(bundled())


def test_the_loopback_catalog_survives_a_damaged_note(tmp_path: Path) -> None:
    """A note of a downloaded model is a convenience; the bundled models do not depend on it."""
    (tmp_path / "labkit-catalog-entry.json").write_text("{")
    with LoopbackCatalog(tmp_path) as served:
        assert len(_post(served.url)) == len(bundled())


def test_an_entry_leaves_out_what_is_not_known() -> None:
    """A wrong number would be worse than none."""
    entry = CatalogEntry("a", "a", 1, "p", "azureml://a", 1, context_length=None).as_json()
    assert "maxOutputTokens" not in entry["annotations"]["tags"]
    assert "textContextWindow" not in entry["annotations"]["systemCatalogData"]


def _written(folder: Path) -> dict[str, tuple[int, int]]:
    return {file.name: (file.stat().st_mtime_ns, file.stat().st_ino) for file in folder.iterdir()}


def _flip_one_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def _post(url: str) -> list[dict[str, dict[str, dict[str, str]]]]:
    with urllib.request.urlopen(url, b"{}", timeout=10) as reply:  # noqa: S310  # a loopback address
        entries: list[dict[str, dict[str, dict[str, str]]]] = json.load(reply)["value"]
    return entries
