"""How well language models predict text: plain and AWD-LSTM, from word vectors and from random ones, caches, counts.

All models share the vocabulary of one bundle and the training text that lies beside it. A model is trained once and
kept in a folder; the settings it was trained with and the seconds it took stand beside it. Every figure is on held-out
text: documents of the bundle's own test split, and any other files. Caches are tuned on the validation split.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.bundle.folder import sha256_of
from embedpipe.config import GenerationConfig
from embedpipe.generation.cache import ContinuousCache, cached_losses, tune_cache
from embedpipe.generation.evaluation import held_out, token_losses
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.ngrams.kneser_ney import KneserNey
from embedpipe.generation.paired import compare_losses, perplexity_interval
from embedpipe.generation.part import load_generator, save_generator
from embedpipe.generation.train import train_language_model
from embedpipe.loading import Bundle, load, text_beside
from embedpipe.text.prepared import PreparedText
from embedpipe.text.vocabulary import EOS, UNK

CPU = torch.device("cpu")
ROWS = 16
PLAIN = {"start": "random", "input_p": 0.0, "hidden_p": 0.0, "output_p": 0.0, "weight_decay": 0.0}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model and what is said of it."""

    name: str
    says: str
    settings: dict[str, Any]


def recipes(common: dict[str, Any], plain: dict[str, Any], regularised: dict[str, Any]) -> list[Recipe]:
    """Return the models that are compared: the same network, trained in three ways."""
    return [
        Recipe("plain", "two-layer LSTM, random start, no dropout", {**common, **PLAIN, **plain}),
        Recipe("awd", "AWD-LSTM, starts from the word vectors", {**common, **regularised}),
        Recipe("awd-random", "AWD-LSTM, random start", {**common, **regularised, "start": "random"}),
    ]


def trained(recipe: Recipe, bundle: Bundle, text: PreparedText, folder: Path, seed: int) -> tuple[LanguageModel, dict]:
    """Return a model of the folder, trained first where it is missing or of other settings or text."""
    own = folder / recipe.name
    config = GenerationConfig(**recipe.settings)
    made_with = {
        "settings": config.model_dump(mode="json"),
        "seed": seed,
        "vocabulary": sha256_of(bundle.parts.file("vocabulary.json", "text")),
    }
    record = own / "trained.json"
    if record.is_file() and (found := json.loads(record.read_text(encoding="utf-8")))["made_with"] == made_with:
        return load_generator(own / "generator", len(text.vocabulary)), found
    own.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    result = train_language_model(
        bundle.bag.vectors,
        text.vocabulary,
        text.train,
        text.validation,
        text.test,
        config,
        seed=seed,
        device=CPU,
        checkpoint=own / "checkpoint",
        listener=lambda event: print(recipe.name, event, flush=True),
    )
    save_generator(own / "generator", result.model)
    found = {
        "made_with": made_with,
        "seconds": time.monotonic() - began,
        "tokens_read": result.n_tokens_seen,
        "timeline": [list(point) for point in result.timeline],
        "threads": torch.get_num_threads(),
    }
    record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return result.model, found


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
    common: dict[str, Any],
    plain: dict[str, Any],
    regularised: dict[str, Any],
    limit: int,
    seed: int = 1,
) -> dict[str, Any]:
    """Return the perplexities of every model on every text, and their paired comparisons with the AWD-LSTM."""
    bundle = load(bundle_path)
    text = text_beside(bundle)
    if text is None:
        raise SystemExit(f"{bundle_path}.work holds no prepared text: make the bundle with `embedpipe run` again")
    size = len(text.vocabulary)
    streams = {"own held-out documents": text.test.tokens, **{path.name: stream_of(bundle, path) for path in files}}
    samples = {name: held_out(np.asarray(stream), limit=limit, rows=ROWS).tokens for name, stream in streams.items()}
    counted = {order: KneserNey.fit(text.train.tokens, size, order=order) for order in (5,)}
    losses: dict[str, dict[str, NDArray[np.float64]]] = {name: {} for name in samples}
    about: dict[str, dict[str, Any]] = {"Kneser-Ney 5-gram": {"parameters": None}}
    for name, tokens in samples.items():
        losses[name]["Kneser-Ney 5-gram"] = counted[5].losses(tokens)
    development = held_out(np.asarray(text.validation.tokens), limit=limit // 2, rows=ROWS // 2).tokens
    for recipe in recipes(common, plain, regularised):
        model, record = trained(recipe, bundle, text, models, seed)
        cache: ContinuousCache = tune_cache(model, development)
        parameters = sum(p.numel() for p in model.parameters())
        about[recipe.says] = {"parameters": parameters, **{k: v for k, v in record.items() if k != "made_with"}}
        about[f"{recipe.says} + cache"] = {"parameters": parameters, "cache": asdict(cache)}
        for name, tokens in samples.items():
            losses[name][recipe.says] = token_losses(model, tokens)
            losses[name][f"{recipe.says} + cache"] = cached_losses(model, tokens, cache)
    return {"rows": _rows(samples, losses, about), "models": about}


def _rows(
    samples: dict[str, NDArray[np.uint32]], losses: dict[str, dict[str, NDArray[np.float64]]], about: dict[str, Any]
) -> list[dict[str, Any]]:
    rows = []
    for text, found in losses.items():
        base = found["AWD-LSTM, starts from the word vectors"]
        for name, own in found.items():
            low, high = perplexity_interval(own)
            against = compare_losses(base, own)
            rows.append(
                {
                    "text": text,
                    "model": name,
                    "perplexity": float(np.exp(own.mean())),
                    "low": low,
                    "high": high,
                    "awd_over_it": against.ratio,
                    "p_value": against.p_value,
                    "unknown_share": float(np.mean(samples[text][:, 1:] == UNK)),
                    "n_tokens": int(own.size),
                    "parameters": about[name]["parameters"],
                    "seconds": about[name].get("seconds"),
                    "tokens_read": about[name].get("tokens_read"),
                }
            )
    return rows


def to_markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table for each text."""
    lines = []
    for text in dict.fromkeys(row["text"] for row in rows):
        own = [row for row in rows if row["text"] == text]
        lines += [
            f"`{text}`: {own[0]['n_tokens']:,} tokens, {100 * own[0]['unknown_share']:.1f} % unknown.",
            "",
            "| model | perplexity | 95 % | AWD-LSTM from vectors is at | p | parameters | tokens read | seconds |",
            "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for row in own:
            cells = [
                row["model"],
                f"{row['perplexity']:.1f}",
                f"{row['low']:.1f} to {row['high']:.1f}",
                f"{100 * row['awd_over_it']:.1f} %",
                f"{row['p_value']:.4f}",
                *("" if row[key] is None else f"{row[key]:,.0f}" for key in ("parameters", "tokens_read", "seconds")),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)
