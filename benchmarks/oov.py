"""Words taken out of the vocabulary: python benchmarks/oov.py TEXT [TEXT ...] [--tokens 1000000] [--kinds preset]

TEXT is a prepared text (BUNDLE.work/text), of which the first tokens are used. Some 300 words, rare ones above all, are
taken out of it; words are trained with them and without them from the same initial values in one thread, and the second
space is turned onto the first by orthogonal Procrustes over the words that both have. For each removed word a vector is
made in the second space, and the word's own vector in the first is looked for among the ten nearest words of it. The
confidence is calibrated in the second space alone, as a bundle does it. Three kinds:

fastText, Word2Vec   gensim called directly, skip-gram, post-processed by the default step
preset               the preset for so many tokens, as a run trains it, with n-grams fitted to its vectors; both spaces
                     are those without the step ``ngrams``, of which the confidence speaks

Writes oov.json and oov.md into --out (docs/experiments); results of other texts and kinds in oov.json are kept.
"""

import argparse
import json
import platform
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import gensim
import numpy as np
from gensim.models import FastText, Word2Vec

from embedpipe.config import PipelineConfig, WordsConfig
from embedpipe.errors import UnknownWordError
from embedpipe.presets import preset_for
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.build import trainings
from embedpipe.words.calibration import NEAR_ENOUGH, calibrate, spelling_features
from embedpipe.words.lookup import Found, Lookup
from embedpipe.words.ngram_fit import SharedNgrams, shared_ngrams
from embedpipe.words.postprocess import unit_rows
from embedpipe.words.published_subwords import publish_subwords
from embedpipe.words.steps import Table, post_process, without_ngrams
from embedpipe.words.subword import mean_rows
from embedpipe.words.table import WordVectors
from embedpipe.words.train import StartVectors, train_words
from embedpipe.words.unseen import fit_unseen
from written import write_files

REMOVED, DIM, EPOCHS, BINS = 300, 100, 5, 5
KINDS = ("fastText", "Word2Vec", "preset")
CONFIG = WordsConfig()
Initial = dict[str, np.ndarray]
READING = (
    "Cosine and hit@10 are those of the made vector, turned onto the space of the full training, and the word's own "
    "vector there. fastText's vector of a rare word is itself mostly the mean of its n-grams, which is why n-grams "
    "find it so often: hit@10 says that a made vector is what training would have given, not that it is a good one. "
    "The nearest spelling of a word that Word2Vec never saw is almost never its neighbour, and the confidence says so; "
    "it is the confidence in a new word, not in a slip of the keyboard.",
    "",
    "Leaving words out of a trained space is more hopeful than leaving them out of its training, since the n-grams "
    "that they share were trained on them too. That is why a word left out counts as found by its n-grams only where "
    "it is the very nearest word. Counted among ten, as before, the same two features gave Brier scores of .063 on "
    "both texts, where the constant has .074 and .060, and the lowest fifth was promised .89 and .99 where .63 and .70 "
    "were hit: words were ranked as well (AUC .94 and .93), but nearly all were promised. The rule was found on the "
    "first text and holds on the second. It asks too much of a word whose twin differs in a letter alone.",
    "",
    "Other features were tried in eight sums and none was kept: length of the mean of the n-grams, that length beside "
    "the mean length of an n-gram, length of the word, similarity of the nearest word, mean similarity of ten. Learnt "
    "from words left out they do not carry over, and some change their sign: against share and number alone the Brier "
    "score rises by .004 to .017. The margin of the nearest over the second ranks worse than the share by far (AUC .67 "
    "and .71 against .95 and .91). For the nearest spelling too few words are hits (3 of 261 and 5 of 260) for any "
    "feature to tell them apart: its confidence is near zero throughout, and meant so.",
    "",
    "The nearest spelling in a fastText space is too hopeful for the same reason (its confidence beside its hit@10 in "
    "the first table), which is why a bundle with subwords calibrates its n-grams alone. N-grams that no word of "
    "the vocabulary has are left out of the mean, other than in gensim (untrained n-grams too): what stands in their "
    "rows is chance or the n-grams of other words. hit@10 is lower for it by .02, as the word's own vector in the full "
    "training is the mean of the very same rows, which both trainings here began with the same numbers.",
    "",
    "`preset` is what a run does by default: n-grams fitted to the vectors, slips of the keyboard taken for the word "
    "that they resemble, and a confidence from words that were left out of the fit. Of 442,553 tokens 5 to 7 of a "
    "hundred made vectors have the word itself among their ten nearest, where a random word's has none, and the "
    "confidence says 3 to 10 of a hundred: low and true (calibration error .013). Word2Vec moves a rare word far from "
    "what its spelling says, so a made vector tells its kind and seldom its place. `python benchmarks/oov.py "
    "BUNDLE.work/text --kinds preset` measures the first million tokens of a text (some minutes for half a million).",
)


class Spaces(NamedTuple):
    """Words trained with and without those removed, how the second answers, and what n-grams say, met or not."""

    full: WordVectors
    reduced: WordVectors
    lookup: Lookup
    every: np.ndarray | None
    seconds: float


def without_words(lines: list[list[str]], known: Vocabulary, seed: int) -> tuple[Vocabulary, Vocabulary, list[str]]:
    """Return the vocabulary of `lines`, the one without some words, and those words."""
    counts = Counter(token for line in lines for token in line if token in known)
    least = min(int(n) for n in known.counts[len(SPECIALS) :])
    full = Vocabulary.from_counts(counts, min_count=least)
    weights = 1.0 / full.counts[len(SPECIALS) :].astype(np.float64)
    drawn = np.random.default_rng(seed).choice(len(weights), REMOVED, replace=False, p=weights / weights.sum())
    removed = sorted(full.tokens[len(SPECIALS) + i] for i in drawn)
    kept = {token: counts[token] for token in full.tokens[len(SPECIALS) :] if token not in set(removed)}
    return full, Vocabulary.from_counts(kept), removed


def train(
    kind: str, lines: list[list[str]], vocabulary: Vocabulary, folder: Path, initial: Initial, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the vectors of `vocabulary` and the n-gram table; `initial` gives the first values, or is filled."""
    settings: dict[str, Any] = {
        "vector_size": DIM, "window": CONFIG.window, "sg": 1, "negative": CONFIG.negatives, "epochs": EPOCHS,
        "sample": 1e-3, "alpha": 0.05, "min_count": 1, "sorted_vocab": 0, "workers": 1, "seed": seed,
    }  # fmt: skip
    ngrams = {"min_n": CONFIG.shortest_ngram, "max_n": CONFIG.longest_ngram, "bucket": CONFIG.buckets}
    model = FastText(**settings, **ngrams) if kind == "fastText" else Word2Vec(**settings)
    words = vocabulary.tokens[len(SPECIALS) :]
    counts = [int(n) for n in vocabulary.counts[len(SPECIALS) :]]
    model.build_vocab_from_freq(dict(zip(words, counts, strict=True)), corpus_count=len(lines))
    own = model.wv.vectors_vocab if kind == "fastText" else model.wv.vectors
    if initial:
        own[:] = [initial[word] for word in words]
        if kind == "fastText":
            model.wv.vectors_ngrams[:] = initial["<ngrams>"]
    else:
        initial.update({word: row.copy() for word, row in zip(words, own, strict=True)})
        if kind == "fastText":
            initial["<ngrams>"] = model.wv.vectors_ngrams.copy()
    file = written(lines, vocabulary, folder)
    model.train(corpus_file=str(file), total_examples=len(lines), total_words=sum(counts), epochs=EPOCHS)
    vectors = np.zeros((len(vocabulary), DIM), dtype=np.float32)
    vectors[len(SPECIALS) :] = model.wv.vectors
    return vectors, model.wv.vectors_ngrams if kind == "fastText" else None


def written(lines: list[list[str]], vocabulary: Vocabulary, folder: Path) -> Path:
    """Write the words of the vocabulary in `lines` to a file."""
    file = folder / "text.txt"
    file.write_text("".join(" ".join(t for t in line if t in vocabulary) + "\n" for line in lines), encoding="utf-8")
    return file


def gensim_spaces(
    kind: str, lines: list[list[str]], full: Vocabulary, reduced: Vocabulary, removed: list[str], seed: int
) -> Spaces:
    """Return what gensim trains, with n-grams (fastText) or without, post-processed by the default step."""
    trained, initial = [], Initial()
    for vocabulary in (full, reduced):
        with tempfile.TemporaryDirectory() as folder:
            trained.append(train(kind, lines, vocabulary, Path(folder), initial, seed))
    first, second = (
        post_process([(vectors, None)], vocabulary.probabilities, CONFIG.steps)
        for (vectors, _), vocabulary in zip(trained, (full, reduced), strict=True)
    )
    words, ngrams = WordVectors(reduced, second.vectors), trained[1][1]
    subwords = every = None
    if ngrams is not None and second.transform is not None:
        shortest, longest = CONFIG.shortest_ngram, CONFIG.longest_ngram
        subwords = publish_subwords(ngrams, reduced, shortest, longest, second.transform)
        every = mean_rows(second.transform.affine(ngrams), subwords.ngrams(removed))
    start = time.perf_counter()
    lookup = Lookup(words, subwords, calibrate(words, subwords, seed=seed))
    return Spaces(WordVectors(full, first.vectors), words, lookup, every, time.perf_counter() - start)


def preset_spaces(lines: list[list[str]], full: Vocabulary, reduced: Vocabulary, seed: int) -> Spaces:
    """Return what the preset for so much text trains, and n-grams fitted to the words that it met."""
    config = PipelineConfig.of(preset_for(sum(map(len, lines))), {}).words
    initial = np.random.default_rng(seed).uniform(-0.5 / config.dim, 0.5 / config.dim, (len(full), config.dim))
    tables = []
    for vocabulary in (full, reduced):
        rows = initial[[full.index[token] for token in vocabulary.tokens]].astype(np.float32)
        start = StartVectors(rows, None, np.ones(len(vocabulary), dtype=bool))
        with tempfile.TemporaryDirectory() as folder:
            file = written(lines, vocabulary, Path(folder))
            trained = [
                train_words(file, vocabulary, len(lines), settings, held_out=None, seed=seed, workers=1, start=start)
                for settings in trainings(config).values()
            ]
        tables.append([(one.vectors, one.contexts) for one in trained])

    def published(
        place: int, vocabulary: Vocabulary, steps: tuple[str, ...], ngrams: SharedNgrams | None = None
    ) -> WordVectors:
        trained: list[Table] = tables[place]
        return WordVectors(vocabulary, post_process(trained, vocabulary.probabilities, steps, ngrams=ngrams).vectors)

    began, steps = time.perf_counter(), without_ngrams(config.steps)
    ngrams = shared_ngrams(reduced.tokens, (config.shortest_ngram, config.longest_ngram))
    plain = published(1, reduced, steps)
    words = published(1, reduced, config.steps, ngrams)
    subwords, calibration = fit_unseen(words, ngrams, seed=seed, trained=plain)
    lookup = Lookup(words, subwords, calibration)
    return Spaces(published(0, full, steps), plain, lookup, None, time.perf_counter() - began)


def measured(made: np.ndarray, wanted: np.ndarray, turn: np.ndarray, table: WordVectors) -> dict[str, Any]:
    """Return cosine and hits of vectors `made` in the second space, for words with ids `wanted` in the first."""
    turned = made @ turn
    cosine = np.einsum("ij,ij->i", unit_rows(turned), unit_rows(table.vectors[wanted]))
    hits = (table.most_similar_ids(turned, 10)[0] == wanted[:, None]).any(axis=1)
    return {"words": len(made), "cosine": float(cosine.mean()), "hit10": float(hits.mean()), "hits": hits}


def reliability(confidence: np.ndarray, hits: np.ndarray) -> dict[str, Any]:
    """Return Brier score, expected calibration error and the table of it, over bins of equally many words."""
    bins = [
        {"words": len(of), "confidence": float(confidence[of].mean()), "hit10": float(hits[of].mean())}
        for of in np.array_split(np.argsort(confidence, kind="stable"), BINS)
    ]
    error = sum(b["words"] * abs(b["confidence"] - b["hit10"]) for b in bins) / len(hits)
    base = float(hits.mean() * (1 - hits.mean()))
    brier = float(((confidence - hits) ** 2).mean())
    return {"brier": brier, "brier_of_the_mean": base, "calibration_error": error, "bins": bins}


def read_lines(text: Path, n_tokens: int) -> list[list[str]]:
    """Return the first lines of a prepared text, up to the one in which token `n_tokens` stands."""
    lines, n_read = list[list[str]](), 0
    with open(text / "train.txt", encoding="utf-8") as file:
        for line in file:
            if n_read >= n_tokens:
                break
            lines.append(line.split())
            n_read += len(lines[-1])
    return lines


def study(text: Path, kind: str, n_tokens: int, seed: int) -> dict[str, Any]:
    """Return every figure of one text and one trainer."""
    lines = read_lines(text, n_tokens)
    full, reduced, removed = without_words(lines, Vocabulary.load(text / "vocabulary.json"), seed)
    if kind == "preset":
        spaces = preset_spaces(lines, full, reduced, seed)
    else:
        spaces = gensim_spaces(kind, lines, full, reduced, removed, seed)
    table, words, lookup, every, seconds = spaces
    shared = np.array([full.index[token] for token in reduced.tokens[len(SPECIALS) :]])
    one, other = unit_rows(words.vectors[len(SPECIALS) :]), unit_rows(table.vectors[shared])
    left, _, right = np.linalg.svd(one.T.astype(np.float64) @ other)
    turn = (left @ right).astype(np.float32)

    answers = [found(lookup, word) for word in removed]
    answered = [(full.index[a.word], a) for a in answers if a is not None and a.confidence is not None]
    ids = np.array([i for i, _ in answered])
    rows = {"as answered": measured(np.array([a.vector for _, a in answered]), ids, turn, table)}
    sources = sorted({a.source for _, a in answered})
    for source in sources if len(sources) > 1 else ():
        of = [(i, a) for i, a in answered if a.source == source]
        row = measured(np.array([a.vector for _, a in of]), np.array([i for i, _ in of]), turn, table)
        rows[f"of these {source}"] = {**row, "confidence": float(np.mean([float(a.confidence or 0) for _, a in of]))}
    if every is not None:
        rows["untrained n-grams too"] = measured(every, np.array([full.index[w] for w in removed]), turn, table)
    if lookup.subwords is not None:
        near = [(full.index[w], *n) for w in removed for n in reduced.spellings.near(w, 1, NEAR_ENOUGH)]
        vectors = words.vectors[[words.id(word) for *_, word in near]]
        rows["nearest spelling"] = measured(vectors, np.array([i for i, *_ in near]), turn, table)
        by_spelling = lookup.calibration if kind == "preset" else calibrate(words, None, seed=seed)
        hopes = [
            by_spelling.confidence("spelling", spelling_features([ratio], [len(full.tokens[i])]))
            for i, ratio, _ in near
        ]
        rows["nearest spelling"]["confidence"] = float(np.mean(np.array(hopes, dtype=np.float64)))
    random = np.random.default_rng(seed).integers(len(SPECIALS), len(reduced), len(removed))
    rows["random word"] = measured(words.vectors[random], np.array([full.index[w] for w in removed]), turn, table)
    confidence = np.array([a.confidence for _, a in answered], dtype=np.float64)
    rows["as answered"]["confidence"] = float(confidence.mean())
    result = {
        "text": text.parent.name.removesuffix(".bundle.work"),
        "trainer": kind,
        "tokens": sum(map(len, lines)),
        "vocabulary": len(full) - len(SPECIALS),
        "removed": len(removed),
        "seconds_to_calibrate": round(seconds, 2),
        "agreement": float(np.einsum("ij,ij->i", one @ turn, other).mean()),
        "source": " or ".join(sources),
        **reliability(confidence, rows["as answered"]["hits"]),
    }
    return {**result, "rows": {name: {k: v for k, v in row.items() if k != "hits"} for name, row in rows.items()}}


def found(lookup: Lookup, word: str) -> Found | None:
    """Return the answer to an unknown word, or None where there is none."""
    try:
        return lookup.look_up(word)
    except UnknownWordError:
        return None


def table_of(results: list[dict[str, Any]], about: str) -> str:
    """Return the results as Markdown."""
    lines = ["# Words outside the vocabulary", "", f"Written by `benchmarks/oov.py`. {about}", ""]
    lines += ["| text | tokens | trainer | vector | words | cosine | hit@10 | confidence |"]
    lines += ["| --- | ---: | --- | --- | ---: | ---: | ---: | ---: |"]
    for r in results:
        for name, row in r["rows"].items():
            name = f"{r['source']} (as answered)" if name == "as answered" else name
            confidence = f"{row['confidence']:.3f}" if "confidence" in row else ""
            lines.append(
                f"| {r['text']} | {r['tokens']:,} | {r['trainer']} | {name} | {row['words']} | {row['cosine']:.3f} "
                f"| {row['hit10']:.3f} | {confidence} |"
            )
    lines += ["", "| text | trainer | Brier (of the mean) | calibration error | confidence → hit@10, by fifths |"]
    lines += ["| --- | --- | --- | ---: | --- |"]
    for r in results:
        bins = ", ".join(f"{b['confidence']:.2f} → {b['hit10']:.2f}" for b in r["bins"])
        brier = f"{r['brier']:.3f} ({r['brier_of_the_mean']:.3f})"
        lines.append(f"| {r['text']} | {r['trainer']} | {brier} | {r['calibration_error']:.3f} | {bins} |")
    lines += ["", *READING]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    arguments = parser.parse_args()
    known = arguments.out / "oov.json"
    before = json.loads(known.read_text(encoding="utf-8"))["results"] if known.is_file() else []
    results = {(one["text"], one["trainer"]): one for one in before}
    for text in arguments.texts:
        for kind in arguments.kinds:
            found = study(text, kind, arguments.tokens, arguments.seed)
            results[found["text"], found["trainer"]] = found
            print(json.dumps(found, indent=1), flush=True)
    ordered = sorted(results.values(), key=lambda one: (one["text"], one["trainer"]))
    about = (
        f"fastText and Word2Vec: skip-gram, {DIM} dimensions, {EPOCHS} epochs; preset: what a run of so many tokens "
        f"trains. Seed {arguments.seed}, one thread. "
        f"{platform.machine()}, gensim {gensim.__version__}, NumPy {np.__version__}."
    )
    content = {"about": about, "results": ordered}
    write_files(content, table_of(ordered, about), known, arguments.out / "oov.md")


if __name__ == "__main__":
    main()
