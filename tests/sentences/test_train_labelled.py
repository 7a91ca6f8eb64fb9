"""Training on labelled data, on toy texts of which the truth is known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from embedpipe.config import SentencesConfig
from embedpipe.errors import ConfigError, NotEnoughDataError
from embedpipe.runtime import Evaluated, Stopped
from embedpipe.sentences.labelled import Labelled, Texts
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.sentences.start import start_network
from embedpipe.sentences.train import train_encoder
from embedpipe.sentences.trained import TrainedEncoder
from embedpipe.words.bag import Bag

CPU = torch.device("cpu")
TOPICS, NOISE, DIM = 24, 40, 12
CONFIG = SentencesConfig(
    neighbours=0, hidden=8, steps=60, batch=24, learning_rate=1e-2, words_learning_rate=2e-2, dropout=0, temperature=0.1
)


def bag() -> Bag:
    """Random vectors and equal weights: what matters in a text is for training to find out."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4 + TOPICS + NOISE, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.full(len(vectors), 0.5, dtype=np.float32)
    vectors[:4], weights[:4] = 0, 0
    return Bag(vectors, weights)


def rows(kind: str, n: int = 400, seed: int = 1) -> Labelled:
    """Pairs of five words, one of them the topic, which all pairs of `pairs` share and every second of the others."""
    rng = np.random.default_rng(seed)
    first = rng.integers(TOPICS, size=n)
    shared = np.ones(n, bool) if kind == "pairs" else np.arange(n) % 2 == 0
    second = np.where(shared, first, (first + rng.integers(1, TOPICS, n)) % TOPICS)
    noise = rng.integers(4 + TOPICS, 4 + TOPICS + NOISE, (2 * n, 4))
    words = np.column_stack([np.concatenate([first, second]) + 4, noise])
    texts = Texts(rng.permuted(words, axis=1).astype(np.uint32).ravel(), np.arange(2 * n) * 5, np.full(2 * n, 5))
    members = np.stack([np.arange(n), np.arange(n) + n], axis=1)
    labels = ("other", "same") if kind == "inference" else ()
    return Labelled(kind, "toy", texts, members, np.zeros(n) if kind == "pairs" else shared.astype(float), None, labels)


def train(*data: Labelled, **settings) -> TrainedEncoder:
    config = CONFIG.model_copy(update=settings)
    return train_encoder(bag(), None, None, None, config, seed=1, device=CPU, labelled=data)


@pytest.mark.parametrize(
    ("kind", "settings", "least"),
    [
        ("pairs", {}, 0.3),
        ("pairs", {"micro_batch": 16, "nested_dims": (4,), "delete_p": 0.1, "l1": 1e-5, "steps": 40}, 0.2),
        ("inference", {"steps": 100}, 0.15),
        ("scores", {}, 0.2),
        ("scores", {"score_loss": "cosine"}, 0.2),
    ],
)
def test_the_planted_topic_is_found(kind: str, settings: dict, least: float) -> None:
    trained = train(rows(kind), **settings)
    (learnt,) = trained.learnt
    assert learnt.name == f"{kind}:toy"
    assert learnt.agreement == {"pairs": "reciprocal rank", "inference": "accuracy", "scores": "correlation"}[kind]
    assert learnt.after[1] > learnt.before[1] + least
    assert learnt.after[0] < learnt.before[0]
    assert learnt.n_train == 360
    assert 30 <= learnt.n_held_out <= 40
    assert trained.best_step > 0
    assert trained.result["labelled"][0]["loss"] == learnt.after[0]
    assert "neighbour_loss" not in trained.result
    assert f"{kind}:toy {learnt.agreement} {learnt.after[1]:.3f}" in trained.summary
    json.dumps(trained.result, allow_nan=False)


def test_several_at_once_and_the_result_is_the_same_again() -> None:
    data = rows("pairs"), rows("inference", seed=2), rows("scores", seed=3)
    first, second = (train(*data, steps=12, scores_weight=2.0) for _ in range(2))
    assert first.weights == {"pairs:toy": 1.0, "inference:toy": 1.0, "scores:toy": 2.0}
    assert first.result == second.result
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(second.network.state_dict()[name], tensor), name
    assert not any("heads" in name for name in first.network.state_dict())


def test_no_more_rows_are_read_at_once_than_asked_for_with_negatives_too(monkeypatch) -> None:
    read: list[int] = []
    forward = SentenceNetwork.forward

    def spy(self: SentenceNetwork, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        read.append(len(ids))
        return forward(self, ids, lengths)

    monkeypatch.setattr(SentenceNetwork, "forward", spy)
    data = rows("pairs")
    train(replace(data, negatives=data.members[::-1, 1]), steps=1, micro_batch=48)
    assert max(read) <= 48, "of the 72 rows of 24 items"
    assert sum(read) >= 72


def trained_by(how: str, **settings: object) -> tuple[TrainedEncoder, list[object]]:
    events: list[object] = []
    config = CONFIG.model_copy(update={"choose_by": how, **settings})
    data = [rows("pairs"), rows("scores", seed=3)]
    return train_encoder(
        bag(), None, None, None, config, seed=1, device=CPU, labelled=data, listener=events.append
    ), events


def test_events_result_and_summary_say_what_chose() -> None:
    trained, events = trained_by("probe", steps=16)
    told = [event for event in events if isinstance(event, Evaluated)]
    by_name = {name: [event for event in told if event.name == name] for name in {event.name for event in told}}
    total = by_name["held-out error as a share of its start"]
    accuracy, correlation = by_name["held-out pairs:toy reciprocal rank"], by_name["held-out scores:toy correlation"]
    assert [event.step for event in total] == [event.step for event in accuracy] == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    for event, one, other in zip(total, accuracy, correlation, strict=True):
        errors = (1 - one.value) / (1 - accuracy[0].value), (1 - other.value) / (1 - correlation[0].value)
        assert event.value == pytest.approx(sum(errors) / 2, abs=1e-5)
    assert trained.best_step == min(total, key=lambda event: event.value).step > 0
    best = next(event for event in correlation if event.step == trained.best_step)
    assert trained.learnt[1].after[1] == pytest.approx(best.value)
    assert trained.result["chosen_by"] == ["pairs:toy reciprocal rank", "scores:toy correlation"]
    assert trained.result["curve"]["metric"] == total[0].name
    assert "of 16, by pairs:toy reciprocal rank and scores:toy correlation on held-out text" in trained.summary
    by_loss, _ = trained_by("loss", steps=2)
    assert by_loss.result["chosen_by"] == ["pairs:toy loss", "scores:toy loss"]


def test_training_stops_when_the_probes_no_longer_gain() -> None:
    _, events = trained_by("probe", learning_rate=3.0, words_learning_rate=3.0, warmup=0.0, steps=32, patience=2)
    (stopped,) = (event for event in events if isinstance(event, Stopped))
    assert stopped.reason.startswith("no lower held-out error as a share of its start in 2 evaluations; the state of")


def test_rows_that_are_measured_are_bounded_and_counted() -> None:
    few, _ = trained_by("probe", steps=1, held_out=24)
    assert [one.n_measured for one in few.learnt] == [24, 24]
    all_rows, _ = trained_by("probe", steps=1)
    assert all_rows.learnt[1].n_measured == all_rows.learnt[1].n_held_out > 24
    assert all_rows.result["labelled"][1]["measured"] == all_rows.learnt[1].n_held_out


def test_training_goes_on_from_a_network_and_leaves_it_as_it_was() -> None:
    once = train(rows("pairs"), steps=30)
    before = {name: tensor.clone() for name, tensor in once.network.state_dict().items()}
    more = train_encoder(
        bag(), None, None, None, CONFIG.model_copy(update={"steps": 30}), seed=1, device=CPU,
        labelled=[rows("pairs")], start=once.network,
    )  # fmt: skip
    assert more.learnt[0].before == once.learnt[0].after
    assert more.learnt[0].after[0] < once.learnt[0].after[0]
    for name, tensor in once.network.state_dict().items():
        assert torch.equal(before[name], tensor), name


def test_an_interrupted_training_gives_the_same_weights(tmp_path: Path) -> None:
    data = [rows("pairs"), rows("inference", seed=2)]
    config = CONFIG.model_copy(update={"steps": 16, "dropout": 0.2, "word_p": 0.1})

    def run(checkpoint: Path | None, stop_at: int = 0) -> TrainedEncoder:
        def listener(event: object) -> None:
            if stop_at and getattr(event, "step", 0) >= stop_at:
                raise KeyboardInterrupt

        return train_encoder(
            bag(), None, None, None, config, seed=1, device=CPU, labelled=data, checkpoint=checkpoint, listener=listener
        )

    whole = run(None)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "checkpoint", stop_at=7)
    assert (tmp_path / "checkpoint").is_dir()
    resumed = run(tmp_path / "checkpoint")
    assert resumed.result == whole.result
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], tensor), name


def test_frozen_words_stay_and_a_bag_is_left_alone() -> None:
    frozen = train(rows("pairs"), steps=5, words_learning_rate=0.0)
    start = start_network(bag(), CONFIG, seed=1)
    assert torch.equal(frozen.network.embedding.weight, start.embedding.weight)
    assert not torch.equal(frozen.network.projection.weight, start.projection.weight)
    still = train(rows("pairs"), architecture="bag")
    assert (still.steps, still.best_step, still.result["objectives"]) == (0, 0, {})


def test_what_cannot_be_had_is_a_note_or_an_error_that_says_what_to_set() -> None:
    noted = train(rows("pairs"), rows("scores"), steps=2, neighbours=1.0, scores_weight=0.0)
    assert noted.weights == {"pairs:toy": 1.0}
    assert any("sentences.neighbours learns from" in note for note in noted.notes)
    assert any("sentences.scores_weight is 0" in note for note in noted.result["notes"])
    few = train(rows("pairs", n=10), steps=2)
    assert (few.best_step, few.learnt[0].n_held_out) == (2, 0)
    assert any("too few rows" in note for note in few.notes)
    with pytest.raises(NotEnoughDataError, match=r"sentences\.neighbours learns from; set it to 0"):
        train(neighbours=1.0)
    with pytest.raises(ConfigError, match="no objective of the sentence encoder has a weight"):
        train()


def test_one_pair_has_no_wrong_answer_unless_the_file_gives_one() -> None:
    one = rows("pairs", n=1)
    with pytest.raises(NotEnoughDataError, match="toy: one row of paraphrases has no wrong answer"):
        train(one, steps=2)
    assert train(replace(one, negatives=one.members[:, 0]), steps=2).steps == 2
    assert train(rows("pairs", n=2), steps=2).steps == 2
