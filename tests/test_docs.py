"""The page's code runs, every block of it, in order, and its example learns."""

import re
from pathlib import Path

import torch
from small_models import make_text_encoder, make_unet

PAGE = Path(__file__).parents[1] / "docs" / "lora.md"


def test_every_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 3
    names = {"unet": make_unet(), "text_encoder": make_text_encoder()}
    torch.manual_seed(0)
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    loss, trained, total = re.search(r"loss ([\d.]+), (\d+) of (\d+)", capsys.readouterr().out).groups()
    assert float(loss) < 0.01 and int(trained) == 4 * (2 + 32) + 4 * (32 + 32) and int(total) > int(trained)
    assert names["error"] < 0.005 and (tmp_path / "cat.safetensors").stat().st_size > 1000
