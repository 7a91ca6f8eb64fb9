"""Training on a planted language: what can be learnt is learnt, and twice the same."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from embedpipe.config import GenerationConfig
from embedpipe.errors import ConfigError, NotEnoughDataError
from embedpipe.generation.begin import begin_training, softmax_of, stream_counts
from embedpipe.generation.evaluation import held_out, perplexity, unigram_perplexity
from embedpipe.generation.figures import perplexity_summary
from embedpipe.generation.search import search_rate
from embedpipe.generation.train import train_language_model
from embedpipe.runtime import Evaluated, Warned
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, SPECIALS, UNK, Vocabulary

CPU = torch.device("cpu")
N_WORDS = 40
SMALL = {"hidden": 24, "layers": 2, "batch": 8, "bptt": 10, "input_p": 0.0, "hidden_p": 0.0, "embed_p": 0.0}


def write_store(folder: Path, sentences: list[list[int]]) -> TokenStore:
    folder.mkdir()
    closed = [np.array([*sentence, EOS], dtype=np.uint32) for sentence in sentences]
    np.save(folder / "tokens.npy", np.concatenate([*closed, np.empty(0, np.uint32)]).astype(np.uint32))
    np.save(folder / "sentences.npy", np.cumsum([0, *map(len, closed)]).astype(np.uint64))
    np.save(folder / "documents.npy", np.array([0, len(closed)], dtype=np.uint64))
    return TokenStore(folder)


def sentences(n: int, seed: int) -> list[list[int]]:
    """A word is followed by the next one, around the circle, for seven words; one in fifty is unknown."""
    rng = np.random.default_rng(seed)
    made = [[4 + (start + i) % N_WORDS for i in range(7)] for start in rng.integers(0, N_WORDS, n)]
    return [[UNK if rng.random() < 0.02 else word for word in sentence] for sentence in made]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    train = write_store(folder / "train", sentences(1_500, 0))
    validation = write_store(folder / "validation", sentences(300, 1))
    test = write_store(folder / "test", sentences(250, 4))
    counts = np.bincount(train.tokens, minlength=4 + N_WORDS)
    counts[EOS] = 0
    vocabulary = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(N_WORDS))], counts)
    vectors = np.random.default_rng(2).normal(size=(len(vocabulary), 16)).astype(np.float32)
    vectors[:4] = 0
    return vectors, vocabulary, train, validation, test


def train_small(corpus, *, seed: int = 1, events: list | None = None, **settings):
    config = GenerationConfig(**{**SMALL, "steps": 150, "learning_rate": 1e-2, **settings})
    listener = (lambda event: None) if events is None else events.append
    return train_language_model(*corpus, config, seed=seed, device=CPU, listener=listener)


@pytest.mark.parametrize("softmax", ["full", pytest.param("sampled", marks=pytest.mark.slow)])
def test_a_chain_is_learnt(corpus, softmax) -> None:
    """The best possible: the first word of eight is one of 40, the rest are given but for the unknown ones."""
    events: list = []
    trained = train_small(corpus, softmax=softmax, samples=30, batch=16, steps=120, learning_rate=4e-2, events=events)
    assert trained.unigram_perplexity == pytest.approx(35, abs=6)
    assert trained.perplexity < 0.12 * trained.unigram_perplexity
    assert trained.perplexity < trained.bigram_perplexity
    assert trained.kneser_ney_perplexity == pytest.approx(trained.bigram_perplexity, rel=0.1), "pairs say all"
    assert trained.interval[0] < trained.perplexity < trained.interval[1]
    assert trained.units is None, "the tokens are whole words"
    assert trained.unknown_share == pytest.approx(0.02 * 7 / 8, abs=0.01)
    assert trained.n_tokens_seen == pytest.approx(120 * 16 * 10, rel=0.02)
    values = [event.value for event in events if isinstance(event, Evaluated)]
    assert values[0] == pytest.approx(trained.unigram_perplexity, rel=0.3)
    assert min(values) == pytest.approx(trained.perplexity, rel=0.1)


def test_on_shuffled_words_there_is_nothing_to_learn(corpus, tmp_path) -> None:
    vectors, vocabulary, *stores = corpus
    rng = np.random.default_rng(3)
    stores = [
        write_store(tmp_path / str(i), np.array_split(rng.permutation(store.tokens[store.tokens != EOS]), 300))
        for i, store in enumerate(stores)
    ]
    trained = train_small((vectors, vocabulary, *stores), softmax="full", steps=60)
    assert trained.perplexity > 0.8 * trained.unigram_perplexity


def test_no_steps_give_the_untrained_model_which_is_near_the_unigrams(corpus) -> None:
    trained = train_small(corpus, steps=0)
    assert trained.perplexity == pytest.approx(trained.unigram_perplexity, rel=0.3)
    assert trained.n_tokens_seen == 0


def test_a_huge_learning_rate_leaves_a_finite_model(corpus) -> None:
    trained = train_small(corpus, learning_rate=1e4, clip=1e9, steps=12)
    assert all(bool(torch.isfinite(p).all()) for p in trained.model.parameters())
    assert trained.perplexity <= train_small(corpus, steps=0).perplexity


def test_the_global_generator_is_left_alone(corpus) -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    train_small(corpus, steps=2, input_p=0.2)
    assert torch.equal(torch.get_rng_state(), before)


def test_softmax_is_chosen_by_the_size_of_the_vocabulary() -> None:
    assert softmax_of(GenerationConfig(), 8_000) == "full"
    assert softmax_of(GenerationConfig(), 8_001) == "sampled"
    for softmax in ("full", "sampled", "adaptive"):
        assert [softmax_of(GenerationConfig(softmax=softmax), n) for n in (10, 10**6)] == [softmax, softmax]


def test_sentence_ends_are_counted(corpus) -> None:
    counts = stream_counts(corpus[1], corpus[2])
    np.testing.assert_array_equal(counts, np.bincount(corpus[2].tokens, minlength=len(corpus[1])))


def test_too_little_text_is_said(corpus, tmp_path) -> None:
    vectors, vocabulary, _, *held = corpus
    empty = write_store(tmp_path / "train", [[]])
    with pytest.raises(NotEnoughDataError, match="too few to train a generator"):
        train_small((vectors, vocabulary, empty, *held))


def without(corpus, folder: Path, *missing: str):
    """Return the corpus with splits that hold too few tokens."""
    stores = dict(zip(("train", "validation", "test"), corpus[2:], strict=True))
    return (*corpus[:2], *(write_store(folder / name, [[]]) if name in missing else stores[name] for name in stores))


@pytest.mark.parametrize(
    ("missing", "watched", "scored"),
    [
        ((), "validation", "test"),
        (("test",), "validation", "validation"),
        (("validation",), "training", "test"),
        (("validation", "test"), "training", "training"),
    ],
)
def test_each_split_has_its_use(corpus, tmp_path, missing, watched, scored) -> None:
    """What is measured after the one step is of the state that is kept, so each figure can be computed again."""
    events: list = []
    found = train_small(without(corpus, tmp_path, *missing), steps=1, events=events)
    own = dict(zip(("training", "validation", "test"), corpus[2:], strict=True))
    watched_values = {name: perplexity(found.model, held_out(own[name].tokens, limit=10_000)) for name in own}
    assert len(set(watched_values.values())) == 3
    assert found.timeline[-1][1] == pytest.approx(watched_values[watched], rel=1e-6)
    sample = held_out(own[scored].tokens, limit=50_000)
    assert found.perplexity == pytest.approx(perplexity(found.model, sample), rel=1e-6)
    assert found.unigram_perplexity == unigram_perplexity(stream_counts(corpus[1], corpus[2]), sample)
    assert found.n_scored == sample.n_scored
    assert found.scored_split == scored
    assert f" on {'held-out' if scored == 'test' else scored} text (" in perplexity_summary(found)
    said = [event.message for event in events if isinstance(event, Warned)]
    expected = {
        "validation": f"the best state is chosen on {watched}",
        "test": f"the perplexity is measured on {scored}",
    }
    assert said == [
        f"1 tokens of {name} text are too few: {use} text; give more documents"
        for name, use in expected.items()
        if name in missing
    ]


def test_noise_reaches_what_is_read(corpus) -> None:
    """The share of the settings, and the words of the text; without it what is read is what was given."""
    ids = torch.from_numpy(corpus[2].tokens[:4_000].astype(np.int64))
    words = ids >= len(SPECIALS)
    counts = stream_counts(corpus[1], corpus[2])
    for p in (0.0, 0.3):
        config = GenerationConfig(**SMALL, noise_p=p)
        objective = begin_training(corpus[0], counts, config, seed=1, device=CPU)[2]
        if not p:
            assert objective.noise is None
            continue
        assert objective.noise is not None
        read = objective.noise(ids)
        assert torch.equal(read[~words], ids[~words])
        assert float((read != ids)[words].float().mean()) == pytest.approx(p * (1 - 1 / N_WORDS), abs=0.03)


def test_tiny_stores_train(corpus, tmp_path) -> None:
    vectors, vocabulary, *_ = corpus
    stores = [write_store(tmp_path / name, [[4, 5, 6]]) for name in ("train", "validation", "test")]
    trained = train_small((vectors, vocabulary, *stores), steps=30)
    assert trained.perplexity < trained.unigram_perplexity


def test_text_smaller_than_a_window_is_said(corpus, tmp_path) -> None:
    vectors, vocabulary, _, *held = corpus
    small = write_store(tmp_path / "train", [[4, 5, 6, 7, 8, 9]] * 5)
    events: list = []
    train_small((vectors, vocabulary, small, *held), steps=1, events=events)
    assert [event.message for event in events if isinstance(event, Warned)] == [
        "35 training tokens are fewer than one window of generation.batch 8 rows and generation.bptt 10 tokens: "
        "windows are of 8 rows and 4 tokens; give more text, or set a smaller batch"
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"softmax": "adaptive", "cutoffs": (20, 44)}, r"generation\.cutoffs: 20, 44 are not ids .* of 44 tokens"),
        ({"architecture": "transformer", "heads": 5}, r"generation\.heads: 5 heads do not divide the 16 .*; set 4$"),
    ],
)
def test_settings_that_do_not_fit_are_named(corpus, settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        train_small(corpus, **settings)


def test_vectors_that_are_not_numbers_are_refused(corpus) -> None:
    vectors, *others = corpus
    for wrong in (vectors[:-1], np.where(vectors == vectors.max(), np.nan, vectors)):
        with pytest.raises(ValueError, match="give one row of finite numbers for each token"):
            train_small((wrong, *others), steps=1)


@pytest.mark.parametrize("softmax", ["full", "sampled", "adaptive"])
def test_a_rate_is_searched_with_every_softmax(corpus, softmax) -> None:
    vectors, vocabulary, train, *_ = corpus
    config = GenerationConfig(**SMALL, softmax=softmax, samples=20, tied=softmax == "full", weight_p=0.2, ar=1.0)
    found = search_rate(vectors, vocabulary, train, config, seed=1, device=CPU, steps=40)
    assert 1e-4 < found.suggested < 1
    assert min(found.losses) < 0.97 * found.losses[0]


def test_patience_stops_and_epochs_count_the_text(corpus) -> None:
    trained = train_small(corpus, patience=1, learning_rate=3.0, steps=200)
    assert "no lower validation perplexity in 1 evaluations" in trained.stopped
    whole = train_small(corpus, epochs=0.25, steps=0)
    assert whole.n_tokens_seen == pytest.approx(0.25 * len(corpus[2].tokens), rel=0.03)


SCRIPT = """
import hashlib, sys
from pathlib import Path
import numpy as np, torch
from embedpipe.config import GenerationConfig
from embedpipe.generation.train import train_language_model
from embedpipe.runtime import seeded
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import Vocabulary
folder = Path(sys.argv[1])
torch.set_num_threads(2)
config = GenerationConfig(hidden=24, batch=8, bptt=10, steps=25, softmax=sys.argv[2], samples=20)
with seeded(3, deterministic=True):
    trained = train_language_model(
        np.load(folder / "vectors.npy"), Vocabulary.load(folder / "vocabulary.json"), TokenStore(folder / "train"),
        TokenStore(folder / "validation"), TokenStore(folder / "validation"), config, seed=3,
        device=torch.device("cpu"),
    )
state = trained.model.state_dict()
print(hashlib.sha256(b"".join(state[name].numpy().tobytes() for name in sorted(state))).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.parametrize("softmax", ["full", "sampled"])
def test_two_processes_make_the_same_bytes(corpus, softmax) -> None:
    vectors, vocabulary, train, *_ = corpus
    folder = train.path.parent
    np.save(folder / "vectors.npy", vectors)
    vocabulary.save(folder / "vocabulary.json")
    digests = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, folder, softmax],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


KILLED = """
import hashlib, os, signal, sys
from pathlib import Path
import numpy as np, torch
import embedpipe.nn.fit
from embedpipe.config import GenerationConfig
from embedpipe.generation.train import train_language_model
from embedpipe.runtime import Step
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import Vocabulary
embedpipe.nn.fit._SECONDS_BETWEEN_EVENTS = 0.0
folder, kept = Path(sys.argv[1]), Path(sys.argv[2])
config = GenerationConfig(hidden=24, batch=8, bptt=10, steps=25, softmax="sampled", samples=20, input_p=0.2)
def train(name, checkpoint, kill):
    def listen(event):
        if isinstance(event, Step) and event.done == kill:
            os.kill(os.getpid(), signal.SIGKILL)
    trained = train_language_model(
        np.load(folder / "vectors.npy"), Vocabulary.load(folder / "vocabulary.json"), TokenStore(folder / "train"),
        TokenStore(folder / "validation"), TokenStore(folder / "validation"), config, seed=3,
        device=torch.device("cpu"), checkpoint=checkpoint, listener=listen,
    )
    state = trained.model.state_dict()
    digest = hashlib.sha256(b"".join(state[name].numpy().tobytes() for name in sorted(state))).hexdigest()
    (kept / name).write_text(f"{digest} {trained.n_tokens_seen}")
for name, checkpoint, kill in (("whole", None, -1), ("killed", kept / "c", 13), ("killed", kept / "c", -1)):
    child = os.fork()
    if child == 0:
        try:
            train(name, checkpoint, kill)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == (signal.SIGKILL if kill > 0 else 0)
"""


# tests/contracts/test_causal_contract.py has a quick one, with an interrupt in place of a kill.
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_killed_training_ends_with_the_same_bytes(corpus, tmp_path) -> None:
    vectors, vocabulary, train, *_ = corpus
    folder = train.path.parent
    np.save(folder / "vectors.npy", vectors)
    vocabulary.save(folder / "vocabulary.json")
    command = [sys.executable, "-c", KILLED, folder, tmp_path]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "killed").read_text() == (tmp_path / "whole").read_text()


def test_one_seed_gives_one_model_and_another_another(corpus) -> None:
    def digest(seed: int) -> str:
        state = train_small(corpus, seed=seed, steps=8, softmax="sampled", input_p=0.2).model.state_dict()
        return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in state.values())).hexdigest()

    assert digest(1) == digest(1) != digest(2)
