"""Step 3: train the UNet and the text encoder on the base styles' latents and captions.

    python tools/tiny_base/train_unet.py DATA

Needs DATA/vae (step 2). Writes DATA/unet-state.pt every few minutes and goes on
from it when started again (--start FOLDER begins with shipped weights); every
save also writes the whole diffusers folder DATA/tiny from the averaged weights, and a sheet of 16 fixed prompts as PNG.
"""

import argparse
import copy
import json
import math
import random
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from common import BASE_STYLES, make_optimizer, save_atomically
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

LENGTH = 77  # tokens, as in SD
SHEET = [  # the same sixteen at every look, so that a stuck run is seen early
    f"{style} emoji of {name}"
    for name in ("red apple", "octopus", "dog face", "house", "guitar", "bus", "sunflower", "pizza")
    for style in BASE_STYLES
]


def caption(name: str, style: str, keywords: list[str], rng: random.Random) -> str:
    """One training caption, such as "noto emoji of red apple, fruit"; one in ten is empty (for guidance)."""
    if rng.random() < 0.1:
        return ""
    words = rng.sample(keywords, min(len(keywords), rng.choice((0, 0, 0, 1, 2))))
    head = rng.choice(("", "", "", "a ")) + f"{style} emoji of {name}"
    return ", ".join([head, *words]).lower()


def make_tokenizer(names: list[str], keywords: dict[str, list[str]], folder: Path) -> CLIPTokenizer:
    """CLIP's own byte-pair scheme with a small vocabulary learnt from the captions."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    texts = [f"{s} emoji of {n}".lower() for n in names for s in (*BASE_STYLES, "glossy")]
    texts += [word for words in keywords.values() for word in words]
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    alphabet = [chr(c) for c in range(33, 127)]
    # CLIP's vocabulary opens with every byte, alone and word-final, so that any text can be spelt.
    trainer = trainers.BpeTrainer(vocab_size=2500, initial_alphabet=alphabet, end_of_word_suffix="</w>")
    tokenizer.train_from_iterator(texts, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    byte_symbols = list(bytes_to_unicode().values())
    symbols = byte_symbols + [b + "</w>" for b in byte_symbols]
    pairs = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in merges]
    symbols += ["".join(pair) for pair in pairs] + ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {symbol: i for i, symbol in enumerate(dict.fromkeys(symbols))}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in pairs)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=LENGTH)


def build(vocabulary: int) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """The SD 1.x layout with three levels instead of four and about a fortieth of its weights."""
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(64, 128, 256),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=192,
        attention_head_dim=(2, 4, 8),  # heads per level, as diffusers reads it for SD 1.x
    )
    text = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=3,
        num_attention_heads=6,
        max_position_embeddings=LENGTH,
        hidden_act="quick_gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
        projection_dim=192,
    )
    return unet, CLIPTextModel(text)


@torch.no_grad()
def latents_of(vae: AutoencoderKL, arrays, subjects: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Scaled (mean, std), each (styles * subjects, 4, 16, 16)."""
    means, stds = [], []
    for style in BASE_STYLES:
        for part in torch.from_numpy(arrays[style][:subjects]).permute(0, 3, 1, 2).split(20):
            posterior = vae.encode(part.float() / 127.5 - 1).latent_dist
            means.append(posterior.mean * vae.config.scaling_factor)
            stds.append(posterior.std * vae.config.scaling_factor)
    return torch.cat(means), torch.cat(stds)


class Recipe:
    """Batches and loss; every step is a pure function of its number."""

    def __init__(self, data: Path, tokenizer: CLIPTokenizer, batch: int, device: str):
        listing = json.loads((data / "names.json").read_text())
        self.names = listing["names"][: listing["subjects"]]
        self.keywords, self.tokenizer, self.batch, self.device = listing["keywords"], tokenizer, batch, device
        vae = AutoencoderKL.from_pretrained(data / "vae").eval()
        self.mean, self.std = latents_of(vae, np.load(data / "pictures.npz"), len(self.names))
        self.scheduler = DDPMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000
        )

    def ids(self, texts: list[str]) -> torch.Tensor:
        return self.tokenizer(
            texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
        ).input_ids

    def loss(self, unet, text_encoder, step: int) -> torch.Tensor:
        g = torch.Generator().manual_seed(step)
        rng = random.Random(step)
        rows = torch.randint(len(self.mean), (self.batch,), generator=g)
        texts = []
        for row in rows.tolist():
            style, name = divmod(row, len(self.names))
            name = self.names[name]
            texts.append(caption(name, BASE_STYLES[style], self.keywords[name], rng))
        latents = self.mean[rows] + self.std[rows] * torch.randn(self.mean[rows].shape, generator=g)
        # Each batch covers the timesteps evenly: less variance than independent draws.
        t = ((torch.arange(self.batch) + torch.rand(self.batch, generator=g)) / self.batch * 1000).long()
        noise = torch.randn(latents.shape, generator=g)
        alpha_bar = self.scheduler.alphas_cumprod[t]
        noisy = self.scheduler.add_noise(latents, noise, t)
        # The text decides the picture at high noise, where plain epsilon loss hardly
        # counts an error: weight by 1/alpha_bar (the v-prediction loss), capped; and
        # min-SNR (gamma 5) takes weight off the last touches.
        snr = alpha_bar / (1 - alpha_bar)
        weight = (1 / alpha_bar).clamp(max=10) * (5 / snr).clamp(max=1)
        with torch.autocast(self.device, torch.bfloat16):
            hidden = text_encoder(self.ids(texts).to(self.device)).last_hidden_state
            predicted = unet(noisy.to(self.device), t.to(self.device), hidden).sample.float()
        error = (predicted - noise.to(self.device)).pow(2).mean((1, 2, 3))
        return (error * weight.to(self.device)).mean() / weight.mean()


def save_pipeline(folder: Path, unet, text_encoder, tokenizer, vae_folder: Path, dtype=torch.float16) -> None:
    """The diffusers folder in fp16, as it is shipped."""
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(vae_folder).to(dtype),
        text_encoder=copy.deepcopy(text_encoder).to(dtype),
        tokenizer=tokenizer,
        unet=copy.deepcopy(unet).to(dtype),
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
            prediction_type="epsilon",
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    config = folder / "vae" / "config.json"  # it would tell the path it was loaded from
    config.write_text("".join(x for x in config.read_text().splitlines(True) if "_name_or_path" not in x))
    for name in ("vocab.json", "merges.txt"):  # transformers 5 writes tokenizer.json alone; older readers want these
        shutil.copyfile(vae_folder.parent / "tokenizer" / name, folder / "tokenizer" / name)


def draw_sheet(folder: Path, target: Path) -> None:
    """The sixteen fixed prompts, 20 steps, guidance 4, as one picture."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    noise = [torch.Generator().manual_seed(i) for i in range(len(SHEET))]
    images = pipeline(SHEET, num_inference_steps=20, guidance_scale=4.0, generator=noise).images
    side = images[0].width
    sheet = Image.new("RGB", (side * 8, side * 2))
    for i, image in enumerate(images):
        sheet.paste(image, (i // 2 * side, i % 2 * side))
    sheet.save(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--decay-from", type=float, default=0.6, help="share of the steps before the rate falls")
    parser.add_argument("--start", type=Path, help="a diffusers folder to go on from, such as sdlora/models/tiny")
    parser.add_argument("--save-seconds", type=float, default=400)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.manual_seed(0)
    listing = json.loads((args.data / "names.json").read_text())
    tokenizer = make_tokenizer(listing["names"], listing["keywords"], args.data / "tokenizer")
    recipe = Recipe(args.data, tokenizer, args.batch, args.device)
    modules = torch.nn.ModuleList(build(len(tokenizer))).to(args.device)
    average = torch.nn.ModuleList(build(len(tokenizer))).to(args.device).requires_grad_(False)
    if args.start:
        for module, cls, part in zip(
            modules, (UNet2DConditionModel, CLIPTextModel), ("unet", "text_encoder"), strict=True
        ):
            module.load_state_dict(cls.from_pretrained(args.start / part, dtype=torch.float32).state_dict())
    average.load_state_dict(modules.state_dict())
    optimizer = make_optimizer(modules, "muon", args.lr)
    # The fused attention of PyTorch's CPU build is half as fast as plain products at this size.
    modules[0].set_attn_processor(AttnProcessor())
    start, state_file = 0, args.data / "unet-state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        start = state["step"]
        modules.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    print(f"{sum(p.numel() for p in modules.parameters()) / 1e6:.1f} M parameters, from step {start}", flush=True)

    began = saved = time.time()
    running = 0.0
    for step in range(start, args.steps):
        left = (args.steps - step) / (args.steps * (1 - args.decay_from))
        rate = min(1, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 - math.cos(math.pi * min(1, left))))
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * rate
        loss = recipe.loss(modules[0], modules[1], step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        running += 0.01 * (loss.item() - running) if running else loss.item()
        keep = min(0.9985, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(average.parameters()), list(modules.parameters()), 1 - keep)
        if step + 1 == args.steps or time.time() - saved > args.save_seconds:
            state = {"step": step + 1, "model": modules.state_dict(), "average": average.state_dict()}
            save_atomically(state_file, {**state, "optimizer": optimizer.state_dict()})
            save_pipeline(args.data / "tiny", average[0], average[1], tokenizer, args.data / "vae")
            draw_sheet(args.data / "tiny", args.data / f"sheet-{step + 1:06d}.png")
            speed = (step + 1 - start) * args.batch / (time.time() - began)
            print(f"step {step + 1} loss {running:.4f} {speed:.1f} samples/s", flush=True)
            saved = time.time()


if __name__ == "__main__":
    main()
