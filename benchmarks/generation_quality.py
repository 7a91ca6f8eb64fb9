"""How well language models predict text: plain and AWD-LSTM, from word vectors and from random ones, caches, counts.

python benchmarks/generation.py quality BUNDLE [--text FILE]... [--steps 1000] [--seeds 1] [--limit 100000]
    [--dynamic 10000] [--device cuda] [--models build/generation_quality] [--model NAME]... [--base awd]
    [--out docs/experiments] [--name generation_quality]

All models share the vocabulary of one bundle and the training text that lies beside it. A model is trained once and
kept in a folder; the settings it was trained with and the seconds it took stand beside it. Every figure is on held-out
text: documents of the bundle's own test split, and any other files. Caches are tuned on the validation split. With
several seeds the models of a row are compared by the mean of their losses on each token.

Dynamic evaluation is slow, so --dynamic says how many tokens of the own held-out documents it reads, one stretch after
another as one text. They have a table of their own, with all other models on the same tokens.
"""

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.bundle.folder import sha256_of
from embedpipe.config import GenerationConfig
from embedpipe.generation.cache import ContinuousCache, cached_losses, tune_cache
from embedpipe.generation.dynamic import dynamic_losses
from embedpipe.generation.evaluation import held_out, token_losses
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.ngrams.kneser_ney import KneserNey
from embedpipe.generation.paired import compare_losses, perplexity_interval
from embedpipe.generation.part import load_generator, save_generator
from embedpipe.generation.train import train_language_model
from embedpipe.generation.tuned import find_dynamic
from embedpipe.generation.units import perplexity_of
from embedpipe.loading import Bundle, load, text_beside
from embedpipe.runtime import resolve_device
from embedpipe.text.prepared import PreparedText
from embedpipe.text.vocabulary import EOS, UNK
from timed import add_device, described, wait_for
from written import write_files

ROWS = 16
OWN, FOLLOWED = "own held-out documents", "own held-out documents, the tokens of dynamic evaluation"
REGULARISED = {
    "input_p": 0.2,
    "hidden_p": 0.2,
    "output_p": 0.3,
    "embed_p": 0.05,
    "weight_p": 0.2,
    "ar": 1.0,
    "tar": 1.0,
}
PLAIN = {"start": "random", "input_p": 0.0, "hidden_p": 0.0, "output_p": 0.0, "weight_decay": 0.0}
UNTIED = {"tied": False, "hidden": 160}
WIDE = {"hidden": 912}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model and what is said of it; `dim` is the width of its word vectors, those of the bundle where it is None."""

    name: str
    says: str
    settings: dict[str, Any]
    dim: int | None = None


def recipes(
    common: dict[str, Any], plain: dict[str, Any], regularised: dict[str, Any], wide: dict[str, Any]
) -> list[Recipe]:
    """Return the models that are compared, all of the same number of parameters (on a vocabulary of 37,000 tokens).

    One network, trained in three ways; one whose two tables differ, with vectors and layers of 160; and two with wide
    layers over vectors of 200, the first components of those of the bundle.
    """
    return [
        Recipe("plain", "two-layer LSTM, random start, no dropout", {**common, **PLAIN, **plain}),
        Recipe("untied", "two-layer LSTM, the same, two tables", {**common, **PLAIN, **plain, **UNTIED}, dim=160),
        Recipe("awd", "AWD-LSTM, starts from the word vectors", {**common, **regularised}),
        Recipe("awd-random", "AWD-LSTM, random start", {**common, **regularised, "start": "random"}),
        Recipe("awd-wide", "AWD-LSTM, wide layers, narrow vectors", {**common, **regularised, **WIDE, **wide}, dim=200),
        Recipe("plain-wide", "two-layer LSTM, the same, wide", {**common, **PLAIN, **plain, **WIDE}, dim=200),
    ]


def trained(
    recipe: Recipe, bundle: Bundle, text: PreparedText, folder: Path, seed: int, device: torch.device
) -> tuple[LanguageModel, dict[str, Any]]:
    """Return a model of the folder, trained first where it is missing or of other settings or text."""
    own = folder / f"{recipe.name}-{seed}"
    config = GenerationConfig(**recipe.settings)
    made_with = {
        "settings": config.model_dump(mode="json"),
        "seed": seed,
        "vocabulary": sha256_of(bundle.parts.file("vocabulary.json", "text")),
    }
    record = own / "trained.json"
    if record.is_file() and (found := json.loads(record.read_text(encoding="utf-8")))["made_with"] == made_with:
        return load_generator(own / "generator", len(text.vocabulary)).to(device), found
    own.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    result = train_language_model(
        bundle.bag.vectors[:, : recipe.dim],
        text.vocabulary,
        text.train,
        text.validation,
        text.test,
        config,
        seed=seed,
        device=device,
        checkpoint=own / "checkpoint",
        listener=lambda event: print(recipe.name, event, flush=True),
    )
    save_generator(own / "generator", result.model)
    shutil.rmtree(own / "checkpoint", ignore_errors=True)
    wait_for(device)
    found = {
        "made_with": made_with,
        "seconds": time.monotonic() - began,
        "tokens_read": result.n_tokens_seen,
        "timeline": [list(point) for point in result.timeline],
        "machine": described(device),
    }
    record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return result.model, found


def prepared_text(path: Path, bundle: Bundle) -> PreparedText:
    """Return the text that lies beside a bundle."""
    text = text_beside(bundle)
    if text is None:
        raise SystemExit(f"{path}.work holds no prepared text: make the bundle with `embedpipe run` again")
    return text


def stream_of(bundle: Bundle, path: Path) -> NDArray[np.uint32]:
    """Return the ids of a text file, a line that is not empty as a sentence, each closed by ``<eos>``."""
    lines = path.read_text(encoding="utf-8").splitlines()
    ids = [np.append(bundle.codec.encode(line), np.uint32(EOS)) for line in lines if line.strip()]
    return np.concatenate(ids).astype(np.uint32)


def measure(
    bundle_path: Path,
    files: list[Path],
    models: Path,
    *,
    compared: Sequence[Recipe],
    base: Recipe,
    limit: int,
    device: torch.device,
    dynamic: int = 0,
    seeds: int = 1,
) -> dict[str, Any]:
    """Return the perplexities of every model on every text, and their paired comparisons with `base`, one of them.

    `dynamic` tokens of the own documents are also read with dynamic evaluation, where it is above 0.
    """
    bundle = load(bundle_path)
    text = prepared_text(bundle_path, bundle)
    streams = {OWN: text.test.tokens, **{path.name: stream_of(bundle, path) for path in files}}
    samples = {name: held_out(np.asarray(stream), limit=limit, rows=ROWS).tokens for name, stream in streams.items()}
    if dynamic:
        samples[FOLLOWED] = held_out(text.test.tokens, limit=dynamic, rows=ROWS).tokens
    counted = KneserNey.fit(text.train.tokens, len(text.vocabulary), order=5)
    # By text and by model, the losses that each seed gave.
    losses = {name: {"Kneser-Ney 5-gram": [counted.losses(tokens)]} for name, tokens in samples.items()}
    about: dict[str, dict[str, Any]] = {"Kneser-Ney 5-gram": {"parameters": None}}
    development = held_out(np.asarray(text.validation.tokens), limit=limit // 2, rows=ROWS // 2).tokens
    for recipe in compared:
        records, caches, followers = [], [], []
        with_cache, with_dynamic = f"{recipe.says} + cache", f"{recipe.says} + dynamic evaluation"
        for seed in range(1, seeds + 1):
            model, record = trained(recipe, bundle, text, models, seed, device)
            cache: ContinuousCache = tune_cache(model, development)
            records.append(record)
            caches.append(asdict(cache))
            for name, tokens in samples.items():
                losses[name].setdefault(recipe.says, []).append(token_losses(model, tokens))
                losses[name].setdefault(with_cache, []).append(cached_losses(model, tokens, cache))
            if dynamic:
                settings, sizes = find_dynamic(model, text.train, text.validation, print)
                followers.append(asdict(settings))
                found = dynamic_losses(model, samples[FOLLOWED], settings, sizes, carried=True)
                losses[FOLLOWED].setdefault(with_dynamic, []).append(found)
        parameters = sum(p.numel() for p in model.parameters())
        mean = {key: float(np.mean([record[key] for record in records])) for key in ("seconds", "tokens_read")}
        about[recipe.says] = {"parameters": parameters, **mean, "seeds": records}
        about[with_cache] = {"parameters": parameters, "cache": caches}
        if dynamic:
            about[with_dynamic] = {"parameters": parameters, "dynamic": followers}
    return {"rows": _rows(samples, losses, about, base.says), "models": about}


def _rows(
    samples: dict[str, NDArray[np.uint32]],
    losses: dict[str, dict[str, list[NDArray[np.float64]]]],
    about: dict[str, Any],
    base_says: str,
) -> list[dict[str, Any]]:
    rows = []
    for text, found in losses.items():
        base = np.mean(found[base_says], axis=0)
        for name, of_each in found.items():
            own = np.mean(of_each, axis=0)
            low, high = perplexity_interval(own)
            against = compare_losses(base, own)
            rows.append(
                {
                    "text": text,
                    "model": name,
                    "perplexity": perplexity_of(float(own.mean())),
                    "of_each_seed": [perplexity_of(float(one.mean())) for one in of_each],
                    "low": low,
                    "high": high,
                    "base_over_it": against.ratio,
                    "p_value": against.p_value,
                    "unknown_share": float(np.mean(samples[text][:, 1:] == UNK)),
                    "n_tokens": int(own.size),
                    "parameters": about[name]["parameters"],
                    "seconds": about[name].get("seconds"),
                    "tokens_read": about[name].get("tokens_read"),
                }
            )
    return rows


def to_markdown(rows: list[dict[str, Any]], base_says: str) -> str:
    """Return the rows as a table for each text, with what its p-values and intervals leave out."""
    lines = []
    seeds = max(len(row["of_each_seed"]) for row in rows)
    chance = (
        "Intervals and p-values hold the chance of the text alone: each model was trained once, and what another seed "
        "would have given is not in them."
        if seeds == 1
        else f"Figures are of the mean losses of {seeds} seeds. Intervals and p-values hold the chance of the text "
        "alone; how far apart the seeds are stands beside them."
    )
    for text in dict.fromkeys(row["text"] for row in rows):
        own = [row for row in rows if row["text"] == text]
        lines += [
            f"`{text}`: {own[0]['n_tokens']:,} tokens, {100 * own[0]['unknown_share']:.1f} % unknown. {chance}",
            "",
            f"| model | perplexity | 95 % | seeds | {base_says} is at | p | parameters | tokens read | seconds |",
            "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for row in own:
            each = row["of_each_seed"]
            cells = [
                row["model"],
                f"{row['perplexity']:.1f}",
                f"{row['low']:.1f} to {row['high']:.1f}",
                f"{min(each):.1f} to {max(each):.1f}" if len(each) > 1 else "",
                f"{100 * row['base_over_it']:.1f} %",
                "" if row["model"] == base_says else f"{row['p_value']:.4f}",
                *("" if row[key] is None else f"{row[key]:,.0f}" for key in ("parameters", "tokens_read", "seconds")),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, measure, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--text", type=Path, action="append", default=[], help="a text to measure on; repeatable")
    parser.add_argument("--models", type=Path, default=Path("build/generation_quality"), help="where models are kept")
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--limit", type=int, default=100_000, help="predicted tokens of each text")
    parser.add_argument("--dynamic", type=int, default=0, help="tokens read with dynamic evaluation; 0: none")
    add_device(parser)
    for group, default in (("common", {}), ("plain", {}), ("regularised", REGULARISED), ("wide", {})):
        parser.add_argument(
            f"--{group}", type=json.loads, default=default, help=f"[generation] settings as JSON; {json.dumps(default)}"
        )
    parser.add_argument("--model", action="append", help="a model that is compared, by its name in --models; all")
    parser.add_argument("--base", default="awd", help="the model that the others are compared with")
    parser.add_argument("--train", help="train the model of this name, where it is missing, and measure nothing")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--name", default="generation_quality")
    args = parser.parse_args()
    device = resolve_device(args.device)
    common = {"steps": args.steps, **args.common}
    found_recipes = {recipe.name: recipe for recipe in recipes(common, args.plain, args.regularised, args.wide)}
    for name in filter(None, [args.base, args.train, *(args.model or [])]):
        if name not in found_recipes:
            parser.error(f"no model '{name}': there are {', '.join(found_recipes)}")
    if args.train:
        bundle, recipe = load(args.bundle), found_recipes[args.train]
        text = prepared_text(args.bundle, bundle)
        for seed in range(1, args.seeds + 1):
            trained(recipe, bundle, text, args.models, seed, device)
        return
    found = measure(
        args.bundle,
        args.text,
        args.models,
        compared=[
            recipe for name, recipe in found_recipes.items() if not args.model or name in (args.base, *args.model)
        ],
        base=found_recipes[args.base],
        limit=args.limit,
        device=device,
        dynamic=args.dynamic,
        seeds=args.seeds,
    )
    about = f"`{args.bundle.name}`, {args.steps:,} steps, {args.seeds} seeds; {described(device)}."
    page = f"# How well language models predict text\n\nWritten by `benchmarks/generation.py quality`. {about}\n\n"
    page += to_markdown(found["rows"], found_recipes[args.base].says)
    print(page)
    write_files({"about": about, **found}, page, args.out / f"{args.name}.json", args.out / f"{args.name}.md")


if __name__ == "__main__":
    main()
