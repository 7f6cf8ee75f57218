"""Files that are read again: whole or not at all, and every change noticed."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import saying

from sdlora.errors import explain
from sdlora.files.intact import Damaged, digest_of, read_json, write_atomically, write_json


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_atomic_write_leaves_the_old_file_when_it_fails(tmp_path: Path, monkeypatch, step: str) -> None:
    file = tmp_path / "x.txt"
    write_atomically(file, "old")
    full = OSError(28, "No space left on device", str(file))
    monkeypatch.setattr(os, step, lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(OSError) as told:
        write_atomically(file, "new")
    assert file.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["x.txt"]
    assert str(explain(told.value)).startswith("The disk is full")


def test_an_atomic_write_takes_text_bytes_and_the_longest_names(tmp_path: Path) -> None:
    for name, data in (("a", "Füchse\r\n"), ("b" * 255, b"\0\xff"), ("猫" * 85, memoryview(b"x"))):
        write_atomically(str(tmp_path / name), data)
        assert (tmp_path / name).read_bytes() == (data.encode() if isinstance(data, str) else bytes(data))
    assert len(list(tmp_path.iterdir())) == 3


def test_an_atomic_write_syncs_before_it_renames(tmp_path: Path, monkeypatch) -> None:
    order, sync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda n: (order.append(os.fstat(n).st_size), sync(n)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(Path(b).name), replace(a, b)))
    write_atomically(tmp_path / "x", b"four")
    assert order == [4, "x"]


def test_a_digest_is_sha256_of_files_and_bytes(tmp_path: Path) -> None:
    data = os.urandom((1 << 20) + 7)  # more than one piece
    (tmp_path / "x").write_bytes(data)
    want = hashlib.sha256(data).hexdigest()
    assert {
        digest_of(data),
        digest_of(memoryview(data)),
        digest_of(tmp_path / "x"),
        digest_of(str(tmp_path / "x")),
    } == {want}
    with pytest.raises(OSError):
        digest_of(tmp_path / "y")


CONTENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(content=st.dictionaries(st.text(max_size=5).filter(lambda key: key != "digest"), CONTENTS, max_size=4))
def test_json_comes_back_as_it_was_written(tmp_path_factory, content) -> None:
    file = tmp_path_factory.getbasetemp() / "any.json"
    write_json(file, content)
    assert read_json(file) == json.loads(json.dumps(content))


def test_json_that_was_touched_is_named(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_json(file, {"step": 9, "of": {2: 1.5}, "name": "猫"})
    whole = file.read_bytes()
    for damaged in (
        whole.replace(b"9", b"8"), whole.replace(b"1.5", b"1.6"), whole.replace(b'"of"', b'"og"'),
        whole[: len(whole) // 2], whole[:-1], b"", bytes(len(whole)), b"[]", b"9", b"null", b"\xff\xfe\xff",
        b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, whole.replace(b'"digest"', b'"diggst"'),
    ):  # fmt: skip
        file.write_bytes(damaged)
        with pytest.raises(Damaged):
            read_json(file)
    file.write_bytes(json.dumps(json.loads(whole), sort_keys=True).encode())  # the same content
    assert read_json(file) == {"step": 9, "of": {"2": 1.5}, "name": "猫"}


def test_json_of_older_versions_has_no_digest(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"step": 9}')
    assert read_json(tmp_path / "x.json", digest=False) == {"step": 9}
    with pytest.raises(Damaged, match=saying("runs.fault_no_digest")):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_text('{"step": 9, "digest": "0"}')
    with pytest.raises(Damaged):
        read_json(tmp_path / "x.json", digest=False)
