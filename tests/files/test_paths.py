"""Paths as they are pasted: from Explorer, Finder, a terminal, a chat."""

from pathlib import Path

import pytest

from sdlora.files.paths import tidy_entry, tidy_path
from sdlora.settings import load_settings, make_settings, merge
from ui.shell.place import Place

PATH_SETTINGS = ("model.base", "model.vae", "data.folder", "data.cache", "adapter.start_from", "run.folder")


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        (r'"C:\My Pictures\cat toy"', r"C:\My Pictures\cat toy"),  # Explorer, "Copy as path"
        ("\u202aC:\\cat\\a.png", r"C:\cat\a.png"),  # Explorer, Properties
        ("'/home/me/my cats' \n", "/home/me/my cats"),  # a terminal
        ("“/Users/me/cats”", "/Users/me/cats"),
        ("  ~/cats\t", "~/cats"),
        ("/tmp/it's", "/tmp/it's"),
        ('/tmp/12"', '/tmp/12"'),
        ("/tmp/two  blanks", "/tmp/two  blanks"),
        ("'", "'"),
        ("", ""),
    ],
)
def test_what_is_around_a_path_goes(typed: str, path: str) -> None:
    assert tidy_path(typed) == path == tidy_path(path)
    for key in PATH_SETTINGS:
        section, name = key.split(".")
        assert getattr(getattr(make_settings(merge({}, {key: typed})), section), name) == path


@pytest.mark.parametrize(
    ("typed", "entry"),
    [
        ('"C:\\a b.safetensors"=0.7', "C:\\a b.safetensors=0.7"),
        ('"C:\\a b.safetensors=0.7"', "C:\\a b.safetensors=0.7"),
        (" x.safetensors ", "x.safetensors"),
        ("a=b.safetensors", "a=b.safetensors"),
    ],
)
def test_stacked_files(typed: str, entry: str) -> None:
    assert tidy_entry(typed) == entry
    assert make_settings({"adapter": {"stack": [typed]}}).adapter.stack == [entry]


def test_settings_files_and_the_page(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "s.toml").write_text(f"[data]\nfolder = ''' \"{tmp_path / 'cats'}\" '''\n")
    assert load_settings(tmp_path / "s.toml").data.folder == str(tmp_path / "cats")
    place = Place(tmp_path / "runs")
    assert place.folder(f" “{tmp_path / 'cats'}” ") == (tmp_path / "cats").resolve()


def test_quotes_do_not_lead_out_of_the_served_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held back is what the settings will have, not what was typed around it."""
    (tmp_path / "served").mkdir()
    monkeypatch.chdir(tmp_path / "served")
    place = Place(tmp_path / "runs", data_root=tmp_path / "served")
    for path in ("/etc/passwd", '"/etc/passwd"', " '/etc/passwd' ", "\u202a/etc/passwd", "“/etc/passwd”"):
        assert not place.allows("model.vae", path) and not place.allows("adapter.stack", [f"{path}=0.5"])
    assert place.allows("model.vae", f'"{tmp_path / "served" / "vae"}"')
