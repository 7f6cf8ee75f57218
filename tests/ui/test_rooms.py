"""The page's rooms: imports go one way, from the shell's tools over the tabs to what puts the page together."""

import sys
from pathlib import Path

from browser import ROOT

sys.path.insert(0, str(ROOT / "tests"))
from test_imports import imports, modules  # noqa: E402

TOGETHER = ("ui.shell.app", "ui.shell.live")  # where shell and tabs meet
ORDER = ("html", "layout", "handlers", "wiring")  # in a tab, each imports none that comes after it


def imported() -> dict[str, set[str]]:
    """Every module of the page with those of the page that it imports, inside functions too."""
    paths = {name: path for name, path in modules().items() if name.split(".")[0] == "ui"}
    found: dict[str, set[str]] = {}
    for name, path in paths.items():
        found[name] = set()
        for other in imports(path.read_text(encoding="utf-8"), name, path.name == "__init__.py"):
            while other and other not in paths:
                other = other.rpartition(".")[0]
            found[name] |= {other} - {name, "", "ui"}
    return found


def circles(graph: dict[str, set[str]]) -> set[str]:
    """All that lead back to themselves."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        left = [start]
        while left:
            for other in graph.get(left.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    left.append(other)
        return seen

    return {name for name in graph if name in reached(name)}


def test_no_module_leads_back_to_itself():
    assert circles(imported()) == set()
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == {"b", "c"}


def test_no_tab_leads_back_to_itself():
    def tab(name: str) -> str:
        return ".".join(name.split(".")[:3]) if name.startswith("ui.tabs.") else name

    graph: dict[str, set[str]] = {}
    for name, others in imported().items():
        graph.setdefault(tab(name), set()).update({tab(other) for other in others} - {tab(name)})
    assert {"ui.tabs.images", "ui.tabs.settings", "ui.tabs.runs", "ui.tabs.compare"} <= set(graph)
    assert circles(graph) == set()


def test_the_shells_tools_know_no_tab():
    wrong = {
        (name, other)
        for name, others in imported().items()
        for other in others
        if other.startswith("ui.tabs") and not name.startswith("ui.tabs") and name not in TOGETHER
    }
    assert wrong == set()


def test_a_tab_goes_from_html_to_wiring():
    wrong = set()
    for name, others in imported().items():
        tab, _, file = name.rpartition(".")
        for other in others:
            other_tab, _, other_file = other.rpartition(".")
            if tab == other_tab and tab.startswith("ui.tabs.") and file in ORDER and other_file in ORDER:
                wrong |= {(name, other)} if ORDER.index(other_file) > ORDER.index(file) else set()
    assert wrong == set()


def test_every_style_and_script_lies_in_a_room():
    for path in [*Path(ROOT / "ui").rglob("*.css"), *Path(ROOT / "ui").rglob("*.js")]:
        assert (
            path.name in ("style.css", "script.js", "keys.js", "address.js", "language.js")
            and path.with_name("__init__.py").exists()
        )
