"""What other trainers call our settings, asked of the importers themselves: what they look for, and what it becomes."""

from functools import lru_cache

from sdlora.foreign import kohya, kohya_ss, onetrainer

# Switches that make an importer look for the keys that stand behind them; the rest it asks for in any case.
SWITCHES = (
    (kohya, {"network_dim": 8, "lr_scheduler": "cosine_with_restarts"}),
    (kohya, {
        "network_dim": 8, "unet_lr": 1e-4, "text_encoder_lr": 1e-4, "optimizer_type": "lion", "loss_type": "huber",
        "optimizer_args": "weight_decay=0.1", "network_args": ["algo=loha", "conv_dim=4", "conv_alpha=1"],
        "network_train_unet_only": False, "base_weights": ["a.safetensors"],
    }),
    (kohya_ss, {"LoRA_type": "LyCORIS/LoHa"}),
    (onetrainer, {
        "training_method": "LORA", "model_type": "STABLE_DIFFUSION_15", "peft_type": "LOHA", "optimizer": "LION",
        "vae": {"model_name": "vae"}, "text_encoder": {"learning_rate": 1e-4, "dropout_probability": 0.1},
    }),
)  # fmt: skip


@lru_cache(maxsize=1)
def names_elsewhere() -> dict[str, tuple[str, ...]]:
    """By setting, the keys of other trainers' files that become it: "adapter.rank" -> ("network_dim", "lora_rank")."""
    found: dict[str, dict[str, None]] = {}
    for tool, values in SWITCHES:
        for key, setting in tool.import_values(values).asked:
            if key.isidentifier() and key not in ("concepts",):
                found.setdefault(setting, {})[key] = None
    return {setting: tuple(keys) for setting, keys in found.items()}
