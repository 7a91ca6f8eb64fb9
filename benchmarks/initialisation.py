"""What the generator begins with: python benchmarks/initialisation.py BUNDLE [--steps 400] [--out docs/experiments]

Trains the language model of a bundle anew, on its own prepared text (BUNDLE.work) and with its own settings but fewer
steps, from four tables: random ones, the published word vectors, the whitened vectors of the sentence space at length
1, and those as the main job takes them. Same seed, same batches. Reports the perplexity on the test split, beside that
of Kneser-Ney on the same text; the table was chosen on the validation split. Writes initialisation.json and
initialisation.md.
"""

import argparse
import platform
from pathlib import Path

import numpy as np
import torch

import embedpipe
from embedpipe.config import GenerationConfig, PipelineConfig
from embedpipe.generation.evaluation import held_out
from embedpipe.generation.ngrams.kneser_ney import KneserNey
from embedpipe.generation.train import TrainedGenerator, train_language_model
from embedpipe.generation.units import perplexity_of
from embedpipe.settings import load_config
from embedpipe.text.prepared import PreparedText
from written import write_files


def trained(
    bundle: embedpipe.Bundle, text: PreparedText, vectors: np.ndarray, length: float, steps: int, seed: int
) -> TrainedGenerator:
    """Return the generator that begins with `vectors`, scaled to the mean `length`."""
    settings = load_config(bundle.path / "config.toml")
    config = PipelineConfig.of(settings.pop("preset"), settings).generation
    config = config.model_copy(update={"steps": steps, "initial_norm": length})
    splits = text.train, text.validation, text.test
    cpu = torch.device("cpu")
    return train_language_model(vectors, text.vocabulary, *splits, config, seed=seed, device=cpu)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    arguments = parser.parse_args()
    bundle = embedpipe.load(arguments.bundle)
    whitened = np.array(bundle.bag.vectors)
    noise = np.random.default_rng(0).standard_normal(whitened.shape).astype(np.float32)
    noise[:4] = 0
    length = GenerationConfig().initial_norm
    text = PreparedText(arguments.bundle.with_name(arguments.bundle.name + ".work") / "text")
    tables = {
        f"random, length {length:g}": (noise, length),
        f"published vectors, mean length {length:g}": (np.array(bundle.words.vectors), length),
        "whitened vectors, length 1": (whitened, 1.0),
        f"whitened vectors, length {length:g} (as built)": (whitened, length),
    }
    rows = []
    for name, (vectors, size) in tables.items():
        runs = [trained(bundle, text, vectors, size, arguments.steps, seed) for seed in range(1, arguments.seeds + 1)]
        figures = [run.perplexity for run in runs]
        median = round(float(np.median(figures)), 1)
        rows.append({"table": name, "median": median, "all": np.round(figures, 1).tolist()})
        print(rows[-1])
    sample = held_out(text.test.tokens, limit=runs[0].n_scored).tokens
    counted = perplexity_of(
        float(KneserNey.fit(text.train.tokens, len(text.vocabulary), order=5).losses(sample).mean())
    )
    rows.append({"table": "none: Kneser-Ney 5-gram", "median": round(counted, 1), "all": []})
    about = (
        f"`{', '.join(bundle.manifest.sources)}`, preset {bundle.manifest.preset}, {arguments.steps} steps, "
        f"{arguments.seeds} seeds; the counting baselines on the same text: unigram {runs[0].unigram_perplexity:.1f}, "
        f"bigram {runs[0].bigram_perplexity:.1f}. {platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}."
    )
    lines = ["# What the generator begins with", "", f"Written by `benchmarks/initialisation.py`. {about}", ""]
    lines += ["| first table | perplexity, median | of each seed |", "| --- | ---: | --- |"]
    lines += [f"| {row['table']} | {row['median']} | {', '.join(map(str, row['all']))} |" for row in rows]
    page = "\n".join(lines) + "\n"
    content = {"about": about, "rows": rows}
    write_files(content, page, arguments.out / "initialisation.json", arguments.out / "initialisation.md")


if __name__ == "__main__":
    main()
