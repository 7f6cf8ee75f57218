"""Test pictures of a long run: thinned, as the page expects them."""

from sdlora.events import Sampled, StepDone
from sdlora.runs.pictures import KEPT, kept_steps, thin_pictures
from sdlora.runs.run import Run
from ui.shell import view
from ui.shell.view import RunView


def test_all_are_kept_up_to_the_limit():
    assert kept_steps([3, 1, 2], 3) == [1, 2, 3]


def test_older_ones_lie_further_apart():
    kept = []
    for step in range(0, 100_001, 50):
        kept = kept_steps([*kept, step])
        assert len(kept) <= KEPT and kept[0] == 0 and kept[-1] == step
        assert kept[-min(len(kept), 200) :] == list(range(max(0, step - 50 * min(len(kept) - 1, 199)), step + 1, 50))
    gaps = [b - a for a, b in zip(kept, kept[1:], strict=False)]
    assert gaps == sorted(gaps, reverse=True) and gaps[0] > 50 and len(kept) >= KEPT // 2


def test_only_pictures_of_the_given_up_steps_go(tmp_path):
    names = [f"{step:06d}_{number:02d}.png" for step in range(0, 60, 10) for number in range(2)]
    for name in [*names, "mine.png", "000010_00.png.txt", "000010.png"]:
        (tmp_path / name).touch()
    thin_pictures(tmp_path, 6)
    assert len(list(tmp_path.iterdir())) == 15
    thin_pictures(tmp_path, 5)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(
        [*[n for n in names if not n.startswith("000010")], "mine.png", "000010_00.png.txt", "000010.png"]
    )
    thin_pictures(tmp_path / "gone", 1)


def test_the_page_shows_what_the_trainer_keeps(tmp_path, monkeypatch):
    """Event by event as in a run, or all at once when the page opens, in pieces of any size."""
    run = Run.create(tmp_path, "long", "")
    samples, live = run.folder / "samples", RunView(run.folder)
    for step in range(1, 2 * KEPT + 10):
        (samples / f"{step:06d}_00.png").touch()
        thin_pictures(samples)
        run.write(StepDone(step, 0.1, 1e-4, 0.5))
        run.write(Sampled(step, [f"samples/{step:06d}_00.png"]))
        if step % 100 == 1:
            live.update()
    live.update()
    monkeypatch.setattr(view, "PIECE", 1000)
    opened = RunView(run.folder)
    assert opened.update() and not opened.update() and opened.lines_read == 2 * step
    there = sorted(path.name for path in samples.iterdir())
    for shown in (live, opened):
        assert [f"samples/{name}" for name in there] == [f for _, files in sorted(shown.samples.items()) for f in files]
        assert shown.step == step
