"""What a report says where every kind of finding is there."""

import math

import numpy as np
import pytest

from embedpipe.probes.findings import Association, Findings, Leak, LearningCurve
from embedpipe.probes.projection import PointMap
from embedpipe.probes.report import ReportContent
from embedpipe.probes.report.content import StageRun
from embedpipe.probes.rows import Row, corrected, skipped
from embedpipe.probes.vocabulary_facts import vocabulary_facts
from embedpipe.text.vocabulary import Vocabulary

HOSTILE = "</script><script>document.title='owned'</script>"


def planted_map(kind: str) -> PointMap:
    """Sixty points on a grid; the nearest of each are the next ones, the first text tries to end the script."""
    numbers = range(60)
    texts = [f"word{i}" if kind == "word" else f"sentence number {i} stands here" for i in numbers]
    texts[1] = HOSTILE
    return PointMap(
        kind,
        "60 texts; by hand",
        tuple(texts),
        tuple(-0.9 + 0.2 * (i % 10) for i in numbers),
        tuple(-0.9 + 0.3 * (i // 10) for i in numbers),
        ("first < group", "second group"),
        tuple(i % 2 for i in numbers),
        tuple(tuple((i + step) % 60 for step in (1, 2, 3)) for i in numbers),
        tuple((0.9, 0.8, 0.75) for _ in numbers),
    )


@pytest.fixture(scope="session")
def full():
    """Rows with parts, curves, leaks, associations, geometry, maps, Zipf's law, training curves."""
    rows = [
        Row("sick", "spearman", 0.61, 0.58, 0.64, 900, 0.9, "tf-idf", 0.5, 0.001, "encoder", "", 0.05, 0.17, 0.16, "w"),
        Row("sick", "spearman", 0.61, 0.58, 0.64, 900, 0.9, "SIF average", 0.59, 0.2, "encoder", "zero-shot"),
        Row("sick", "spearman (unleaked)", 0.55, 0.5, 0.6, 700, 0.9, "tf-idf", 0.45, 0.001, "encoder"),
        Row("cr", "accuracy", 0.7, 0.66, 0.74, 500, 0.95, "tf-idf", 0.78, 0.0004, "encoder", "five folds"),
        Row("cr", "accuracy", 0.7, 0.66, 0.74, 500, 0.95, "majority", 0.5, 0.0001, "encoder", "five folds"),
        Row("tiny", "accuracy", 0.9, 0.5, 1.0, 10, 1.0, "majority", 0.5, 0.04, "encoder"),
        skipped("own<b>", "spearman", "none | of it"),
    ]
    zipf = {f"w{rank}": round(60_000 / rank) for rank in range(1, 1001)}
    curve = {"metric": "validation perplexity", "held_out": [[0, 900.0], [50, 300.0], [100, 320.0]],
             "training_loss": [[50, 6.5], [100, 5.5]]}  # fmt: skip
    return ReportContent(
        title="wiki & co",
        corpus={
            "documents": 1000,
            "exact_duplicates": 30,
            "near_duplicates": 20,
            "train": {"documents": 900, "sentences": 9000, "tokens": 450_000, "unknown_rate": 0.02},
            "test": {"documents": 50, "sentences": 500, "tokens": 25_000, "unknown_rate": 0.05},
        },
        training={
            "words": {
                "summary": "1,000 vectors",
                "result": {"words": 1000, "dim": 20, "held_out_losses": [[3.0, 2.5], [4.0, 3.9]], "epochs": [2, 2]},
            },
            "generation": {"summary": "perplexity 300", "result": {"perplexity": 300.0, "curve": curve}},
        },
        findings=Findings(
            rows=corrected(rows),
            curves=[
                LearningCurve("cr", "encoder", (8, 64, 500), (0.5, 0.6, 0.7), (0.4, 0.5, 0.66), (0.6, 0.7, 0.74)),
                LearningCurve("cr", "tf-idf", (8, 64, 500), (0.5, 0.7, 0.78), (0.4, 0.6, 0.7), (0.6, 0.8, 0.8)),
            ],
            associations=[
                Association("weat 6", ("men", "women"), ("career", "home"), 1.2, 0.4, 1.7, 0.0002, 30, ("amy",),
                            p_holm=0.0004),
                Association("weat 6, encoder", ("men", "women"), ("career", "home"), -0.054, -0.7, 0.73, 0.6, 30,
                            ("amy",), p_holm=1.0, system="encoder"),
                Association("weat 7", ("math", "arts"), ("men", "women"), math.nan, math.nan, math.nan, math.nan, 2, (),
                            "too few words"),
            ],
            geometry={
                "words": {"vectors": 20_000.0, "mean cosine": 0.05, "mean cosine, low": -0.0004,
                          "mean cosine, high": 0.1, "dimensions used": 126.71},
                "words, as trained": {"vectors": 20_000.0, "mean cosine": -0.2},
                "sentences": {"vectors": 600.0, "dimensions": 812.0, "own_measure": 2.5},
            },
            leaks=[
                Leak("own<b>", "training text", 0, 0, 0, note="not asked: words are meant to stand there"),
                Leak("cr", "training part", 0, 0, 500, note="near: similarity 0.8 or more"),
                Leak("tiny", "training text", 1, 0, 10, unasked=2, note="near: similarity 0.8 or more"),
                Leak("sick", "training text", 150, 50, 900, (HOSTILE,), note="near: similarity 0.8 or more"),
            ],
            vocabulary=vocabulary_facts(Vocabulary.from_counts(zipf)),
            maps=[planted_map("word"), planted_map("sentence")],
        ),
        neighbours={"<pad>": [("a|b", 0.91), ("*c*", 0.5)]},
        samples=[HOSTILE],
        config_toml='[words]\ndim = 100\nname = "<x>"\n',
        command="embedpipe run 'a&b' -o wiki",
        versions={"numpy": np.__version__},
        runs={"words": StageRun(12.5, "cpu", 2, True)},
        reproducible="one Word2Vec worker",
    )  # fmt: skip
