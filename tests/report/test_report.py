"""A report is one page that runs nothing and fetches nothing, says what the run says, and takes any text as text."""

import math
import re
from html.parser import HTMLParser

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from said import says

from sdlora.cli import main
from sdlora.events import ByHeart, Finished, Sampled, Started, StepDone, Validated, Warned
from sdlora.report.advice import advice
from sdlora.report.chart import bars, curves
from sdlora.report.facts import RunFacts, facts_of_run, in_stretches
from sdlora.report.page import page
from sdlora.runs.run import Run
from sdlora.settings import dump_settings, make_settings
from sdlora.toolbox.inspect import spectra_by_part
from sdlora.train.loop import training

HOSTILE = """</style><script>alert(1)</script>"'><img src=x onerror=alert(2)>&lt;b&gt;"""
ODD = b"""{"kind": "step"
\xff
[]
{"kind": "step", "time": 1, "step": "x", "loss": "y", "lr": 0, "seconds": 0}
{"kind":"started","time":1,"step":0,"steps":1,"images":[],"trainable":"x","total":1,"file_size":1,"device":1}
{"kind": "sampled", "time": 1, "step": 1, "files": 7}
{"kind": "warned", "time": 1, "text": {}}
{"kind": "validated", "time": 1, "step": 1, "loss": "low", "held_out": 1}
{"kind": "by_heart", "time": 1, "step": 1, "own": "x"}
{"kind": "finished", "time": 1, "step": 1, "why": "done", "text": 5, "file": 6}"""
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "h3", "p", "dl", "div", "dt", "dd",
    "ul", "li", "figure", "figcaption", "svg", "line", "text", "polyline", "circle", "rect", "table", "tr", "th", "td",
    "img", "details", "summary", "pre",
}  # fmt: skip


class Read(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.words = set(), [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture
def hostile(tmp_path):
    values = {
        "sample": {"prompts": [HOSTILE]},
        "run": {"name": "x"},
        "data": {"trigger": HOSTILE, "folder": "/home/me/cats"},
    }
    run = Run.create(tmp_path, "x", dump_settings(make_settings(values)))
    Image.effect_noise((300, 200), 80).convert("RGB").save(run.folder / "samples/000000_00.png")
    (run.folder / "samples/000002_00.png").write_bytes(b"no picture")
    (tmp_path / "secret.png").write_bytes((run.folder / "samples/000000_00.png").read_bytes())
    for event in (
        Started(0, 2, 3, 1, 1, 1, HOSTILE, HOSTILE, HOSTILE),
        StepDone(1, 0.2, 1e-4, 0.1),
        StepDone(2, math.nan, 1e-4, 0.1),
        Validated(0, 0.5, 4, drift=0.0),
        Warned(HOSTILE),
        Sampled(0, ["samples/000000_00.png"]),
        Sampled(1, ["../../secret.png", "../secret.png"]),
        Sampled(2, ["samples/000002_00.png", 7]),
        Finished(2, "failed", HOSTILE, file="../../x.safetensors"),
    ):
        run.write(event)
    return run


def test_whatever_is_in_a_run_is_text_and_nothing_comes_from_elsewhere(hostile):
    html = page(facts_of_run(hostile))
    read = Read(html)
    assert read.tags <= TAGS and HOSTILE in read.text
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    sources = [value for name, value in read.attributes if name in ("src", "href")]
    assert len(sources) == 1 and re.fullmatch(r"data:image/webp;base64,[A-Za-z0-9+/=]+", sources[0])
    assert "default-src &#x27;none&#x27;" in html and "/home/me" not in html and "url(" not in html
    assert "http" not in re.sub(r"http-equiv", "", html)


@pytest.mark.parametrize("broken", ["settings", "events", "file", "nothing"])
def test_a_run_in_any_state_has_a_report(hostile, broken, capsys):
    if broken == "settings":
        (hostile.folder / "settings.toml").write_text("[[[")
    elif broken == "events":
        (hostile.folder / "events.jsonl").write_bytes(ODD)
    elif broken == "file":
        hostile.write(Finished(2, "done", file="y.safetensors"))
        (hostile.folder / "y.safetensors").write_bytes(b"x" * 100)
    else:
        (hostile.folder / "events.jsonl").unlink()
    assert main(["report", str(hostile.folder)]) == 0
    assert (hostile.folder / "report.html").read_text(encoding="utf-8").endswith("</html>\n")


def test_it_says_what_a_real_run_says(make_run, tmp_path, capsys):
    wish = {"validation.every": 2, "validation.held_out": 2, "sample.prompts": ["a cat"], "sample.every": 2}
    run, settings = make_run(**wish)
    for event in training(settings, run):
        run.write(event)
    out = tmp_path / "a" / "b.html"
    assert main(["report", str(run.folder), "--out", str(out)]) == 0
    html = out.read_text(encoding="utf-8")
    facts = facts_of_run(run)
    losses = [event.loss for _, event in run.events() if isinstance(event, Validated)]
    assert [loss for _, loss in facts.validation] == losses and [step for step, _ in facts.validation] == [0, 2, 4]
    assert html.count("<img ") == 3 and html.count("data:image/webp") == 3  # before, step 2 and the last
    assert all(f"{loss:.4f}" in html for loss in (losses[0], min(losses[1:])))
    assert set(facts.parts) == {"unet", "text_encoder"} and "train.steps" in html and settings.data.folder not in html
    assert main(["report", str(run.folder), "--out", str(tmp_path / "x.txt")]) == 1


def test_the_spectrum_is_numpys(tmp_path):
    """Of a LoRA made of known singular values: 3, 2, 1 in one layer, 4 alone in another."""
    from sdlora.lorafiles.read import read_lora

    tensors = {}
    for name, values in (("q", [3.0, 2.0, 1.0, 0.0]), ("k", [4.0, 0.0, 0.0, 0.0])):
        stem = f"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_{name}"
        u, v = (torch.linalg.qr(torch.randn(320, 4, generator=torch.Generator().manual_seed(i)))[0] for i in (1, 2))
        tensors[f"{stem}.lora_A.weight"] = v.mT.contiguous()
        tensors[f"{stem}.lora_B.weight"] = (u * torch.tensor(values)).contiguous()
    save_file(tensors, tmp_path / "x.safetensors")
    part = spectra_by_part(read_lora(tmp_path / "x.safetensors"))["unet"]
    shares = [(9 / 14 + 1) / 2, 4 / 28, 1 / 28, 0]
    assert part["spectrum"] == pytest.approx(shares, abs=1e-5)
    assert part["rank_90"] == 1.5  # of 2 and 1
    facts = RunFacts("x", "done", parts={"unet": part})
    (used, spare) = advice(facts)
    assert says(used, "report.rank_used", root="unet", rank="4", held="1.5") and says(spare, "report.rank_spare")
    part["rank_90"] = 4
    assert says(advice(facts)[1], "report.rank_full")


def test_curves_lie_where_the_numbers_are():
    svg = curves({"a": ("loss", [(0, 0.0), (50, 1.0), (100, 2.0)]), "b": ("drift", [])}, marks=[50])
    points = [tuple(map(float, pair.split(","))) for pair in re.search(r'points="([^"]+)"', svg)[1].split()]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11) and y0 - y1 == pytest.approx(y1 - y2, abs=0.11) and y0 > y2
    assert f'class="mark" x1="{x1:.1f}"' in svg and "drift" not in svg
    assert curves({"a": ("loss", [])}) == "" and "<svg" in curves({"a": ("loss", [(0, 0.0)])})
    heights = [float(h) for h in re.findall(r' height="([\d.]+)"', bars([0.6, 0.3, 0.1], 2))]
    assert heights[0] == pytest.approx(2 * heights[1], rel=0.01) and bars([0.6, 0.3], 1).count("strong") == 1


def test_a_long_run_has_few_points_and_none_of_its_loss_is_lost():
    losses = {step: float(step) for step in range(1, 1001)}
    points = in_stretches(losses)
    assert len(points) <= 300 and points[-1][0] == 1000
    assert sum(mean for _, mean in points) / len(points) == pytest.approx(500.5)
    assert in_stretches({}) == []


def test_learning_by_heart_is_told(hostile):
    hostile.write(ByHeart(2, 3, 0.2, 1.2, 0.2, 0.7))
    html = page(facts_of_run(hostile))
    assert says(Read(html).text, "runs.heart_learnt")
