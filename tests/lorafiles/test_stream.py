"""Streaming safetensors against the safetensors library itself, and hostile headers."""

import json
import shutil
import struct

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from said import saying

from sdlora.errors import UserError
from sdlora.lorafiles.stream import DTYPES, Spec, TensorFile, TensorWriter, library_order, spec_of, write_tensors


def some_tensors() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    found = {
        f"t.{name}": (torch.randn(3, 5, generator=draw) * 10).to(dtype)
        for name, dtype in DTYPES.items()
        if dtype not in (torch.uint16, torch.uint32, torch.uint64)
    }
    return found | {"scalar": torch.tensor(0.5), "empty": torch.zeros(0, 4), "a": torch.arange(7, dtype=torch.float16)}


def test_what_is_written_is_byte_for_byte_what_the_library_writes(tmp_path):
    tensors = some_tensors()
    write_tensors(tmp_path / "ours.safetensors", tensors, {"a": "ü"})
    assert (tmp_path / "ours.safetensors").read_bytes() == safetensors.torch.save(tensors, {"a": "ü"})


def test_what_the_library_writes_is_read_lazily_and_equal(tmp_path):
    tensors = some_tensors()
    safetensors.torch.save_file(tensors, tmp_path / "x.safetensors", {"who": "me"})
    file = TensorFile(tmp_path / "x.safetensors")
    assert file.metadata == {"who": "me"} and set(file.entries) == set(tensors)
    for key, tensor in tensors.items():
        read = file.tensor(key)
        assert read.dtype == tensor.dtype and read.shape == tensor.shape
        assert read.contiguous().view(-1).view(torch.uint8).equal(tensor.contiguous().view(-1).view(torch.uint8))


def test_tensors_can_be_written_in_any_order_and_none_may_be_left_out(tmp_path):
    tensors = {"a": torch.ones(3), "b": torch.zeros(2, 2, dtype=torch.float16)}
    plan = library_order({key: spec_of(t) for key, t in tensors.items()})
    path = tmp_path / "x.safetensors"
    with TensorWriter(path, plan) as writer:
        for key in reversed(list(plan)):
            writer.write(key, tensors[key])
    assert safetensors.torch.load_file(path)["a"].equal(tensors["a"])
    path.unlink()
    with pytest.raises(ValueError, match="not written: a"), TensorWriter(path, plan) as writer:
        writer.write("b", tensors["b"])
    with pytest.raises(ValueError, match="planned"), TensorWriter(path, plan) as writer:
        writer.write("a", tensors["b"])
    assert not list(tmp_path.iterdir())  # no file and no half of one


def test_an_old_file_stays_until_the_new_is_complete(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), TensorWriter(path, {"a": Spec("F32", (2,))}):
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_too_little_space_is_said_before_anything_is_written(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_500_000))
    with pytest.raises(UserError, match=saying("saving.no_space", size="4 MB", free="1.5 MB")):
        write_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(1_000_000)})
    assert not list(tmp_path.iterdir())


def made(header: dict | bytes, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(start: int, end: int, shape: list, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", saying("lorafiles.header_too_short", count="0")),
        (b"1234", saying("lorafiles.header_too_short", count="4")),
        (struct.pack("<Q", 2**63), saying("lorafiles.header_too_large")),
        (struct.pack("<Q", 100_000_001) + b"{}", saying("lorafiles.header_too_large", most="100000000")),
        (struct.pack("<Q", 50) + b"{}", saying("lorafiles.header_beyond_file", all="10")),
        (made(b"[]"), saying("lorafiles.header_no_brace")),
        (made(b'{"a": '), saying("lorafiles.header_not_json")),
        (made(b'{"\xff": 1}'), saying("lorafiles.header_not_json")),
        (made(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), saying("lorafiles.header_not_json")),
        (
            made(b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":1}'),
            saying("lorafiles.header_key_twice", name="'a'"),
        ),
        (made({"__metadata__": {"a": 1}}), saying("lorafiles.header_metadata_not_text")),
        (made({"a": 3}), saying("lorafiles.tensor_description")),
        (made({"a": entry(0, 4, [1], "F99")}, b"0000"), saying("lorafiles.tensor_dtype", dtype="'F99'")),
        (made({"a": entry(0, 4, [-1])}, b"0000"), saying("lorafiles.tensor_place")),
        (made({"a": entry(0, 4, [True])}, b"0000"), saying("lorafiles.tensor_place")),
        (made({"a": entry(0, 4, [2])}, b"0000"), saying("lorafiles.tensor_size", count="4", needed="8")),
        (made({"a": entry(0, 2**62, [2**60])}, b"0000"), saying("lorafiles.tensor_beyond_file")),
        (
            made({"a": entry(0, 4, [1]), "b": entry(0, 4, [1])}, b"0000"),
            saying("lorafiles.tensors_overlap", first="'a'", second="'b'"),
        ),
        (
            made({"a": entry(0, 4, [1]), "b": entry(8, 12, [1])}, b"0" * 12),
            saying("lorafiles.tensor_after_gap", name="'b'"),
        ),
        (made({"a": entry(0, 4, [1])}, b"0" * 9), saying("lorafiles.tensors_then_bytes", count="5")),
    ],
)
def test_hostile_headers_are_refused_in_one_sentence(tmp_path, raw, words):
    path = tmp_path / "x.safetensors"
    path.write_bytes(raw)
    with pytest.raises(UserError, match=words) as caught:
        TensorFile(path)
    assert len(caught.value.problems) == 1
    assert str(caught.value).count("\n") == 0


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 400), byte=st.integers(0, 255), cut=st.integers(0, 60))
def test_whatever_we_take_the_library_takes_too(tmp_path_factory, position, byte, cut):
    """A damaged file is refused, or read exactly as the library reads it."""
    raw = bytearray(safetensors.torch.save({"a": torch.arange(6.0), "b": torch.ones(2, 2)}, {"k": "v"}))
    raw[position % len(raw)] = byte
    raw = bytes(raw[: len(raw) - cut])
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    path.write_bytes(raw)
    try:
        file = TensorFile(path)
    except UserError:
        return
    try:
        theirs = safetensors.torch.load(raw)
    except SafetensorError as error:  # the library knows more dtypes than torch has, and wants plain metadata
        raise AssertionError(f"we took what the library refuses: {error}") from error
    assert set(file.entries) == set(theirs)
    assert all(file.tensor(key).view(torch.uint8).equal(theirs[key].view(torch.uint8)) for key in theirs)


def test_no_file_and_a_folder_are_said(tmp_path):
    with pytest.raises(UserError, match=saying("files.missing")):
        TensorFile(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match=saying("files.because_not_a_file", thing="a folder")):
        TensorFile(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"PK\x03\x04\0\0\x08\x08" + b"\0" * 90,
            saying("common.fault", name="x.safetensors", fault=saying("modelfiles.bytes_pickle"))
            + ".*"
            + saying("modelfiles.convert_pickled_lora"),
        ),
        (
            b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\0" * 90,
            saying("common.fault", name="x.safetensors", fault=saying("modelfiles.bytes_pickle")),
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234\n",
            saying("modelfiles.bytes_git_lfs_pointer") + ".*" + saying("modelfiles.fetch_with_git_lfs"),
        ),
        (
            b"<!doctype html>\n<html><head>",
            saying("modelfiles.bytes_web_page") + ".*" + saying("modelfiles.download_in_browser"),
        ),
        (b'{"error":"Unauthorized","message":"log in"}', saying("modelfiles.bytes_json")),
        (
            b"Invalid username or password.",
            saying("modelfiles.bytes_text") + ".*" + saying("modelfiles.download_in_browser"),
        ),
        (
            b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.txt" + bytes(90),
            saying("modelfiles.bytes_archive") + ".*" + saying("modelfiles.unpack_and_choose"),
        ),
        (b"\x1f\x8b\x08\0" + bytes(90), saying("modelfiles.bytes_archive")),
        (b"7z\xbc\xaf\x27\x1c" + bytes(90), saying("modelfiles.bytes_archive")),
        (b"\x89PNG\r\n\x1a\n" + bytes(90), saying("modelfiles.bytes_picture")),
    ],
)
def test_whole_files_of_another_kind_are_told_by_their_first_bytes(tmp_path, content, words):
    from sdlora.lorafiles.readers.tools import tool_table

    (tmp_path / "x.safetensors").write_bytes(content)
    for read in (TensorFile, lambda path: tool_table(path, "sd1")):
        with pytest.raises(UserError, match=words) as caught:
            read(tmp_path / "x.safetensors")
        assert "damaged" not in str(caught.value)


def test_a_torn_file_is_not_taken_for_a_pickle_by_its_length(tmp_path):
    """A header of 640 bytes begins with the bytes of a pickle of protocol 2; one of 0x4B50 with those of a zip."""
    for length in (640, 0x4B50):
        (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", length) + b'{"a"')
        with pytest.raises(UserError, match=saying("lorafiles.damaged")):
            TensorFile(tmp_path / "x.safetensors")
    safetensors.torch.save_file({"a" * 576: torch.zeros(1)}, tmp_path / "y.safetensors")
    raw = (tmp_path / "y.safetensors").read_bytes()
    padded = raw[8 : 8 + struct.unpack("<Q", raw[:8])[0]].ljust(640)
    (tmp_path / "y.safetensors").write_bytes(struct.pack("<Q", 640) + padded + bytes(4))
    from sdlora.families.shared.header import read_header

    assert read_header(tmp_path / "y.safetensors").tensors
