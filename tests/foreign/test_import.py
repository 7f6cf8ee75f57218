"""Settings of other trainers: what each key means there, worked out by hand, is what the settings here say."""

import json
import subprocess
import sys

import pytest
import tomlkit
from hypothesis import given
from hypothesis import settings as unhurried
from hypothesis import strategies as st
from said import saying, says

from sdlora.cli import main
from sdlora.errors import UserError
from sdlora.foreign import import_file, kohya, kohya_ss, onetrainer, tool_of
from sdlora.settings import load_settings, merge, salvage

KOHYA = {  # in sections, as LyCORIS' examples and lora-scripts write it
    "Basics": {"pretrained_model_name_or_path": "/models/xl.safetensors", "train_data_dir": "/sets/cat",
               "resolution": "512,768", "seed": 23, "max_train_steps": 800, "clip_skip": 2},
    "Save": {"output_dir": "/out", "output_name": "cat", "save_precision": "float", "save_every_n_steps": 100},
    "Network_setup": {"network_dim": 16, "network_alpha": 8, "network_dropout": 0, "network_weights": "old.safetensors",
                      "base_weights": ["a.safetensors"], "base_weights_multiplier": [0.5]},
    "LyCORIS": {"network_module": "lycoris.kohya", "network_args": ["preset=attn-mlp", "algo=lora", "dora_wd=True"]},
    "Optimizer": {"train_batch_size": 2, "gradient_checkpointing": True, "gradient_accumulation_steps": 4,
                  "optimizer_type": "AdamW8bit", "learning_rate": 0.0003, "unet_lr": 0.0002, "text_encoder_lr": 0,
                  "max_grad_norm": 0.5, "optimizer_args": ["weight_decay=0.1", "betas=0.9,0.99"]},
    "Lr_scheduler": {"lr_scheduler": "cosine_with_restarts", "lr_warmup_steps": 10, "lr_scheduler_num_cycles": 4},
    "Training": {"mixed_precision": "bf16", "min_snr_gamma": 5, "multires_noise_iterations": 10, "xformers": True},
    "Captions": {"shuffle_caption": True, "keep_tokens": 2, "caption_dropout_rate": 0.05, "max_token_length": 150,
                 "caption_tag_dropout_rate": 0.1, "weighted_captions": True, "bucket_no_upscale": True,
                 "enable_bucket": True, "flip_aug": True, "noise_offset": 0.05, "v_parameterization": True,
                 "zero_terminal_snr": True, "sample_every_n_steps": 50, "sample_sampler": "euler"},
}  # fmt: skip
KOHYA_MEANS = {
    "model.base": "/models/xl.safetensors", "model.clip_skip": 2, "model.prediction": "v_prediction",
    "model.zero_snr": "on", "data.folder": "/sets/cat",
    "data.resolution": 640,  # sqrt(512 x 768) = 627
    "data.fit": "bucket", "data.upscale": False, "data.flip": True, "data.shuffle_tags": True, "data.keep_tags": 2,
    "data.tag_dropout": 0.1, "data.caption_dropout": 0.05, "data.weighted_captions": True, "data.max_tokens": 150,
    "adapter.rank": 16, "adapter.alpha": 8.0, "adapter.targets": "attn-mlp", "adapter.kind": "dora",
    "adapter.start_from": "old.safetensors", "adapter.stack": ["a.safetensors=0.5"], "train.steps": 800,
    "train.batch_size": 2, "train.accumulate": 4, "train.lr": 0.0002, "train.text_encoder_lr": 0.0,
    "train.scheduler": "cosine_with_restarts", "train.cycles": 4, "train.warmup": 10, "train.weight_decay": 0.1,
    "train.max_grad_norm": 0.5, "train.precision": "bf16", "train.gradient_checkpointing": True,
    "train.min_snr_gamma": 5.0, "train.noise_offset": 0.05, "train.pyramid_noise": 10,
    "train.seed": 23, "save.every": 100, "save.dtype": "fp32",
    "sample.every": 50, "sample.sampler": "euler", "run.name": "cat",
}  # fmt: skip
KOHYA_LEFT = {"optimizer_type", "optimizer_args betas"}

GUI = {  # numbers as text, empty for unset
    "LoRA_type": "Kohya LoCon", "pretrained_model_name_or_path": "org/model", "max_resolution": "1024,1024",
    "learning_rate": 3e-05, "unet_lr": 0, "text_encoder_lr": 0.0, "network_dim": 32, "network_alpha": 1,
    "max_train_steps": "", "max_train_epochs": "50", "epoch": 50, "lr_scheduler": "constant", "lr_warmup": 10,
    "gradient_accumulation_steps": "1", "mixed_precision": "fp16", "seed": "", "train_batch_size": 3,
    "optimizer": "Prodigy", "optimizer_args": "weight_decay=0.2 decouple=True", "max_token_length": "75",
    "keep_tokens": "0", "min_snr_gamma": 5, "sdxl": True, "bucket_no_upscale": False, "save_precision": "fp16",
    "lora_network_weights": "", "clip_skip": "1", "xformers": "xformers", "color_aug": True,
}  # fmt: skip
GUI_MEANS = {
    "model.base": "org/model", "data.resolution": 1024, "data.upscale": True, "data.fit": "bucket",
    "train.lr": 3e-05, "train.text_encoder_lr": 3e-05,  # both zero: its page trains both at learning_rate
    "adapter.rank": 32, "adapter.alpha": 1.0, "adapter.targets": "full", "train.scheduler": "constant",
    "train.precision": "fp16", "train.batch_size": 3, "train.min_snr_gamma": 5.0, "data.max_tokens": 75,
    "data.keep_tags": 0, "train.weight_decay": 0.2, "train.accumulate": 1, "save.dtype": "fp16", "model.clip_skip": 1,
    "train.optimizer": "prodigy", "train.epochs": 50,
}  # fmt: skip
GUI_LEFT = {"lr_warmup", "optimizer_args decouple", "color_aug"}

ONE = {
    "training_method": "LORA", "model_type": "STABLE_DIFFUSION_XL_10_BASE", "base_model_name": "org/xl",
    "batch_size": 4, "learning_rate": 0.0003, "layer_filter_preset": "attn-only", "resolution": "768", "epochs": 7,
    "lora_rank": 24, "lora_alpha": 12.0, "lora_decompose": True, "learning_rate_scheduler": "COSINE",
    "learning_rate_warmup_steps": 20.0, "train_dtype": "BFLOAT_16", "loss_weight_fn": "MIN_SNR_GAMMA",
    "loss_weight_strength": 3.0, "offset_noise_weight": 0.1, "force_v_prediction": True, "text_encoder_layer_skip": 1,
    "rescale_noise_scheduler_to_zero_terminal_snr": True, "output_model_destination": "models/zib.safetensors",
    "unet": {"learning_rate": 0.0001}, "text_encoder": {"train": True, "learning_rate": 2e-5},
    "optimizer": {"optimizer": "DADAPT_ADAM", "weight_decay": 0.03}, "concepts": [{"path": "/a"}, {"path": "/b"}],
    "masked_training": True,
}  # fmt: skip
ONE_MEANS = {
    "model.base": "org/xl", "model.prediction": "v_prediction", "model.zero_snr": "on", "model.clip_skip": 2,
    "data.resolution": 768, "data.folder": "/a", "data.fit": "bucket", "adapter.rank": 24, "adapter.alpha": 12.0,
    "adapter.targets": "attn", "adapter.kind": "dora", "train.batch_size": 4, "train.lr": 0.0001,
    "train.text_encoder_lr": 2e-5, "train.scheduler": "cosine", "train.warmup": 20, "train.precision": "bf16",
    "train.min_snr_gamma": 3.0, "train.noise_offset": 0.1, "train.weight_decay": 0.03, "run.name": "zib",
    "train.gradient_checkpointing": True, "train.max_grad_norm": 1.0, "train.accumulate": 1,
    "data.masks": "files", "train.epochs": 7,
}  # fmt: skip
ONE_LEFT = {"optimizer", "concept '/b'"}

TOOLS = {
    kohya.NAME: (tomlkit.dumps(KOHYA), "k.toml", KOHYA_MEANS, KOHYA_LEFT),
    kohya_ss.NAME: (json.dumps(GUI), "g.json", GUI_MEANS, GUI_LEFT),
    onetrainer.NAME: (json.dumps(ONE), "o.json", ONE_MEANS, ONE_LEFT),
}


@pytest.fixture(params=TOOLS)
def file(request, tmp_path):
    text, name, *_ = TOOLS[request.param]
    (tmp_path / name).write_text(text)
    return tmp_path / name


def value_of(settings, key):
    section, name = key.split(".")
    return getattr(getattr(settings, section), name)


def names(found):
    return {said.split(" = ")[0] for said, _ in found.left}


def test_every_key_means_what_it_means_there(file):
    means, left = next((m, le) for _, name, m, le in TOOLS.values() if name == file.name)
    settings, found = import_file(file)
    assert tool_of(file) == found.tool in TOOLS
    assert found.values == means  # nothing else is changed
    assert {key: value_of(settings, key) for key in means} == means
    assert names(found) == left and all(why for _, why in found.left)
    assert len(found.taken) == len({became.split(" = ")[0] for _, became in found.taken}) == len(means)


def test_what_the_file_leaves_open_is_as_the_tool_has_it(tmp_path):
    """kohya: rank 4, alpha 1, constant rate, no min-SNR, 75 tokens, squares; OneTrainer: its own."""
    (tmp_path / "k.toml").write_text('pretrained_model_name_or_path = "x"\nlearning_rate = 1e-4\n')
    settings, found = import_file(tmp_path / "k.toml")
    assert (settings.adapter.rank, settings.adapter.alpha, settings.train.scheduler) == (4, 1.0, "constant")
    assert (settings.train.min_snr_gamma, settings.data.max_tokens, settings.data.fit) == (0.0, 75, "crop")
    assert settings.train.text_encoder_lr == settings.train.lr == 1e-4
    assert any("network_alpha = 1 (the default of kohya's sd-scripts)" in line for line in found.lines())
    (tmp_path / "o.json").write_text('{"training_method": "LORA", "model_type": "STABLE_DIFFUSION_15"}')
    settings, _ = import_file(tmp_path / "o.json")
    assert (settings.adapter.rank, settings.adapter.alpha, settings.train.warmup) == (16, 1.0, 200)
    assert settings.train.scheduler == "constant_with_warmup" and settings.adapter.targets == "full"


def test_a_dataset_configuration_of_kohya(tmp_path):
    sets = {"general": {"resolution": 512}, "datasets": [
        {"keep_tokens": 1, "batch_size": 2, "subsets": [{"image_dir": "/a", "num_repeats": 3}, {"image_dir": "/b"}]}
    ]}  # fmt: skip
    (tmp_path / "d.toml").write_text(tomlkit.dumps(sets))
    settings, found = import_file(tmp_path / "d.toml")
    data = settings.data
    assert (data.folder, data.repeats, data.keep_tags, data.resolution) == ("/a", 3, 1, 512)
    assert settings.train.batch_size == 2 and names(found) == {"subset '/b'"}


@pytest.mark.parametrize(
    ("change", "left", "key"),
    [
        ({"LyCORIS": {"network_args": ["algo=boft"]}}, "network_args algo", "adapter.kind"),
        ({"LyCORIS": {"network_module": "networks.dylora"}}, "network_module", "adapter.kind"),
        ({"Basics": {"pretrained_model_name_or_path": "x", "max_train_epochs": 3, "max_train_steps": 9}},
         "max_train_steps", "train.steps"),
        ({"Network_setup": {"network_dim": 4096}}, "network_dim", "adapter.rank"),  # more than is possible here
        ({"Network_setup": {"network_dim": "many"}}, "network_dim", "adapter.rank"),
        ({"Lr_scheduler": {"lr_scheduler": "adafactor"}}, "lr_scheduler", "train.scheduler"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_named(tmp_path, change, left, key):
    (tmp_path / "k.toml").write_text(tomlkit.dumps(KOHYA | change))
    _, found = import_file(tmp_path / "k.toml")
    assert left in names(found) and key not in found.values
    assert not any(became.startswith(f"{key} = ") for _, became in found.taken)


CONVOLUTIONS = ("*.conv1", "*.conv2", "*samplers.*.conv")
SDXL = {"training_method": "LORA", "model_type": "STABLE_DIFFUSION_XL_10_BASE"}
ELSEWHERE = [  # (tool, what a file says, settings that it becomes, what is named; None: not set)
    (kohya, {"unet_lr": 1e-4}, {"train.lr": 1e-4, "train.text_encoder_lr": 2e-6, "train.steps": 1600}, set()),
    (kohya, {"unet_lr": 0, "text_encoder_lr": 1e-5, "learning_rate": 1e-4}, {"train.lr": 1e-4}, {"unet_lr"}),
    (kohya, {"network_train_text_encoder_only": True}, {}, {"network_train_text_encoder_only"}),
    (kohya, {"network_dim": 32, "network_alpha": 0}, {"adapter.alpha": 32.0}, set()),
    (kohya, {"text_encoder_lr": [5e-5]}, {"train.text_encoder_lr": 5e-5}, set()),
    (kohya, {"text_encoder_lr": [5e-5, 1e-5]}, {"train.text_encoder_lr": 5e-5}, {"text_encoder_lr"}),
    (kohya, {"network_dim": 32, "network_alpha": 16, "network_args": ["conv_dim=8", "conv_alpha=4"]},
     {"adapter.targets": "full", "adapter.rank_pattern": dict.fromkeys(CONVOLUTIONS, 8),
      "adapter.alpha_pattern": dict.fromkeys(CONVOLUTIONS, 4.0)}, set()),
    (kohya, {"network_dim": 32, "network_alpha": 16, "network_args": ["conv_dim=32"]},  # conv_alpha is 1 then
     {"adapter.rank_pattern": None, "adapter.alpha_pattern": dict.fromkeys(CONVOLUTIONS, 1.0)}, set()),
    (kohya, {"network_module": "lycoris.kohya", "network_dim": 16, "network_alpha": 4, "network_args": ["algo=loha"]},
     {"adapter.kind": "loha", "adapter.rank_pattern": None, "adapter.alpha_pattern": None}, set()),
    (kohya, {"network_module": "lycoris.kohya", "network_args": ["algo=lokr", "factor=8", "decompose_both=True"]},
     {"adapter.kind": "lokr", "adapter.factor": 8}, {"network_args decompose_both"}),
    (kohya, {"scale_weight_norms": 1, "network_args": ["rank_dropout=0.1", "module_dropout=0.2"]},
     {"train.max_weight_norm": 1.0, "train.rank_dropout": 0.1, "train.module_dropout": 0.2}, set()),
    (kohya, {"network_args": ["rs_lora=True", "loraplus_lr_ratio=4"]}, {"adapter.rslora": True,
     "train.lora_plus": 4.0}, set()),
    (kohya_ss, {"LoRA_type": "LyCORIS/LoKr", "factor": 4}, {"adapter.kind": "lokr", "adapter.factor": 4}, set()),
    (kohya, {"loss_type": "huber", "huber_schedule": "constant", "huber_c": 0.1}, {"train.loss": "huber"}, set()),
    (kohya, {"loss_type": "huber"}, {"train.loss": "huber"}, {"huber_schedule"}),
    (kohya, {"loss_type": "l2", "huber_c": 0.2, "huber_schedule": "snr"}, {"train.loss": None}, set()),
    (kohya, {"loss_type": "l1"}, {"train.loss": None}, {"loss_type"}),
    (kohya, {"loss_type": "smooth_l1"}, {"train.loss": "smooth_l1"}, {"huber_schedule"}),
    (kohya, {"debiased_estimation_loss": True}, {"train.weighting": "debiased", "train.min_snr_gamma": None}, set()),
    (kohya, {"debiased_estimation_loss": True, "min_snr_gamma": 5}, {"train.weighting": "debiased"},
     {"min_snr_gamma"}),
    (kohya, {"debiased_estimation_loss": False}, {"train.weighting": None, "train.min_snr_gamma": 0.0}, set()),
    (kohya, {"lr_scheduler": "polynomial", "lr_scheduler_power": 2},
     {"train.scheduler": "polynomial", "train.power": 2.0}, set()),
    (kohya, {"lr_scheduler": "cosine", "lr_scheduler_power": 2, "lr_scheduler_min_lr_ratio": 0.1},
     {"train.power": None, "train.lr_floor": None}, set()),
    (kohya, {"lr_scheduler": "cosine_with_min_lr", "lr_scheduler_min_lr_ratio": 0.1},
     {"train.scheduler": "cosine", "train.lr_floor": 0.1}, set()),
    (kohya, {"lr_scheduler": "cosine_with_min_lr", "lr_scheduler_num_cycles": 3}, {"train.scheduler": None},
     {"lr_scheduler"}),
    (kohya, {"lr_scheduler": "piecewise_constant", "lr_scheduler_args": ["step_rules='1:100,0.5'"]},
     {"train.scheduler": "piecewise_constant", "train.step_rules": "1:100,0.5"}, set()),
    (kohya, {"lr_scheduler": "cosine", "lr_scheduler_args": ["T_max=100"]}, {"train.step_rules": None},
     {"lr_scheduler_args"}),
    (onetrainer, {"learning_rate_scheduler": "LINEAR", "learning_rate_min_factor": 0.1},
     {"train.scheduler": "linear", "train.lr_floor": 0.1}, set()),
    (kohya, {"lr_scheduler_type": "my.Scheduler", "max_timestep": 1000}, {}, {"lr_scheduler_type"}),
    (kohya, {"optimizer_type": "Adafactor"}, {"train.optimizer": "adafactor", "train.weight_decay": 0.0},
     {"optimizer_args relative_step", "optimizer_args scale_parameter"}),
    (kohya, {"optimizer_type": "AdaFactor", "optimizer_args": [
        "scale_parameter=False", "relative_step=False", "warmup_init=False", "weight_decay=0.1"]},
     {"train.weight_decay": 0.1}, set()),
    (kohya, {"enable_wildcard": True, "sample_every_n_epochs": 1},
     {"data.wildcards": True, "data.caption_lines": "random"}, {"sample_every_n_epochs"}),
    (kohya_ss, {"LoRA_type": "Kohya LoCon", "network_dim": 32, "network_alpha": 16, "conv_dim": 8, "conv_alpha": "4"},
     {"adapter.targets": "full", "adapter.rank_pattern": dict.fromkeys(CONVOLUTIONS, 8),
      "adapter.alpha_pattern": dict.fromkeys(CONVOLUTIONS, 4.0)}, set()),
    (kohya_ss, {"LoRA_type": "Standard", "conv_dim": 1, "conv_alpha": 1, "LyCORIS_preset": "full", "dora_wd": False},
     {"adapter.targets": "attn-mlp", "adapter.rank_pattern": None}, set()),
    (kohya_ss, {"LoRA_type": "LyCORIS/LoCon", "LyCORIS_preset": "attn-mlp", "dora_wd": True},
     {"adapter.targets": "attn-mlp", "adapter.kind": "dora"}, set()),
    (kohya_ss, {"LoRA_type": "Standard", "noise_offset_type": "Multires", "noise_offset": 0.1,
                "multires_noise_iterations": 6, "multires_noise_discount": 0.2},
     {"train.noise_offset": None, "train.pyramid_noise": 6, "train.pyramid_discount": 0.2}, set()),
    (kohya_ss, {"LoRA_type": "Standard", "noise_offset_type": "Original", "noise_offset": 0.1,
                "multires_noise_iterations": 6}, {"train.noise_offset": 0.1, "train.pyramid_noise": None}, set()),
    (kohya_ss, {"LoRA_type": "Standard", "additional_parameters": "--zero_terminal_snr", "max_timestep": 900,
                "multires_noise_discount": 0.3}, {"train.max_timestep": 900, "train.pyramid_discount": None},
     {"additional_parameters"}),
    (kohya, {"min_timestep": 100, "max_timestep": 0, "ip_noise_gamma": 0.1, "ip_noise_gamma_random_strength": True},
     {"train.min_timestep": 100, "train.max_timestep": None, "train.input_perturbation": 0.1},
     {"ip_noise_gamma_random_strength"}),
    (onetrainer, {"resolution": "512,768"}, {"data.resolution": None}, {"resolution"}),
    (onetrainer, {"resolution": "512x768"}, {"data.resolution": 640}, set()),
    (onetrainer, {"learning_rate": None, "unet": {"learning_rate": None}},
     {"train.lr": 3e-6, "train.text_encoder_lr": 3e-6}, set()),
    (onetrainer, {"clip_grad_norm": None}, {"train.max_grad_norm": 0.0}, set()),
    (onetrainer, {"learning_rate_scaler": "BOTH", "timestep_distribution": "SIGMOID",
                  "mse_strength": 0.0, "timestep_shift": 2.0}, {"train.timesteps": None},
     {"learning_rate_scaler", "timestep_distribution", "mse_strength", "timestep_shift"}),
    (onetrainer, {"ema": "GPU", "ema_decay": 0.99, "ema_update_step_interval": 5}, {"train.ema_decay": 0.99},
     {"ema_update_step_interval"}),
    (onetrainer, {"ema": "CPU"}, {"train.ema_decay": 0.999}, set()),
    (onetrainer, {"ema": "OFF", "ema_decay": 0.99}, {"train.ema_decay": None}, set()),
    (onetrainer, {"optimizer": "SCHEDULE_FREE_ADAMW"}, {"train.optimizer": "schedule_free_adamw"}, set()),
    (kohya, {"optimizer_type": "AdamWScheduleFree"}, {"train.optimizer": "schedule_free_adamw"}, set()),
    (onetrainer, {"timestep_distribution": "LOGIT_NORMAL", "noising_bias": -0.5, "noising_weight": 0.2,
                  "min_noising_strength": 0.1, "max_noising_strength": 0.8},
     {"train.timesteps": "logit_normal", "train.timestep_bias": -0.5, "train.timestep_spread": 1.2,
      "train.min_timestep": 100, "train.max_timestep": 800}, set()),
    (onetrainer, {"timestep_distribution": "COS_MAP"}, {"train.timesteps": "cosmap"}, set()),
    (onetrainer, {"learning_rate_scaler": "NONE", "ema": "OFF", "timestep_distribution": "UNIFORM",
                  "max_noising_strength": 1.0, "mse_strength": 1.0, "loss_scaler": "NONE"}, {}, set()),
    (onetrainer, {"loss_weight_fn": "P2", "loss_weight_strength": 0.5},
     {"train.weighting": "p2", "train.p2_gamma": 0.5, "train.min_snr_gamma": None}, set()),
    (onetrainer, {"loss_weight_fn": "DEBIASED_ESTIMATION", "loss_weight_strength": 5.0},
     {"train.weighting": "debiased", "train.p2_gamma": None}, set()),
    (onetrainer, {"loss_weight_fn": "SIGMA"}, {"train.weighting": None}, {"loss_weight_fn"}),
    (onetrainer, {}, {"train.weighting": None, "train.min_snr_gamma": 0.0}, set()),
    (onetrainer, {"peft_type": "LOHA"}, {"adapter.kind": "loha"}, set()),
    (onetrainer, {"peft_type": "OFT_2"}, {"adapter.kind": None}, {"peft_type"}),
    (onetrainer, {"layer_filter": "attn1", "layer_filter_preset": "full"}, {"adapter.targets": None}, {"layer_filter"}),
    (onetrainer, {"text_encoder": {"stop_training_after": 30, "stop_training_after_unit": "EPOCH",
                                   "dropout_probability": 0.1}},
     {"data.caption_dropout": 0.1}, {"text_encoder.stop_training_after"}),
    (onetrainer, {"text_encoder_2": {"train": False}}, {}, {"text_encoder_2.train"}),
    # its first versions
    (onetrainer, {"train_text_encoder": False, "optimizer": "ADAFACTOR", "unet_learning_rate": 1e-4},
     {"adapter.text_encoder": False, "train.optimizer": "adafactor", "train.lr": 1e-4, "train.weight_decay": 0.0},
     set()),
    (onetrainer, {"optimizer": "ADAMW", "optimizer_weight_decay": 0.1}, {"train.weight_decay": 0.1}, set()),
    (onetrainer, {"concepts": [{
        "path": "/a", "balancing": 3.0, "loss_weight": 0.5, "image": {"enable_random_flip": True},
        "text": {"enable_tag_shuffling": True, "keep_tags_count": 2, "prompt_source": "concept"}}]},
     {"data.repeats": 3, "data.flip": True, "data.shuffle_tags": True, "data.keep_tags": 2},
     {"concepts[0] loss_weight", "concepts[0] prompt_source"}),
]  # fmt: skip


NAMES = [f"{tool.NAME}: {', '.join(says)}"[:60] for tool, says, *_ in ELSEWHERE]  # the same in every process


@pytest.mark.parametrize(("tool", "says", "means", "left"), ELSEWHERE, ids=NAMES)
def test_what_means_something_else_elsewhere(tool, says, means, left):
    base = {kohya: {"pretrained_model_name_or_path": "x"}, kohya_ss: {}, onetrainer: SDXL}[tool]
    found = tool.import_values(base | says)
    assert {key: found.values.get(key) for key in means} == means
    assert names(found) - {"the concepts"} == left
    _, refused = salvage(merge({}, found.values))
    assert refused == []


def test_a_set_of_regularization_images_is_trained_beside_the_images(tmp_path):
    regular = [{"image_dir": "/reg", "is_reg": True, "class_tokens": "a dog"}, {"image_dir": "/more", "is_reg": True}]
    sets = {"datasets": [{"subsets": [*regular, {"image_dir": "/a"}]}], "prior_loss_weight": 0.5}
    (tmp_path / "d.toml").write_text(tomlkit.dumps(sets))
    settings, found = import_file(tmp_path / "d.toml")
    assert settings.data.folder == "/a" and names(found) == {"subset '/more'", "class_tokens"}
    assert settings.data.regularization == "/reg" and settings.train.prior_weight == 0.5
    assert settings.data.keep_tags == 0  # sd-scripts' own default


def test_the_command_writes_settings_that_load(file, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "sdlora", "settings", "--import", str(file), "--train.steps", "7"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (tmp_path / "s.toml").write_text(done.stdout)
    settings = load_settings(tmp_path / "s.toml")
    means = next(m for _, name, m, _ in TOOLS.values() if name == file.name) | {"train.steps": 7}
    assert {key: value_of(settings, key) for key in means} == means
    assert done.stderr.startswith("Taken from ") and "Not taken:" in done.stderr


@pytest.mark.parametrize("command", ["check", "train", "probe"])
def test_a_foreign_file_is_told_where_ours_is_wanted(file, command, capsys):
    assert main([command, str(file)]) == 1
    said = capsys.readouterr().err
    assert says(said, "terminal.foreign_settings") and f"sdlora settings --import {file}" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"training_method": "FINE_TUNE", "model_type": "STABLE_DIFFUSION_15"}',
            saying("foreign.other_training", kind="FINE_TUNE"),
        ),
        (
            '{"training_method": "LORA", "model_type": "FLUX_DEV_1"}',
            saying("foreign.other_training", kind="LORA", model="FLUX_DEV_1"),
        ),
        ('{"a": 1}', saying("foreign.unknown_file")),
        ("[1, 2", saying("foreign.not_toml_or_json")),
        ("[adapter]\nrank = 4\n", saying("foreign.unknown_file")),
    ],
)
def test_other_files_get_a_sentence(tmp_path, text, said):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match=said):
        import_file(tmp_path / "x.json")
    for name in ("none.toml", "a\0b", "\ud800", "x" * 5000):
        with pytest.raises(UserError, match="can't be read"):
            import_file(tmp_path / name)


def test_our_own_files_are_ours(tmp_path):
    (tmp_path / "s.toml").write_text("[adapter]\nnetwork_dim = 4\n[train]\nsteps = 4\n")
    assert tool_of(tmp_path / "s.toml") == ""  # an unknown setting, with its suggestion


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
KEYS = sorted({key for part in KOHYA.values() for key in part} | GUI.keys() | ONE.keys())


@unhurried(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=12), st.sampled_from([kohya, kohya_ss, onetrainer]))
def test_any_values_are_taken_or_named(values, tool):
    values = values | ({"training_method": "LORA", "model_type": "STABLE_DIFFUSION_15"} if tool is onetrainer else {})
    found = tool.import_values(values)
    assert all(isinstance(line, str) for line in found.lines())
