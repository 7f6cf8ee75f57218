"""A zip that is made while it is sent: another program unpacks it, and memory stays small."""

import io
import os
import subprocess
import sys
import tracemalloc
import zipfile

import pytest
from said import saying

from sdlora.errors import UserError
from sdlora.runs.pack import PIECE, packed_files, pieces, write_zip
from sdlora.runs.run import Run


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path, "cät toy", "x = 1")
    (run.folder / "exports").mkdir()
    (run.folder / "cat.safetensors").write_bytes(os.urandom(3 * PIECE + 17))
    (run.folder / "exports" / "cat-000500.safetensors").write_bytes(b"\0" * 1000)
    (run.folder / "exports" / ".cat.12.new.safetensors").write_bytes(b"half written")
    return run


def test_what_python_and_a_system_tool_unpack_is_what_lay_there(run, tmp_path):
    size = write_zip(run, tmp_path / "all.zip")
    assert size == (tmp_path / "all.zip").stat().st_size and os.listdir(tmp_path).count("all.zip") == 1
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None
        names = [f"{run.name}/{name}" for name in ("cat.safetensors", "cat-000500.safetensors", "settings.toml")]
        assert archive.namelist() == names
        for name, (_, path) in zip(names, packed_files(run), strict=True):
            assert archive.read(name) == path.read_bytes()
    unpack = "import sys, shutil; shutil.unpack_archive(sys.argv[1], sys.argv[2])"
    subprocess.run([sys.executable, "-c", unpack, tmp_path / "all.zip", tmp_path / "out"], check=True)
    assert (tmp_path / "out" / run.name / "cat.safetensors").stat().st_size == 3 * PIECE + 17


def test_memory_does_not_grow_with_the_files(run):
    with open(run.folder / "large.safetensors", "wb") as file:
        file.truncate(200 * PIECE)
    files = packed_files(run)
    tracemalloc.start()
    total = sum(len(piece) for piece in pieces(files))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 200 * PIECE and peak < 12 * PIECE


def test_pieces_are_a_zip_before_anything_lies_on_the_disk(run):
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces(packed_files(run))))) as archive:
        assert archive.testzip() is None


def test_without_a_file_there_is_nothing_to_pack_and_links_are_left_out(tmp_path):
    run = Run.create(tmp_path, "empty", "")
    (tmp_path / "secret").write_text("x")
    if os.name == "posix":
        (run.folder / "x.safetensors").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=saying("pictures.no_lora_file", name=run.name)):
        packed_files(run)
