"""The page's quick start: gradio's stub files stay untouched, and inspect works for everybody else."""

import inspect
import subprocess
import sys
from pathlib import Path

import ui.shell.quick

TRY = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import ui.text, gradio
print(sum(name.endswith(".pyi") for name in opened), gradio.Button("x").value)
"""


def test_gradio_is_imported_without_its_stubs():
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, check=True, cwd=root)
    assert run.stdout.split() == ["0", "x"]


def test_everybody_else_is_told_where_things_are():
    ui.shell.quick.leave_stubs_alone()
    assert Path(inspect.getfile(Path)).suffix == ".py"
    assert "def test_everybody" in inspect.getsource(test_everybody_else_is_told_where_things_are)
