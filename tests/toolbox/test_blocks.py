"""Block weights as lora-block-weight applies them: its lists, names, ranges, and what a list does not name."""

import pytest
import torch
from said import saying
from toolbox_files import deltas, make_lora

from sdlora.errors import UserError
from sdlora.lorafiles.read import read_lora
from sdlora.toolbox.blocks import block_of, parse_blocks
from sdlora.toolbox.merge import merge_loras

# The extension's own tables: which of its 26 blocks a shorter list names.
IDS = {
    12: "BASE IN04 IN05 IN07 IN08 M00 OUT00 OUT01 OUT02 OUT03 OUT04 OUT05",
    17: "BASE IN01 IN02 IN04 IN05 IN07 IN08 M00 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11",
    20: "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 M00 OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08",
    26: "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 IN09 IN10 IN11 M00 "
    "OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11",
}


@pytest.mark.parametrize(("family", "count"), [("sd1", 17), ("sd1", 26), ("sdxl", 12), ("sdxl", 20)])
def test_a_list_weighs_as_the_extension_does(tmp_path, family, count):
    """Layers in blocks that the list does not name get 0; each named block gets its own number."""
    a = make_lora(tmp_path / "a.safetensors", family, words=("attn1.to_q", "mlp.fc1", "conv1", "samplers"), alpha=4.0)
    numbers = [round(0.1 * (n + 1), 1) for n in range(count)]
    merge_loras([(a, 1.0)], tmp_path / "m.safetensors", blocks=[", ".join(map(str, numbers))], dtype="fp32")
    truth = dict(zip(IDS[count].replace("M00", "MID").split(), numbers, strict=True))
    before, after = deltas(a), deltas(tmp_path / "m.safetensors")
    stems = dict(zip(before, read_lora(a).changes, strict=True))
    unnamed = 0
    for stem, name in stems.items():
        weight = truth.get(block_of(name, family), 0.0)
        unnamed += not weight
        torch.testing.assert_close(
            after.get(stem, torch.zeros_like(before[stem])), weight * before[stem], rtol=1e-5, atol=1e-6
        )
    assert unnamed if count in (12, 17) else not unnamed


@pytest.mark.parametrize("count", [17, 26])
def test_zeros_are_nothing(tmp_path, count):
    a = make_lora(tmp_path / "a.safetensors", words=("attentions", "resnets", "samplers", "layers"))
    with pytest.raises(UserError, match=saying("toolbox.nothing_left")):
        merge_loras([(a, 1.0)], tmp_path / "m.safetensors", blocks=[",".join(["0"] * count)])


@pytest.mark.parametrize(("family", "count", "fix"), [("sd1", 12, "17 or 26"), ("sd2", 20, "17 or 26"),
                                                      ("sdxl", 17, "12 or 20"), ("sdxl", 26, "12 or 20")])  # fmt: skip
def test_a_list_of_another_family_is_told(tmp_path, family, count, fix):
    a = make_lora(tmp_path / "a.safetensors", family, words=("attn2", "proj_in"))
    with pytest.raises(
        UserError,
        match=saying("toolbox.blocks_of_other_family", count=count)
        + " "
        + saying("toolbox.give_numbers_or_pairs", count=fix),
    ):
        merge_loras([(a, 1.0)], tmp_path / "m.safetensors", blocks=[",".join(["1"] * count)])
    assert not (tmp_path / "m.safetensors").exists()


def test_blocks_as_people_paste_them():
    assert parse_blocks("M00=0.5") == [("MID", 0.5)]
    assert parse_blocks("in4 = 0.5,  OUT3:1") == [("IN04", 0.5), ("OUT03", 1.0)]
    assert parse_blocks("IN10-OUT01=0") == [(name, 0.0) for name in ("IN10", "IN11", "MID", "OUT00", "OUT01")]
    assert parse_blocks("OUT01-M00=-1") == [(name, -1.0) for name in ("MID", "OUT00", "OUT01")]
    assert parse_blocks("IN04=0.5")[0] == ("IN04", 0.5) and len(parse_blocks("IN04=0.5")) == 1  # the rest stays at 1
    for wrong in ("IN04-=1", "IN01-IN02-IN03=1", "IN12=1", "M01=1", "IN04"):
        with pytest.raises(UserError, match=saying("toolbox.blocks_unclear")):
            parse_blocks(wrong)
