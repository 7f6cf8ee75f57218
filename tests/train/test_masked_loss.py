"""The masked loss in closed form, from the files to the error and its gradient."""

import numpy as np
import pytest
import torch
from driving import drive, weights
from PIL import Image

from sdlora.data.dataset import scan
from sdlora.data.listing import find_images
from sdlora.errors import UserError
from sdlora.train import loop
from sdlora.train.batch import inside_of
from sdlora.train.caching import Latents
from sdlora.train.losses import LOSSES
from sdlora.train.objective import mean_of


@pytest.mark.parametrize("outside", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("name", LOSSES)
def test_the_error_is_the_weighted_mean(outside, name):
    """Inside the error is 3, outside 1; a quarter is inside: (3 + 3 w) / (1 + 3 w) times what the loss makes of it."""
    loss, target = LOSSES[name], torch.zeros(2, 4, 8, 8)
    predicted = torch.ones(2, 4, 8, 8)
    predicted[:, :, :4, :4] = 3.0
    mask = torch.zeros(1, 8, 8)
    mask[:, :4, :4] = 1
    inside = inside_of([mask, None], outside, target[0])
    one, three = (float(loss.of(torch.tensor(x), torch.tensor(0.0))) for x in (1.0, 3.0))
    found = mean_of(loss.of(predicted, target), inside)
    assert found[0] == pytest.approx((three + 3 * outside * one) / (1 + 3 * outside), rel=1e-5)
    assert found[1] == pytest.approx((three + 3 * one) / 4, rel=1e-5)  # an image without a mask counts as a whole


def test_nothing_is_learnt_outside_and_a_black_mask_teaches_nothing():
    predicted = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.zeros(1, 8, 8)
    mask[:, 2:4, 2:6] = 1
    each = LOSSES["mse"].of(predicted, torch.zeros(2, 4, 8, 8))
    error = mean_of(each, inside_of([mask, torch.zeros(1, 8, 8)], 0.0, predicted[0]))
    error.sum().backward()
    assert error[1] == 0 and predicted.grad[1].abs().max() == 0
    wanted = 2 * predicted[0].detach() * mask / (4 * 8)  # of a mean over 4 channels of 8 places
    assert torch.allclose(predicted.grad[0], wanted, atol=1e-7)


def test_without_masks_nothing_changes():
    each = torch.rand(2, 4, 8, 8)
    assert inside_of([None, None], 0.0, each[0]) is None
    assert torch.equal(mean_of(each, None), each.mean((1, 2, 3)))


@pytest.fixture
def item(tmp_path):
    """An image of 64 pixels whose left half is marked."""
    Image.new("RGB", (64, 64), "red").save(tmp_path / "cat.png")
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :32] = 255
    Image.fromarray(mask).save(tmp_path / "cat-masklabel.png")
    (found,) = scan(tmp_path, resolution=64, step=8, masks="files").items
    return found


def test_a_mask_is_kept_beside_the_latents_and_turns_with_its_image(item, tmp_path):
    latents = Latents(tmp_path / "cache", "vae")
    mask = latents.mask(item, False, (4, 8, 8))
    assert mask.shape == (1, 8, 8) and torch.equal(mask, torch.tensor([[[1.0] * 4 + [0.0] * 4] * 8]))
    item.mask.unlink()  # what is kept is taken
    assert torch.equal(Latents(tmp_path / "cache", "vae").mask(item, True, (4, 8, 8)), mask.flip(-1))
    with pytest.raises(UserError):
        Latents(tmp_path / "another", "vae").mask(item, False, (4, 8, 8))


def test_a_mask_that_changed_since_is_noticed(item, tmp_path):
    Image.new("L", (64, 64), 255).save(item.mask)
    with pytest.raises(UserError):
        Latents(tmp_path / "cache", "vae").mask(item, False, (4, 8, 8))
    (again,) = scan(tmp_path, resolution=64, step=8, masks="files").items
    assert Latents(tmp_path / "cache", "vae").mask(again, False, (4, 8, 8)).min() == 1


@pytest.mark.slow
def test_a_run_learns_inside_its_masks_alone(make_run, images, tmp_path, monkeypatch):
    """Black masks and no weight outside teach nothing; white ones teach what no masks do."""
    monkeypatch.setattr(loop, "try_export", lambda job: None)

    def learnt(grey: int | None, **overrides) -> dict:
        for path in find_images(images):
            mask = path.with_name(f"{path.stem}-masklabel.png")
            mask.unlink(missing_ok=True)
            if grey is not None:
                Image.new("L", (32, 32), grey).save(mask)
        run, settings = make_run(**{"train.steps": 2, "train.precision": "fp32", "data.flip": True, **overrides})
        settings.sample.prompts = []
        drive(run, settings)
        return weights(run)

    masked = {"data.masks": "files", "train.unmasked_weight": 0.0}
    assert not any(value.any() for name, value in learnt(0, **masked).items() if name.endswith(".up"))
    plain, white = learnt(None), learnt(255, **masked)
    assert all(torch.allclose(plain[name], white[name], atol=1e-6) for name in plain)
    assert any(value.any() for name, value in white.items() if name.endswith(".up"))
