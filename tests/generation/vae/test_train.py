"""Training on two planted styles: z finds them, and a direction of z turns one into the other."""

from pathlib import Path

import numpy as np
import pytest
import torch

from embedpipe.config import LatentConfig
from embedpipe.errors import ConfigError
from embedpipe.generation.decoding.settings import Decoding
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.generation.vae.attributes import direction
from embedpipe.generation.vae.latent import SentenceLatent, between
from embedpipe.generation.vae.train import TrainedVAE, train_vae
from embedpipe.runtime import Evaluated, Event, Warned
from embedpipe.tasks.shapes import Classification
from embedpipe.text.codec import TextCodec
from embedpipe.text.token_store import TokenStore
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import EOS, SPECIALS, Vocabulary

STYLES = (("please", "kindly"), ("hey", "now"))
THINGS = ("ship", "horse", "lamp", "bread", "cloud", "stone")
WORDS = (*STYLES[0], *STYLES[1], *THINGS, "take", "the", "away")
SMALL = {
    "dim": 3,
    "hidden": 16,
    "steps": 200,
    "batch": 32,
    "free_bits": 3.0,
    "beta": 0.2,
    "word_p": 0.0,
    "learning_rate": 0.03,
    "decoder_learning_rate": 0.03,
    "scored": 40,
    "importance": 40,
    "dropout": 0.0,
}


def vocabulary() -> Vocabulary:
    return Vocabulary([*SPECIALS, *WORDS], np.array([0] * 4 + [10] * len(WORDS)))


def sentence(style: int, thing: str) -> str:
    """All of a style but the thing: 'please take the ship kindly', 'hey take the ship now'."""
    first, last = STYLES[style]
    return f"{first} take the {thing} {last}"


def write_store(folder: Path, sentences: list[str]) -> TokenStore:
    index = vocabulary().index
    ids = [np.array([*(index[word] for word in text.split()), EOS], dtype=np.uint32) for text in sentences]
    folder.mkdir(parents=True)
    np.save(folder / "tokens.npy", np.concatenate(ids))
    np.save(folder / "sentences.npy", np.cumsum([0, *map(len, ids)]).astype(np.uint64))
    np.save(folder / "documents.npy", np.append(np.arange(0, len(ids), 3), len(ids)).astype(np.uint64))
    return TokenStore(folder)


def some(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [sentence(int(rng.integers(2)), THINGS[rng.integers(len(THINGS))]) for _ in range(n)]


def generator(*, tied: bool = True) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(Shape(len(vocabulary()), 12, 16, 1, tied=tied)).eval()


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    return [
        write_store(folder / name, some(n, seed)) for seed, (name, n) in enumerate([("a", 400), ("b", 60), ("c", 60)])
    ]


def trained(stores, checkpoint=None, listener=lambda _: None, *, tied=True, **settings) -> TrainedVAE:
    return train_vae(
        generator(tied=tied),
        None,
        vocabulary(),
        *stores,
        LatentConfig(**{**SMALL, **settings}),
        seed=1,
        device=torch.device("cpu"),
        checkpoint=checkpoint,
        listener=listener,
    )


@pytest.fixture(scope="module")
def result(stores) -> TrainedVAE:
    return trained(stores)


@pytest.fixture(scope="module")
def latent(result) -> SentenceLatent:
    return SentenceLatent(TextCodec(RegexTokenizer(), vocabulary()), result.model)


def test_what_is_measured_on_other_text_says_so(stores, result, tmp_path) -> None:
    short = write_store(tmp_path / "short", ["ship"] * 3)
    heard = []
    train, validation, _ = stores
    on_validation = trained((train, validation, short), listener=heard.append, steps=2)
    on_training = trained((train, short, short), listener=heard.append, steps=2)
    assert (result.scored_split, result.result["scored_split"]) == ("test", "test")
    assert on_validation.result["scored_split"] == "validation"
    assert "on validation text" in on_validation.summary
    assert on_training.result["scored_split"] == "training"
    said = [event.message for event in heard if isinstance(event, Warned)]
    assert len(said) == 3
    assert sum("figures are measured on training text" in message for message in said) == 1
    assert sum("best state is chosen on training text" in message for message in said) == 1


def test_its_figures_are_those_of_the_source(result: TrainedVAE) -> None:
    """Twelve equally frequent sentences: no model is better than log 12 nats, and z can hold no more of one."""
    figures = result.figures
    assert np.log(12) - 0.3 < figures.nll < np.log(12) + 1.2
    assert figures.nll <= figures.bound
    assert np.log(2) + 0.3 < figures.information < np.log(12) + 0.1, "more than the style"
    assert figures.active >= 2
    assert not figures.collapsed
    assert figures.swapped > figures.reconstruction + 1, "the z of another sentence says other words"
    assert figures.gap == pytest.approx(figures.nll - figures.model_nll)
    assert figures.gap < -5, "the untrained language model knows nothing of the sentences"
    assert figures.gap_interval[0] < figures.gap < figures.gap_interval[1]
    assert result.share == 1.0


def test_what_it_writes_again_is_what_it_read(latent: SentenceLatent) -> None:
    texts = [sentence(style, thing) for style in (0, 1) for thing in THINGS]
    again = latent.reconstruct(texts)
    same = [one == other for one, other in zip(texts, again, strict=True)]
    assert np.mean(same) > 0.5, "one in twelve by chance"


def test_an_attribute_turns_the_style_and_leaves_the_thing(latent: SentenceLatent) -> None:
    texts = [sentence(0, thing) for thing in THINGS] + [sentence(1, thing) for thing in THINGS]
    task = Classification("style", ["polite"] * 6 + ["rude"] * 6, texts)
    vector, n = direction(latent, task, "rude")
    assert n == 12
    turned = latent.apply(vector, texts[:6])
    assert sum(text.startswith(STYLES[1][0]) for text in turned) >= 5
    same = sum(thing in text for thing, text in zip(THINGS, turned, strict=True))
    assert same >= 3, "one in six by chance"
    with pytest.raises(ConfigError, match="no label 'formal'; it has polite"):
        direction(latent, task, "formal")


def test_the_way_between_two_texts_begins_and_ends_with_them(latent: SentenceLatent) -> None:
    ends = [sentence(0, "ship"), sentence(1, "ship")]
    way = latent.interpolate(*ends, steps=5)
    assert [way[0], way[-1]] == latent.reconstruct(ends)
    assert len(way) == 5


def test_the_way_from_the_origin_is_the_line() -> None:
    origin, end = np.zeros(2, np.float32), np.array([2, 4], np.float32)
    assert between(origin, end, 3).tolist() == [[0, 0], [1, 2], [2, 4]]
    assert between(end, origin, 3).tolist() == [[2, 4], [1, 2], [0, 0]]
    assert between(origin, origin, 2).tolist() == [[0, 0], [0, 0]]
    tiny = between(end * np.float32(1e-10), np.array([-4e-10, 2e-10], np.float32), 3)[1]
    np.testing.assert_allclose(np.linalg.norm(tiny), np.sqrt(20) * 1e-10, rtol=1e-4)


def test_samples_are_repeated_by_their_seed_and_of_the_language(latent: SentenceLatent) -> None:
    one, other = latent.sample(40, seed=3), latent.sample(40, seed=4)
    assert one == latent.sample(40, seed=3) != other
    possible = {sentence(style, thing) for style in (0, 1) for thing in THINGS}
    assert np.mean([text in possible for text in one]) > 0.8
    assert len(set(one)) >= 5
    near = latent.sample(20, like=sentence(1, "lamp"), seed=1)
    assert np.mean([text.startswith(STYLES[1][0]) for text in near]) > 0.8
    drawn = latent.decode(np.zeros((30, 3), np.float32), Decoding(temperature=1.5, top_p=1.0), seed=2)
    assert len(set(drawn)) > 1


def test_a_training_without_free_bits_and_time_says_that_it_collapsed(stores) -> None:
    figures = trained(stores, steps=0).figures
    assert "the posterior has collapsed" in figures.summary
    assert figures.result["collapsed"]
    assert figures.nll == pytest.approx(figures.model_nll, abs=0.05), "z has no effect at the start"


@pytest.mark.parametrize("samples", [4, 4_096])
def test_the_output_of_an_untied_generator_is_trained_too(stores, samples: int) -> None:
    found = trained(stores, tied=False, samples=samples, steps=3, scored=2, importance=2)
    output, before = found.model.decoder.output, generator(tied=False).output
    assert output is not None
    assert (output - before).abs().max() > 0.01


def test_an_interrupted_training_goes_on_to_the_same_weights(stores, tmp_path) -> None:
    settings = {"steps": 8, "beta_schedule": "cyclical", "scored": 2, "importance": 2}
    whole = trained(stores, **settings)

    def stop(event: Event) -> None:
        if isinstance(event, Evaluated) and event.step >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(stores, tmp_path / "checkpoint", stop, **settings)
    resumed = trained(stores, tmp_path / "checkpoint", **settings)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name


def test_texts_that_say_nothing_are_refused(latent: SentenceLatent) -> None:
    for text, said in (("", "text 2 of 2 is empty"), ("qwq zxz", "none of its 2 words"), ("ship " * 600, "600 tokens")):
        with pytest.raises(ConfigError, match=said):
            latent.encode(["take the ship", text])
    with pytest.raises(ConfigError, match="1 text without the attribute: too few"):
        latent.attribute_vector(["take", "ship"], ["horse"])
    with pytest.raises(ConfigError, match="from 2 steps, its ends, to 100,000, not 1"):
        between(np.zeros(2, np.float32), np.ones(2, np.float32), 1)
    with pytest.raises(ConfigError, match="not 200,000,000"):
        between(np.zeros(2, np.float32), np.ones(2, np.float32), 200_000_000)
    with pytest.raises(ConfigError, match=r"steps is a whole number, not 2\.5"):
        latent.interpolate("take", "ship", steps=2.5)
    with pytest.raises(ConfigError, match="seed"):
        latent.draw(1, seed=-1)
    with pytest.raises(ConfigError, match="not finite"):
        latent.decode(np.full((1, 3), np.nan, np.float32))
    with pytest.raises(ConfigError, match=r"expected \(n, 3\)"):
        latent.decode(np.zeros((1, 4), np.float32))
    with pytest.raises(TypeError, match="wrap it in a list"):
        latent.encode("take the ship")
    assert latent.encode([]).shape == (0, 3)
    assert latent.reconstruct([]) == []
