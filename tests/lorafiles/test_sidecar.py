"""The files beside a LoRA: what A1111 and InvokeAI read, and what people have edited stays theirs."""

import io
import json

import pytest
from PIL import Image
from said import saying

from sdlora.errors import UserError
from sdlora.lorafiles.sidecar import write_sidecars


def picture(color="red", size=(64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


OPTIONS = {
    "family": "sdxl",
    "trigger": "sks cät",
    "preferred_weight": 0.8,
    "negative": "blurry",
    "description": "A cat.",
}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_fields_that_the_tools_read(tmp_path):
    lora = tmp_path / "my v1.5.safetensors"
    written = write_sidecars(lora, **OPTIONS, cover=picture(size=(2000, 1000)))
    assert written == [tmp_path / "my v1.5.json", tmp_path / "my v1.5.png"]
    fields = read(written[0])
    assert fields.pop("sdlora")
    assert fields == {
        "description": "A cat.",
        "sd version": "SDXL",
        "activation text": "sks cät",
        "preferred weight": 0.8,
        "negative text": "blurry",
        "notes": "",
    }
    with Image.open(written[1]) as image:
        assert image.format == "PNG" and image.size == (768, 384)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["my v1.5.json", "my v1.5.png"]


@pytest.mark.parametrize(("family", "version"), [("sd1", "SD1"), ("sd2", "SD2"), ("sdxl", "SDXL"), ("x", "Unknown")])
def test_versions(tmp_path, family, version):
    write_sidecars(tmp_path / "x.safetensors", family=family)
    assert read(tmp_path / "x.json")["sd version"] == version
    assert not (tmp_path / "x.png").exists()


def test_what_people_changed_stays_and_the_rest_follows(tmp_path):
    lora, side = tmp_path / "x.safetensors", tmp_path / "x.json"
    write_sidecars(lora, **OPTIONS)
    edited = read(side) | {"preferred weight": 0.5, "notes": "for the poster", "own": [1]}
    side.write_text(json.dumps(edited), encoding="utf-8")
    for weight in (1.0, 0.9):
        write_sidecars(lora, **OPTIONS | {"trigger": "zwx", "preferred_weight": weight, "description": ""})
        fields = read(side)
        assert fields["preferred weight"] == 0.5 and fields["notes"] == "for the poster" and fields["own"] == [1]
        assert fields["activation text"] == "zwx" and fields["description"] == ""


def test_a_file_of_the_tools_own_keeps_its_fields(tmp_path):
    (tmp_path / "x.json").write_text('{"activation text": "theirs", "sdlora": 3}', encoding="utf-8")
    write_sidecars(tmp_path / "x.safetensors", **OPTIONS)
    fields = read(tmp_path / "x.json")
    assert fields["activation text"] == "theirs" and fields["negative text"] == "blurry"


@pytest.mark.parametrize("content", ["not json", "[1, 2]", "\ufeff", "[" * 100_000])
def test_another_json_is_left_alone(tmp_path, content):
    side = tmp_path / "x.json"
    side.write_text(content, encoding="utf-8")
    assert write_sidecars(tmp_path / "x.safetensors", **OPTIONS) == []
    assert side.read_text(encoding="utf-8") == content


def test_a_preview_that_somebody_else_made_stays_and_ours_follows(tmp_path):
    lora, preview = tmp_path / "x.safetensors", tmp_path / "x.png"
    write_sidecars(lora, family="sd1", cover=picture("red"))
    first = preview.read_bytes()
    assert preview in write_sidecars(lora, family="sd1", cover=picture("blue"))
    assert preview.read_bytes() != first
    preview.write_bytes(b"my own")
    assert preview not in write_sidecars(lora, family="sd1", cover=picture("green"))
    assert preview.read_bytes() == b"my own"


def test_bad_input_writes_nothing(tmp_path):
    with pytest.raises(UserError, match=saying("saving.cover_unreadable")):
        write_sidecars(tmp_path / "x.safetensors", **OPTIONS, cover=b"x")
    with pytest.raises(UserError, match=saying("saving.text_broken")):
        write_sidecars(tmp_path / "x.safetensors", **OPTIONS | {"trigger": "\udcff"})
    with pytest.raises(UserError):
        write_sidecars(tmp_path / "none" / "x.safetensors", **OPTIONS)
    assert list(tmp_path.iterdir()) == []
