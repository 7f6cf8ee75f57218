"""Step 3: train the UNet and the text encoder on the latents of all styles, with captions.

    python tools/tiny_base/train_unet.py DATA [--start sdlora/families/tiny] [--minutes 9]

Needs DATA/vae (step 2). Writes DATA/unet-state.pt every few minutes and goes on
from it when started again (--start FOLDER begins with another base's weights); every
save also writes the whole diffusers folder DATA/tiny from the averaged weights, and a
sheet of fixed prompts as PNG.
"""

import argparse
import copy
import json
import random
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from captions import World
from common import Budget, make_optimizer, save_atomically
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from latents import shards
from PIL import Image
from styles import COLOURS, GROUNDS, STYLES
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

LENGTH = 77  # tokens, as in SD
NO_CAPTION = 0.1  # share of empty captions, for guidance
PLAIN = 0.3  # share of pictures with one subject in a style and nothing else
SHEET = [  # the same at every look, so that a stuck run is seen early
    *(f"{style} emoji of {name}" for style, name in zip(
        STYLES, ("red apple", "octopus", "dog face", "house", "guitar", "bus", "sunflower", "pizza") * 3, strict=False
    )),
    "flat emoji of blue dog face",
    "noto emoji of green teddy bear",
    "sticker emoji of purple octopus",
    "flat emoji of red apple and dog face",
    "outline emoji of guitar and house",
    "noto emoji of pizza and sunflower",
    "flat emoji of frog, on a dark blue ground",
    "noto emoji of crown, on a black ground",
    "noto emoji of rocket, small, bottom left",
    "flat emoji of penguin, upside down",
]  # fmt: skip


def make_tokenizer(world: World, folder: Path) -> CLIPTokenizer:
    """CLIP's own byte-pair scheme with a small vocabulary learnt from the captions."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    texts = [f"{style} emoji of {name}".lower() for name in world.names for style in (*STYLES, "glossy")]
    texts += [word for words in world.keywords.values() for word in words]
    extras = [f"{colour} {ground} ground" for colour in COLOURS for ground in GROUNDS]
    extras += ["beside", "next to", "and", "on a", "small", "top left", "bottom right", "upside down", "tilted"]
    texts += extras * 20
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


def build(
    vocabulary: int, channels: tuple[int, ...] = (64, 128, 256), layers: int = 1
) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """The SD 1.x layout with three levels instead of four and about a fortieth of its weights."""
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=channels,
        layers_per_block=layers,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=192,
        attention_head_dim=tuple(max(1, c // 32) for c in channels),  # heads, as SD 1.x has it
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


def take_over(modules: torch.nn.ModuleList, tokenizer: CLIPTokenizer, start: Path) -> None:
    """Load another base's UNet and text encoder; a token it doesn't know begins as the mean of its parts."""
    modules[0].load_state_dict(UNet2DConditionModel.from_pretrained(start / "unet").float().state_dict())
    old = CLIPTextModel.from_pretrained(start / "text_encoder").float().state_dict()
    known = CLIPTokenizer.from_pretrained(start / "tokenizer")
    vocabulary = known.get_vocab()
    (key,) = (k for k in old if k.endswith("token_embedding.weight"))
    rows = []
    for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1]):
        if token in vocabulary:
            parts = [vocabulary[token]]
        else:
            parts = known(token.removesuffix("</w>"), add_special_tokens=False).input_ids or [known.unk_token_id]
        rows.append(old[key][parts].mean(0))
    old[key] = torch.stack(rows)
    modules[1].load_state_dict(old)


class Recipe:
    """Batches and the loss; everything random depends on the step's number alone."""

    def __init__(self, world: World, tokenizer: CLIPTokenizer, latents: tuple, batch: int, offset: float, device: str):
        self.world, self.tokenizer, self.batch, self.offset, self.device = world, tokenizer, batch, offset, device
        self.specs, self.mean, self.std, self.plain = latents
        scheduler = DDPMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000
        )
        self.alphas_bar = scheduler.alphas_cumprod

    def ids(self, texts: list[str]) -> torch.Tensor:
        return self.tokenizer(
            texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
        ).input_ids

    def batch_at(self, step: int) -> tuple[torch.Tensor, ...]:
        """Noisy latents, timesteps, token ids, the noise in them, and the weight of each: pure in step."""
        g = torch.Generator().manual_seed(step)
        rng = random.Random(step)
        share = PLAIN if self.plain < len(self.specs) else 1.0
        plain = torch.rand(self.batch, generator=g) < share
        u = torch.rand(self.batch, generator=g)
        others = len(self.specs) - self.plain
        rows = torch.where(plain, u * self.plain, self.plain + u * others).long().clamp(max=len(self.specs) - 1)
        texts = ["" if rng.random() < NO_CAPTION else self.world.caption(self.specs[row], rng) for row in rows.tolist()]
        latents = self.mean[rows] + self.std[rows] * torch.randn(self.mean[rows].shape, generator=g)
        # Each batch covers the timesteps evenly: less variance than independent draws.
        t = ((torch.arange(self.batch) + torch.rand(self.batch, generator=g)) / self.batch * 1000).long()
        noise = torch.randn(latents.shape, generator=g)
        # An offset for each channel (https://www.crosslabs.org/blog/diffusion-with-offset-noise): this schedule
        # never reaches pure noise, and without it the mean that shines through tells the ground, not the caption.
        noise += self.offset * torch.randn(*latents.shape[:2], 1, 1, generator=g)
        alpha_bar = self.alphas_bar[t]
        root = alpha_bar.view(-1, 1, 1, 1)
        noisy = root.sqrt() * latents + (1 - root).sqrt() * noise
        # The text decides the picture at high noise, where plain epsilon loss hardly
        # counts an error: weight by 1/alpha_bar (the v-prediction loss), capped; and
        # min-SNR (gamma 5) takes weight off the last touches.
        snr = alpha_bar / (1 - alpha_bar)
        weight = (1 / alpha_bar).clamp(max=10) * (5 / snr).clamp(max=1)
        return noisy, t, self.ids(texts), noise, weight / weight.mean()

    def batches(self, step: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """From this step on, on the device; on CUDA two are made ahead."""
        if self.device == "cpu":
            while True:
                yield self.batch_at(step)
                step += 1
        with ThreadPoolExecutor(3) as pool:
            ahead = [pool.submit(self.batch_at, step + i) for i in range(4)]
            while True:
                yield tuple(part.to(self.device, non_blocking=True) for part in ahead.pop(0).result())
                ahead.append(pool.submit(self.batch_at, step + 4))
                step += 1

    def loss(self, unet, text_encoder, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        noisy, t, ids, noise, weight = batch
        with torch.autocast(self.device.split(":")[0], torch.bfloat16):
            hidden = text_encoder(ids).last_hidden_state
            predicted = unet(noisy, t, hidden).sample.float()
        return ((predicted - noise).pow(2).mean((1, 2, 3)) * weight).mean()


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


def draw_sheet(folder: Path, target: Path, device: str = "cpu", columns: int = 9) -> None:
    """The fixed prompts, 20 steps, guidance 4, as one picture."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32).to(device)
    pipeline.set_progress_bar_config(disable=True)
    noise = [torch.Generator().manual_seed(i) for i in range(len(SHEET))]
    with torch.autocast(device.split(":")[0], torch.bfloat16):
        images = pipeline(SHEET, num_inference_steps=20, guidance_scale=4.0, generator=noise).images
    side = images[0].width
    sheet = Image.new("RGB", (side * columns, side * -(-len(images) // columns)))
    for i, image in enumerate(images):
        sheet.paste(image, (i % columns * side, i // columns * side))
    sheet.save(target)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cuda = torch.cuda.is_available()
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--minutes", type=float, help="train for so long, over all starts, instead of --steps")
    parser.add_argument("--batch", type=int, default=512 if cuda else 32)
    parser.add_argument("--lr", type=float, default=2e-3, help="1e-3 to go on from trained weights")
    parser.add_argument("--decay-from", type=float, default=0.6, help="share of the training before the rate falls")
    parser.add_argument("--shards", type=int, default=8 if cuda else 3, help="of latents (latents.py)")
    parser.add_argument("--noise-offset", type=float, default=0.1)
    parser.add_argument("--channels", default="64,128,256", help="of the UNet's three levels")
    parser.add_argument("--layers", type=int, default=1, help="of each of the UNet's blocks")
    parser.add_argument("--start", type=Path, help="a diffusers folder to go on from, such as sdlora/families/tiny")
    parser.add_argument("--save-seconds", type=float, default=400)
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    parser.add_argument("--compile", action="store_true", help="torch.compile the UNet: worth it on a GPU alone")
    parser.add_argument("--device", default="cuda" if cuda else "cpu")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    torch.manual_seed(0)
    world = World.open(args.data)
    tokenizer = make_tokenizer(world, args.data / "tokenizer")
    latents = shards(args.data, world, args.shards, args.device, args.workers)
    recipe = Recipe(world, tokenizer, latents, args.batch, args.noise_offset, args.device)
    shape = tuple(int(c) for c in args.channels.split(",")), args.layers
    modules = torch.nn.ModuleList(build(len(tokenizer), *shape))
    if args.start:
        take_over(modules, tokenizer, args.start)
    average = copy.deepcopy(modules).to(args.device).requires_grad_(False)
    modules = modules.to(args.device)
    optimizer = make_optimizer(modules, "muon", args.lr)
    if args.device == "cpu":
        # The fused attention of PyTorch's CPU build is half as fast as plain products at this size.
        modules[0].set_attn_processor(AttnProcessor())
        modules[1].set_attn_implementation("eager")
    step, used, state_file = 0, 0.0, args.data / "unet-state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True, map_location=args.device)
        step, used = state["step"], state["used"]
        modules.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    print(f"{sum(p.numel() for p in modules.parameters()) / 1e6:.1f} M parameters, from step {step}", flush=True)

    unet = torch.compile(modules[0]) if args.compile else modules[0]
    budget, start = Budget(args.steps, args.minutes, used), step
    batches, saved, running = recipe.batches(step), time.time(), torch.zeros((), device=args.device)
    while budget.share(step) < 1:
        rate = budget.rate(step, args.decay_from, warm=60)
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * rate
        loss = recipe.loss(unet, modules[1], next(batches))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        running.lerp_(loss.detach(), max(0.01, 1 / (step - start)))
        keep = min(0.9985, step / (step + 9))
        torch._foreach_lerp_(list(average.parameters()), list(modules.parameters()), 1 - keep)
        if budget.share(step) >= 1 or time.time() - saved > args.save_seconds:
            parts = {
                "model": modules.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
            }
            save_atomically(state_file, {"step": step, "used": budget.spent(), **parts})
            save_pipeline(args.data / "tiny", average[0], average[1], tokenizer, args.data / "vae")
            speed = (step - start) * args.batch / (time.time() - budget.began)
            done = f"step {step} ({budget.share(step):.0%}) loss {running.item():.4f}"
            draw_sheet(args.data / "tiny", args.data / f"sheet-{step:06d}.png", args.device)
            print(f"{done} {speed:.1f} samples/s", flush=True)
            saved = time.time()


if __name__ == "__main__":
    main()
