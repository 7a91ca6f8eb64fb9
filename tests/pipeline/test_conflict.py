"""A run that would make another bundle than stands there says what differs, and how to keep what there is."""

import re
from pathlib import Path

import pytest

import embedpipe
from embedpipe.errors import OutputError

TEXT = "\n\n".join(f"the quick brown fox {i} jumps over the lazy dog {i % 7} near the river" for i in range(200))
QUICK = {"dim": 4, "epochs": 1, "beside_epochs": 1}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A text beside a bundle of its words, ``b``."""
    path = tmp_path / "a.txt"
    path.write_text(TEXT)
    run(path)
    return path


def run(corpus: Path, **options) -> None:
    settings = {"words": {**QUICK, **options.pop("words", {})}, "text": options.pop("text", {})}
    embedpipe.run(
        [corpus], corpus.with_name("b"), settings=settings, **{"preset": "tiny", "stages": ["words"], **options}
    )


def complaint(corpus: Path, **options) -> str:
    with pytest.raises(OutputError) as error:
        run(corpus, **options)
    found = re.search(r"was made from other inputs or settings \((.*); choose another -o", str(error.value))
    assert found, error.value
    return found[1]


def test_what_differs_is_named(corpus: Path) -> None:
    assert complaint(corpus, seed=9) == "stage 'text'): seed 1 -> 9"
    assert complaint(corpus, words={"epochs": 2}) == "stage 'words'): words.epochs 1 -> 2"
    assert complaint(corpus, text={"case": "keep"}) == "stage 'text'): text.case lower -> keep"
    assert complaint(corpus, reproducible=True) == "stage 'text'): reproducible False -> True"
    assert complaint(corpus, preset="auto", seed=9) == "stage 'text'): seed 1 -> 9"
    assert complaint(corpus, preset="small").startswith(
        "stage 'words'): preset tiny -> small, words.beside_window 10 -> "
    )
    corpus.write_text(TEXT + "\n\nmore of it")
    assert complaint(corpus) == "stage 'text'): the content of the sources"
    assert complaint(corpus, seed=9) == "stage 'text'): the content of the sources, seed 1 -> 9"


def test_a_configuration_that_is_not_understood_names_nothing(corpus: Path) -> None:
    config = corpus.with_name("b") / "config.toml"
    config.write_text(config.read_text().replace("epochs = 1\n", "epoxhs = 1\n", 1))
    assert complaint(corpus, seed=9) == "stage 'text')"


def test_a_stage_that_would_be_lost_is_kept_by_naming_it(corpus: Path) -> None:
    run(corpus, stages=["probes"])
    with pytest.raises(OutputError, match=r"'probes'.* with --stages text,words,generation,probes; otherwise"):
        run(corpus, stages=["generation"])
