"""Where the page may look for base models: everywhere on one's own computer, in two folders when it is held to them."""

from base_models import write_single_file

from ui.shell.bases import Bases
from ui.shell.place import Place
from ui.tabs.settings import html_bases


def test_held_to_folders_it_looks_nowhere_else(tmp_path, bases, monkeypatch):
    home = tmp_path / "home"
    (home / "ComfyUI" / "models" / "checkpoints").mkdir(parents=True)
    (tmp_path / "models").mkdir()
    (tmp_path / "data").mkdir()
    for folder in (home / "ComfyUI" / "models" / "checkpoints", tmp_path / "models"):
        write_single_file(bases("sd1"), "sd1", folder / f"{folder.name}.safetensors")
    (tmp_path / "models" / "out.safetensors").symlink_to(home / "ComfyUI/models/checkpoints/checkpoints.safetensors")
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    found = Bases(Place(tmp_path / "runs", tmp_path / "data", tmp_path / "models")).look()
    assert [one.base for one in found.bases] == [str(tmp_path / "models" / "models.safetensors")]
    assert str(home) not in html_bases.bases(found, may_add=False)
    open_to_all = Bases(Place(tmp_path / "runs2", None, tmp_path / "models"))
    assert len(open_to_all.look().bases) == 2
    monkeypatch.setattr("ui.shell.bases.find_bases", lambda folders: 1 / 0)
    assert len(open_to_all.look().bases) == 2  # what was found is good for a while
