"""Where drawing programs keep base models: each program's usual layout and its own settings, in a made-up home."""

import os
import sys

import pytest
from said import saying

from sdlora.errors import UserError
from sdlora.models.places import ModelFolder, add_folder, added_folders, forget_folder, model_folders


def laid_out(home, *folders):
    for folder in folders:
        (home / folder).mkdir(parents=True, exist_ok=True)


def found(home, **env):
    """The folders by their path below home, with the program's name."""
    folders = model_folders(env, home, home / "here", system=False)
    return {os.path.relpath(folder.path, home).replace(os.sep, "/"): folder.program for folder in folders}


@pytest.mark.parametrize(
    ("lies", "program"),
    [
        ("stable-diffusion-webui/models/Stable-diffusion", "stable-diffusion-webui"),
        ("Documents/stable-diffusion-webui-forge/models/Stable-diffusion", "stable-diffusion-webui-forge"),
        ("sd.webui/webui/models/Stable-diffusion", "webui"),
        ("a name of my own/models/checkpoints", "a name of my own"),
        ("Downloads/ComfyUI_windows_portable/ComfyUI/models/checkpoints", "ComfyUI"),
        ("SwarmUI/Models/Stable-Diffusion", "SwarmUI"),
        ("StabilityMatrix/Data/Models/StableDiffusion", "StabilityMatrix"),
        ("StabilityMatrix/Data/Packages/reforge/models/Stable-diffusion", "reforge"),
        ("pinokio/api/comfy.git/app/models/checkpoints", "app"),
        ("here/ComfyUI/models/checkpoints", "ComfyUI"),
    ],
)
def test_a_program_is_known_by_what_lies_in_its_folder(tmp_path, lies, program):
    laid_out(tmp_path, lies, "Pictures/models", "Documents/other/checkpoints", ".hidden/models/checkpoints")
    assert found(tmp_path) == {lies: program}


def test_comfys_list_of_more_folders_is_read(tmp_path):
    laid_out(tmp_path, "ComfyUI/models/checkpoints", "disk/a", "disk/b c", "rel/mine", "abs", "ComfyUI/beside")
    (tmp_path / "ComfyUI" / "extra_model_paths.yaml").write_text(f"""
a111:
    base_path: {tmp_path}/disk/
    checkpoints: |
        a
        b c

    loras: nowhere
relative:
    base_path: ../rel
    diffusers: mine
bare:
    checkpoints: beside
whole:
    base_path: {tmp_path}/disk
    checkpoints: {tmp_path}/abs
odd: [1, 2]
odder:
    base_path: 3
    checkpoints: {{}}
""")
    names = {os.path.normpath(tmp_path / path) for path in found(tmp_path)}
    wanted = ("ComfyUI/models/checkpoints", "ComfyUI/beside", "disk/a", "disk/b c", "rel/mine", "abs")
    assert names == {str(tmp_path / name) for name in wanted}


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\0", b"a: &a [*a]", b"{" * 100_000, b"- 1\n- 2", b"a:\n  checkpoints: \"\\0x\"",
     b"!!python/object:os.system x", b"a: &x {checkpoints: y}\nb: *x"],
)  # fmt: skip
def test_a_list_that_is_something_else_bears_no_harm(tmp_path, content):
    laid_out(tmp_path, "ComfyUI/models/checkpoints")
    (tmp_path / "ComfyUI" / "extra_model_paths.yaml").write_bytes(content)
    assert found(tmp_path) == {"ComfyUI/models/checkpoints": "ComfyUI"}


def test_the_settings_of_the_other_programs_are_read(tmp_path):
    laid_out(tmp_path, "invokeai", "far/invoke", "SwarmUI/Data", "swarm/SD", "swarm2/SD", "config/StabilityMatrix")
    laid_out(tmp_path, "Lib/Models/StableDiffusion", "webui", "elsewhere/my models", "old/models/Stable-diffusion")
    (tmp_path / "invokeai" / "invokeai.yaml").write_text(f"schema_version: 4.0.2\nmodels_dir: {tmp_path}/far/invoke\n")
    (tmp_path / "SwarmUI" / "Data" / "Settings.fds").write_text(
        f"Paths:\n\t#Root\n\tModelRoot: {tmp_path}/swarm;{tmp_path}/swarm2\n\tSDModelFolder: SD\n"
    )
    (tmp_path / "config" / "StabilityMatrix" / "library.json").write_text(f'{{"LibraryPath": "{tmp_path}/Lib"}}')
    (tmp_path / "webui" / "webui-user.sh").write_text(
        f'export COMMANDLINE_ARGS="--xformers --ckpt-dir {tmp_path}/webui"\n'
        f"# --forge-ref-a1111-home '{tmp_path}'\nset ARGS=--ckpt-dir \"{tmp_path}/elsewhere/my models\"\n"
        f"set B=--forge-ref-a1111-home {tmp_path}/old\n"
    )
    wanted = {"far/invoke", "swarm/SD", "swarm2/SD", "Lib/Models/StableDiffusion", "webui", "elsewhere/my models"}
    assert set(found(tmp_path, XDG_CONFIG_HOME=str(tmp_path / "config"))) == wanted | {"old/models/Stable-diffusion"}


def test_the_hubs_cache_is_where_the_hubs_library_looks(tmp_path):
    laid_out(tmp_path, "a", "b/hub", ".cache/huggingface/hub", "x/huggingface/hub")
    for env, first in (
        ({}, ".cache/huggingface/hub"), ({"HF_HUB_CACHE": str(tmp_path / "a")}, "a"),
        ({"HF_HOME": str(tmp_path / "b")}, "b/hub"), ({"XDG_CACHE_HOME": str(tmp_path / "x")}, "x/huggingface/hub"),
    ):  # fmt: skip
        folders = [folder for folder in model_folders(env, tmp_path, tmp_path / "here", system=False) if folder.hub]
        assert folders[0].path == tmp_path / first


def test_a_folder_is_listed_once_whatever_its_spelling_is(tmp_path):
    laid_out(tmp_path, "ComfyUI/models/checkpoints")
    if os.name == "posix":
        (tmp_path / "Documents").symlink_to(tmp_path)  # a circle
        (tmp_path / "linked").symlink_to(tmp_path / "ComfyUI")
    add_folder(str(tmp_path / "ComfyUI" / "models" / ".." / "models" / "checkpoints"), {}, tmp_path)
    assert list(found(tmp_path).values()) == ["added by you"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0 and sys.platform != "linux", reason="rights")
def test_what_can_not_be_read_is_passed_over(tmp_path, monkeypatch):
    laid_out(tmp_path, "ComfyUI/models/checkpoints", "closed/ComfyUI/models/checkpoints")
    real = os.scandir

    def scandir(path):
        if str(path).endswith(("closed", "Documents")):
            raise PermissionError(13, "no", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    assert "ComfyUI/models/checkpoints" in found(tmp_path)


def test_folders_are_added_and_forgotten_for_good(tmp_path):
    laid_out(tmp_path, "mine", "other")
    assert add_folder(f'"{tmp_path}/mine" ', {}, tmp_path) == tmp_path / "mine"
    add_folder(str(tmp_path / "mine"), {}, tmp_path)
    add_folder(str(tmp_path / "other"), {}, tmp_path)
    assert added_folders({}, tmp_path) == [tmp_path / "mine", tmp_path / "other"]
    assert ModelFolder(tmp_path / "mine", "added by you") == model_folders({}, tmp_path, tmp_path, system=False)[0]
    forget_folder(str(tmp_path / "mine"), {}, tmp_path)
    assert added_folders({}, tmp_path) == [tmp_path / "other"]
    with pytest.raises(UserError, match=saying("models.folder_not_added")):
        forget_folder("mine", {}, tmp_path)
    (tmp_path / ".config" / "sdlora" / "models.toml").write_text("folders = [1, [], 'x")
    assert added_folders({}, tmp_path) == []


@pytest.mark.parametrize("typed", ["", "  ", "none", "a\0b", "x" * 5000, "~nobody-at-all/x"])
def test_what_is_no_folder_is_not_added(tmp_path, typed):
    with pytest.raises(UserError, match=saying("models.folder_missing")):
        add_folder(typed, {}, tmp_path)
    assert added_folders({}, tmp_path) == []
