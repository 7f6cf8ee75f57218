"""The configurations of UNets, VAEs and text encoders, with the sizes taken from the shapes of a checkpoint's weights.

What shapes cannot tell (attention heads, activations, scaling factors, noise schedule) is from the models' published
configuration files; all sizes of the published models come out as published.
"""

from collections.abc import Mapping

from sdlora.families.family import Family, Part
from sdlora.objectives import OBJECTIVES

Shapes = Mapping[str, tuple[int, ...]]
HEAD = 64  # channels per attention head, in the UNets with linear projections and in all text encoders


def _count(shapes: Shapes, start: str) -> int:
    """How many different numbers follow ``start`` in the names."""
    return len({name[len(start) :].split(".")[0] for name in shapes if name.startswith(start)})


def unet(family: Family, shapes: Shapes, sample_size: int, pooled: int) -> dict:
    """UNet2DConditionModel's configuration. pooled: width of the pooled text (SDXL: 1280)."""
    published = family.published[family.denoiser.root]
    widths, depths, layers = _unet_levels(shapes)
    crossing = next((n for n in sorted(shapes) if n.endswith("attn2.to_k.weight")), "attn2.to_k.weight")
    config = {
        "_class_name": "UNet2DConditionModel",
        "sample_size": sample_size,
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": widths,
        "layers_per_block": layers,
        "cross_attention_dim": shapes[crossing][1],
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths],
        "up_block_types": ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)],
        "norm_num_groups": 32,
        # diffusers' historical name: these are numbers of heads.
        "attention_head_dim": [max(1, width // HEAD) for width in widths] if "attention_head_dim" in published else 8,
        "use_linear_projection": published.get("use_linear_projection", False),
    }
    if published.get("addition_embed_type") == "text_time":
        embedded = shapes["label_emb.0.0.weight"][1]
        config |= {
            "transformer_layers_per_block": [depth or 1 for depth in depths],
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": (embedded - pooled) // 6,  # six numbers: original size, crop, target size
            "projection_class_embeddings_input_dim": embedded,
        }
    return config


def _unet_levels(shapes: Shapes) -> tuple[list[int], list[int], int]:
    """(width of each level, transformer blocks in it, resnets per level)."""
    widths, depths, resnets = [0], [0], [0]
    for block in range(1, _count(shapes, "input_blocks.")):
        name = f"input_blocks.{block}."
        if f"{name}0.op.weight" in shapes:
            widths, depths, resnets = [*widths, 0], [*depths, 0], [*resnets, 0]
            continue
        widths[-1] = shapes[f"{name}0.out_layers.3.weight"][0]
        depths[-1] = _count(shapes, f"{name}1.transformer_blocks.")
        resnets[-1] += 1
    if len(set(resnets)) != 1:
        raise ValueError("levels of different length")
    return widths, depths, resnets[0]


def vae(family: Family, shapes: Shapes) -> dict:
    """AutoencoderKL's configuration; ``shapes`` in the original or in diffusers' spelling, without a prefix."""
    return vae_sizes(shapes) | {
        "norm_num_groups": 32,
        "sample_size": family.resolution,
        "scaling_factor": family.latent.scale,
        "force_upcast": True,
    }


def vae_sizes(shapes: Shapes) -> dict:
    """AutoencoderKL's sizes: what the shapes of the weights tell, whatever the family."""
    level = "encoder.down." if any(name.startswith("encoder.down.") for name in shapes) else "encoder.down_blocks."
    block = "block" if level == "encoder.down." else "resnets"
    levels = _count(shapes, level)
    widths = [shapes[f"{level}{n}.{block}.0.conv1.weight"][0] for n in range(levels)]
    return {
        "_class_name": "AutoencoderKL",
        "block_out_channels": widths,
        "layers_per_block": _count(shapes, f"{level}0.{block}."),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "latent_channels": shapes["decoder.conv_in.weight"][1],
    }


def text_encoder(part: Part, shapes: Shapes) -> dict:
    """CLIPTextConfig's fields for CLIP ViT-L (SD 1, SDXL's first), OpenCLIP-H (SD 2) or bigG (SDXL's second)."""
    if part.open_clip:
        layers, inner = _count(shapes, "transformer.resblocks."), "transformer.resblocks.0.mlp.c_fc.weight"
        words, places = shapes["token_embedding.weight"], shapes["positional_embedding"]
        layers = min(layers, part.layers)
    else:
        start = "text_model." if "text_model.final_layer_norm.weight" in shapes else ""
        layers, inner = _count(shapes, f"{start}encoder.layers."), f"{start}encoder.layers.0.mlp.fc1.weight"
        words = shapes[f"{start}embeddings.token_embedding.weight"]
        places = shapes[f"{start}embeddings.position_embedding.weight"]
    width = words[1]
    projection = shapes.get("text_projection", (width, width))[1] if part.projected else width
    return {
        "architectures": ["CLIPTextModelWithProjection" if part.projected else "CLIPTextModel"],
        "vocab_size": words[0],
        "hidden_size": width,
        "intermediate_size": shapes[inner][0],
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // HEAD),
        "max_position_embeddings": places[0],
        "hidden_act": "gelu" if part.open_clip else "quick_gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": projection,
        "bos_token_id": words[0] - 2,
        "eos_token_id": words[0] - 1,
        "pad_token_id": 0 if part.open_clip else words[0] - 1,
    }


def scheduler(prediction: str, zero_snr: bool) -> dict:
    """DDIMScheduler's: the noise schedule that SD 1, SD 2 and SDXL were trained with."""
    return {
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": 1000,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "prediction_type": OBJECTIVES[prediction].scheduler,
        "rescale_betas_zero_snr": zero_snr,
        "timestep_spacing": "trailing" if zero_snr else "leading",
    }
