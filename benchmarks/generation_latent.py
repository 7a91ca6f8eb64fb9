"""Measure the generative model of a bundle: python benchmarks/generation_latent.py BUNDLE [--control] [--device cuda]

BUNDLE holds what ``embedpipe train latent`` makes, and its prepared text lies beside it. On held-out sentences of 3 to
latent.max_tokens tokens, each read alone: the importance-weighted negative log-likelihood of the generative model and,
on the same sentences, that of the bundle's generator, with the interval of their paired difference, and of Kneser-Ney,
counted on the training text; KL divergence, mutual information, active components; and what reconstructions keep of the
words of a sentence, beside what the reconstruction of another sentence has of them by chance.

The generator was trained on running text and the decoder on sentences alone, which favours the decoder. --control
trains the same decoder for as many steps with a z that is kept at nothing: what lone sentences give without z.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.bundle.recorded import recorded_config
from embedpipe.generation.ngrams.kneser_ney import KneserNey
from embedpipe.generation.units import perplexity_of
from embedpipe.generation.vae.figures import Figures, scored_of
from embedpipe.generation.vae.figures import measure as measure_figures
from embedpipe.generation.vae.sentences import some_sentences
from embedpipe.generation.vae.start import reader_of
from embedpipe.generation.vae.train import train_vae
from embedpipe.loading import Bundle, load, text_beside
from embedpipe.runtime import resolve_device
from embedpipe.text.prepared import PreparedText
from embedpipe.text.vocabulary import EOS
from timed import add_device, described
from written import add_files, write_files

Sentences = list[NDArray[np.uint32]]


def overlap(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    """Return the F1 of the words of two texts, each counted as often as it stands there.

    >>> overlap(np.array([4, 5, 5], np.uint32), np.array([5, 5, 5, 6], np.uint32))
    0.5714285714285714
    """
    shared = sum((Counter(one.tolist()) & Counter(other.tolist())).values())
    return 2 * shared / max(len(one) + len(other), 1)


def reconstructions(bundle: Bundle, sentences: Sentences) -> dict[str, float]:
    """Return the mean overlap of sentences with their own reconstructions, and with those of the next sentence."""
    latent = bundle.latent
    texts = [bundle.codec.decode(ids) for ids in sentences]
    again = bundle.codec.encode_many(latent.reconstruct(texts))
    shifted = [*again[1:], again[0]]
    return {
        "words_kept": float(np.mean([overlap(a, b) for a, b in zip(sentences, again, strict=True)])),
        "words_kept_by_chance": float(np.mean([overlap(a, b) for a, b in zip(sentences, shifted, strict=True)])),
    }


def counted(text: PreparedText, sentences: Sentences) -> dict[str, Any]:
    """Return the figures of Kneser-Ney on sentences, each read alone between two ``<eos>``."""
    alone = [np.array([EOS, *ids, EOS], np.uint32) for ids in sentences]
    losses = KneserNey.fit(text.train.tokens, len(text.vocabulary), order=5).document_losses(alone)
    return {
        "model": "Kneser-Ney 5-gram, each sentence alone",
        "nll": float(np.mean([one.sum() for one in losses])),
        "perplexity": perplexity_of(float(np.concatenate(losses).mean())),
        "sentences": len(sentences),
    }


def control(bundle: Bundle, text: PreparedText, scored: int, draws: int, device: torch.device) -> Figures:
    """Return the figures of the same training with a z that may hold nothing, and no hidden words."""
    config = recorded_config(bundle.path / "config.toml")
    without = {"dim": 1, "free_bits": 0.0, "beta": 100.0, "beta_schedule": "constant", "word_p": 0.0}
    # On the sentences that the generative model is measured on.
    without |= {"scored": scored, "importance": draws}
    return train_vae(
        bundle.generator.model.cpu(),  # where training begins; it moves the model itself
        reader_of(bundle.encoder.network) if "encoder/config.json" in bundle.parts else None,
        bundle.vocabulary,
        text.train,
        text.validation,
        text.test,
        config.latent.model_copy(update=without),
        seed=config.seed,
        device=device,
    ).figures


def measure(
    bundle_path: Path,
    *,
    device: torch.device,
    scored: int = 300,
    draws: int = 200,
    looked_at: int = 2_000,
    with_control: bool = False,
) -> list[dict[str, Any]]:
    """Return one row for each model: counts, the generator, the generative model and, if asked for, the control.

    Parameters
    ----------
    scored, draws : sentences whose likelihood is estimated, and draws of z for each.
    looked_at : sentences whose posteriors are looked at; as many as in training, so that those of the control are they.
    """
    bundle = load(bundle_path)
    text = text_beside(bundle)
    if text is None:
        raise SystemExit(f"{bundle_path}.work: holds no prepared text")
    config = recorded_config(bundle.path / "config.toml")
    sentences, documents = some_sentences(text.test, config.latent.max_tokens, looked_at, config.seed)
    found = measure_figures(
        bundle.latent.model.to(device),
        bundle.generator.model.to(device),
        sentences,
        documents=documents,
        scored=scored,
        draws=draws,
        seed=config.seed,
    )
    rows: list[dict[str, Any]] = [
        counted(text, [sentences[i] for i in scored_of(len(sentences), scored)]),
        {
            "model": "generator, each sentence alone",
            "nll": found.model_nll,
            "perplexity": found.model_perplexity,
            "sentences": found.n_sentences,
        },
        {
            **_row("sentence VAE", found),
            **reconstructions(bundle, sentences[:scored]),
        },
    ]
    if with_control:
        rows.append(_row("the same decoder and training without z", control(bundle, text, scored, draws, device)))
    return rows


def _row(name: str, found: Figures) -> dict[str, Any]:
    return {
        "model": name,
        "nll": found.nll,
        "perplexity": found.perplexity,
        "sentences": found.n_sentences,
        "draws": found.draws,
        "minus_generator": found.gap,
        "interval": [round(value, 3) for value in found.gap_interval],
        "negative_elbo": found.bound,
        "reconstruction": found.reconstruction,
        "kl": found.divergence,
        "mutual_information": found.information,
        "active_units": f"{found.active} of {found.dim}",
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table, one column for each model."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "model"))
    lines = [f"| | {' | '.join(row['model'] for row in rows)} |", "| --- " * (len(rows) + 1) + "|"]
    for name in names:
        cells = [row.get(name, "–") for row in rows]
        lines.append(f"| {name} | {' | '.join(f'{c:.3f}' if isinstance(c, float) else str(c) for c in cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse, measure, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--scored", type=int, default=300)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--control", action="store_true")
    add_device(parser)
    add_files(parser)
    args = parser.parse_args()
    device = resolve_device(args.device)
    rows = measure(args.bundle, device=device, scored=args.scored, draws=args.draws, with_control=args.control)
    about = f"`{args.bundle.name}`, {args.draws} draws of z; {described(device)}."
    page = f"{about}\n\n{markdown(rows)}"
    print(page)
    write_files({"about": about, "rows": rows}, page, args.json, args.markdown)


if __name__ == "__main__":
    main()
