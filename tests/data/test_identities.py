"""Whose latents and texts they are: the identity of an encoder follows its weights."""

import shutil
from pathlib import Path

import pytest
from base_models import write_single_file
from said import saying

from sdlora.data.cache import encoder_identity, vae_identity
from sdlora.errors import UserError
from sdlora.families.base import BaseInfo, inspect_base
from sdlora.families.shared.header import read_header


@pytest.fixture
def base(base_folder: Path, tmp_path: Path) -> BaseInfo:
    return inspect_base(str(shutil.copytree(base_folder, tmp_path / "model")))


def test_the_identity_follows_the_files_and_not_their_place(base: BaseInfo, tmp_path: Path) -> None:
    vae, text = vae_identity(base), encoder_identity(base)
    (base.source / "vae/README.md").write_text("a word")
    moved = inspect_base(str(shutil.copytree(base.source, tmp_path / "moved")))
    assert vae_identity(base) == vae == vae_identity(moved) and len(vae) == 64
    config = moved.source / "vae/config.json"
    config.write_text(config.read_text() + " ")
    second = vae_identity(moved)
    weights = moved.source / "vae/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert len({vae, second, vae_identity(moved), text}) == 4
    assert encoder_identity(moved) == text
    tokens = moved.source / "tokenizer/merges.txt"
    tokens.write_text(tokens.read_text() + "a b\n")
    assert encoder_identity(moved) != text


def test_the_memo_saves_reading_and_is_never_stale(
    base: BaseInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo = tmp_path / "memo"
    first = vae_identity(base, memo)
    assert first == vae_identity(base)
    with monkeypatch.context() as patch:
        patch.setattr("sdlora.data.cache.content_hash", None)
        assert vae_identity(base, memo) == first
    (base.source / "vae/diffusion_pytorch_model.safetensors").write_bytes(b"longer weights")
    assert vae_identity(base, memo) == vae_identity(base) != first
    whole = (memo / "identities.json").read_text()
    for damaged in ("[", "[" * 100_000, '{"a":' * 100_000, whole.replace("a", "b"), "[]", "null", "", "\0"):
        (memo / "identities.json").write_text(damaged)
        assert vae_identity(base, memo) == vae_identity(base)


def test_a_single_file_is_known_by_the_part(bases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints that share a VAE share its identity, and one changed byte of a part is that part's alone."""
    path = write_single_file(bases("sd1"), "sd1", tmp_path / "a.safetensors")
    info, header, data = inspect_base(str(path)), read_header(path), bytearray(path.read_bytes())
    vae, text = vae_identity(info, tmp_path), encoder_identity(info, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("sdlora.data.cache.part_hash", None)
        assert (vae_identity(info, tmp_path), encoder_identity(info, tmp_path)) == (vae, text)
    for prefix, changed in (("model.", (False, False)), ("first_stage", (True, False)), ("cond_stage", (False, True))):
        place = header.places[next(name for name in header.tensors if name.startswith(prefix))][0]
        other = bytearray(data)
        other[place] ^= 1
        (tmp_path / "b.safetensors").write_bytes(other)
        info = inspect_base(str(tmp_path / "b.safetensors"))
        assert (vae_identity(info, tmp_path) != vae, encoder_identity(info, tmp_path) != text) == changed


def test_another_vae_has_its_own_identity(base: BaseInfo, bases) -> None:
    vae = inspect_base(str(bases("sd1")))
    for other in (bases("sd1"), bases("sd1") / "vae", bases("sd1") / "vae/diffusion_pytorch_model.safetensors"):
        swapped = inspect_base(str(base.source), vae=str(other))
        assert vae_identity(swapped) != vae_identity(base) and encoder_identity(swapped) == encoder_identity(base)
        assert (vae_identity(swapped) == vae_identity(vae)) == other.is_dir()


def test_a_folder_without_a_model(base: BaseInfo) -> None:
    for part, identity in (("vae", vae_identity), ("tokenizer", encoder_identity)):
        shutil.rmtree(base.source / part)
        with pytest.raises(UserError, match=saying("images.no_model_files")):
            identity(base)
