"""Dynamic evaluation against the same steps taken with whole tables, and on a text that repeats what is new."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from embedpipe.errors import ConfigError, EmbedpipeWarning, NotEnoughDataError
from embedpipe.generation.dynamic import DynamicEvaluation, DynamicReader, dynamic_losses, gradient_sizes
from embedpipe.generation.evaluation import token_losses
from embedpipe.generation.language_model import Dropouts, LanguageModel, Shape
from embedpipe.generation.state import BEGINNING
from embedpipe.generation.tune_dynamic import tune_dynamic
from embedpipe.nn.causal import CausalKind

N_TOKENS = 12


def small(architecture: CausalKind = "lstm", *, tied: bool = True, cutoffs: tuple[int, ...] = ()) -> LanguageModel:
    torch.manual_seed(5)
    shape = Shape(N_TOKENS, 4, 6, 2, architecture, tied, heads=2, context=9, cutoffs=cutoffs)
    return LanguageModel(shape, Dropouts(output_p=0.5)).requires_grad_(False).eval()


def text(rows: int, time: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, N_TOKENS, (rows, time + 1)).astype(np.uint32)


def with_whole_tables(
    model: LanguageModel, row: np.ndarray, settings: DynamicEvaluation, sizes=None, *, frequent: int, together: int
) -> np.ndarray:
    """The definition: dense gradients, of which a segment's own rows are taken; all that ever moved is drawn back."""
    tables = {"table", "bias", "output"}
    learner, trained = copy.deepcopy(model).requires_grad_(True), dict(model.named_parameters())
    ids, state, moved, found = torch.from_numpy(row.astype(np.int64)), BEGINNING, set(), []
    share = model.bias[frequent:].exp() / model.bias[frequent:].exp().sum()
    others = (share[:, None] * model.output_table[frequent:]).sum(dim=0)
    for number, start in enumerate(range(0, len(ids) - 1, settings.segment), start=1):
        block = ids[start : start + settings.segment + 1]
        own = torch.tensor([token in block for token in range(N_TOKENS)])
        heard = own | (torch.arange(N_TOKENS) < frequent)
        hidden, after = learner(block[None, :-1], state)
        logits = learner.logits(hidden[0])
        losses = F.cross_entropy(logits, block[1:], reduction="none")
        found.append(losses.detach())
        learner.zero_grad()
        left = torch.softmax(logits, dim=1).detach() @ (~heard).to(logits.dtype)
        logits.register_hook(lambda gradient, heard=heard: gradient * heard)
        (losses.mean() + (left * (hidden[0] @ others)).mean()).backward()
        moved |= set(block.tolist())
        ever = torch.tensor([token in moved for token in range(N_TOKENS)])
        with torch.no_grad():
            for name, weight in learner.named_parameters():
                size = None if sizes is None else sizes.of[name]
                gradient = weight.grad if size is None else weight.grad / (size + 0.01 * sizes.mean)
                back = settings.decay if size is None else (settings.decay * size / sizes.mean).clamp(max=1)
                changed = weight - settings.rate * gradient
                if name in tables:
                    shape = (-1, *[1] * (weight.ndim - 1))
                    changed = torch.where(own.view(shape), changed, weight)
                    if number % together == 0:
                        nearer = trained[name] + (1 - back) ** together * (changed - trained[name])
                        changed = torch.where(ever.view(shape), nearer, changed)
                else:
                    changed = changed + back * (trained[name] - changed)
                weight.copy_(changed)
        state = after.detach()
    return torch.cat(found).double().numpy()


@pytest.mark.parametrize(
    ("architecture", "tied", "rule", "frequent"),
    [
        ("lstm", True, "sgd", N_TOKENS),
        ("lstm", False, "sgd", 5),
        ("lstm", True, "rms", 5),
        ("lstm", False, "rms", N_TOKENS),
        ("gru", True, "rms", 5),
        ("transformer", True, "rms", 5),
    ],
)
def test_sparse_steps_are_the_rows_of_whole_ones(monkeypatch, architecture, tied, rule, frequent):
    """With all words among the frequent ones it is the dense gradient that flows back into the layers."""
    monkeypatch.setattr("embedpipe.generation.segment._FREQUENT", frequent)
    monkeypatch.setattr("embedpipe.generation.dynamic._DRAWN_TOGETHER", 2)
    model, tokens = small(architecture, tied=tied), text(1, 23)
    settings = DynamicEvaluation(rate=0.5 if rule == "sgd" else 0.02, decay=0.1, segment=4, rule=rule)
    sizes = gradient_sizes(model, text(2, 20, seed=1), segment=4) if rule == "rms" else None
    expected = with_whole_tables(model, tokens[0], settings, sizes, frequent=frequent, together=2)
    np.testing.assert_allclose(dynamic_losses(model, tokens, settings, sizes)[0], expected, rtol=1e-4)
    assert np.abs(expected - token_losses(model, tokens)[0]).max() > 0.05


def test_a_step_by_hand():
    """Where all weights are zero all words are equally probable, and only the biases of the two words met move."""
    model, rate = small(), 0.6
    for weight in model.parameters():
        weight.zero_()
    found = dynamic_losses(
        model, np.array([[7, 4, 4]], dtype=np.uint32), DynamicEvaluation(rate, 0.0, segment=1, rule="sgd")
    )[0]
    scores = [rate * (1 - 1 / N_TOKENS), rate * (0 - 1 / N_TOKENS), *[0.0] * (N_TOKENS - 2)]
    assert found[0] == pytest.approx(np.log(N_TOKENS), rel=1e-6)
    assert found[1] == pytest.approx(np.log(np.exp(scores).sum()) - scores[0], rel=1e-6)


def test_in_bf16_the_losses_are_nearly_the_same_and_follow_what_is_learnt():
    model, repeated = small(), np.tile(np.array([4, 9, 6, 11], dtype=np.uint32), 40)[None]
    settings, ids = DynamicEvaluation(rate=0.3, segment=4, rule="sgd"), torch.from_numpy(repeated.astype(np.int64))
    reader = DynamicReader(model, settings, half=True)
    found = reader.read(ids).losses.numpy()
    expected = dynamic_losses(model, repeated, settings)
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert not np.array_equal(found, expected.astype(np.float32))
    assert torch.equal(reader.half, reader.model.table.to(torch.bfloat16))
    reader.begin(anew=True)
    assert torch.equal(reader.half, model.table.to(torch.bfloat16))


def test_sizes_are_root_mean_squares_over_segments():
    model, tokens = small(), text(1, 8)
    sizes = gradient_sizes(model, tokens, segment=4)
    learner, state, squares, rows = copy.deepcopy(model).requires_grad_(True), BEGINNING, 0.0, 0.0
    for start in (0, 4):
        block = torch.from_numpy(tokens[0, start : start + 5].astype(np.int64))
        hidden, state = learner(block[None, :-1], state.detach())
        learner.zero_grad()
        F.cross_entropy(learner.logits(hidden[0]), block[1:]).backward()
        squares = squares + learner.reader.layers[0].weight_ih_l0.grad.square() / 2
        rows = rows + learner.table.grad[block.unique()].square().mean(dim=0) / 2
    torch.testing.assert_close(sizes.of["reader.layers.0.weight_ih_l0"], squares.sqrt())
    torch.testing.assert_close(sizes.of["table"], rows.sqrt())


def test_what_repeats_in_the_text_is_learnt_and_the_model_left_as_it_was():
    model, pattern = small(), np.array([4, 9, 6, 11, 5, 10, 7], dtype=np.uint32)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    model.train()
    repeated = np.tile(pattern, 40)[None]
    sizes = gradient_sizes(model, text(2, 40, seed=2), segment=7)
    found = dynamic_losses(model, repeated, DynamicEvaluation(rate=0.02, decay=1e-3, segment=7), sizes)[0]
    assert found[-30:].mean() < 0.5 * token_losses(model, repeated)[0, -30:].mean()
    assert model.training
    for name, weight in model.named_parameters():
        assert torch.equal(weight, before[name])
        assert not weight.requires_grad


def test_with_an_adaptive_softmax_the_rest_of_the_network_learns():
    model, repeated = small(cutoffs=(5, 8)), np.tile(np.array([4, 9, 6, 11], dtype=np.uint32), 40)[None]
    sizes = gradient_sizes(model, text(2, 40, seed=2), segment=8)
    found = dynamic_losses(model, repeated, DynamicEvaluation(rate=0.02, decay=0.0, segment=8), sizes)[0]
    static = token_losses(model, repeated)[0]
    np.testing.assert_allclose(found[:8], static[:8], rtol=1e-5)
    assert found[-40:].mean() < 0.8 * static[-40:].mean()


def test_no_rate_is_the_model_and_rows_begin_anew_or_go_on():
    model, tokens = small(), np.concatenate([text(1, 30), text(1, 30)])
    settings = DynamicEvaluation(rate=0.5, decay=0.0, segment=5, rule="sgd")
    still = DynamicEvaluation(rate=0.0, segment=5, rule="sgd")
    np.testing.assert_allclose(dynamic_losses(model, tokens, still), token_losses(model, tokens), rtol=1e-5)
    anew, carried = (dynamic_losses(model, tokens, settings, carried=carried) for carried in (False, True))
    np.testing.assert_array_equal(anew[0], anew[1])
    np.testing.assert_array_equal(carried[0], anew[0])
    assert carried[1].mean() < anew[1].mean()


def test_no_token_is_known_before_it_is_predicted():
    """A change of the text changes nothing before it."""
    model, one = small(), text(1, 24)
    other = one.copy()
    other[0, 14:] = (other[0, 14:] + 1) % N_TOKENS
    settings = DynamicEvaluation(rate=0.5, segment=4, rule="sgd")
    first, second = (dynamic_losses(model, tokens, settings)[0] for tokens in (one, other))
    np.testing.assert_array_equal(first[:13], second[:13])
    assert not np.array_equal(first[13:], second[13:])


def test_a_rate_that_carries_the_weights_off_ends_in_no_nan():
    model, tokens = small(), text(1, 60)
    with pytest.warns(EmbedpipeWarning, match=r"left out \d+ steps that were not finite; lower its rate"):
        found = dynamic_losses(model, tokens, DynamicEvaluation(rate=1e38, decay=0.0, segment=5, rule="sgd"))
    assert np.isfinite(found).all()


def test_ranks_and_blocks():
    """Blocks of whole segments read one after the other are one text."""
    model, tokens = small(), torch.from_numpy(text(1, 40).astype(np.int64))
    settings = DynamicEvaluation(rate=0.1, segment=5, rule="sgd")
    whole = DynamicReader(model, settings).read(tokens, ranked=True)
    parts = DynamicReader(model, settings)
    found = [parts.read(tokens[:, start : start + 21]).losses for start in (0, 20)]
    torch.testing.assert_close(torch.cat(found, dim=1), whole.losses)
    assert whole.ranks.shape == (1, 40)
    # A probability above a half belongs to the first rank, and one of rank r is at most 1 / r.
    assert (whole.ranks[whole.losses < np.log(2)] == 1).all()
    assert (whole.losses.exp() >= whole.ranks - 1e-3).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": -1.0}, "at least 0, not -1.0"),
        ({"decay": 2.0}, "from 0 to 1, not 2.0"),
        ({"segment": 0}, "at least 1 token, not 0"),
        ({"rule": "adam"}, "rms or sgd, not 'adam'"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ConfigError, match=message):
        DynamicEvaluation(**settings)


def test_what_is_missing_is_said():
    with pytest.raises(ConfigError, match="needs the sizes of gradients"):
        dynamic_losses(small(), text(1, 5))
    with pytest.raises(NotEnoughDataError, match="at least one token"):
        gradient_sizes(small(), text(1, 0))
    assert dynamic_losses(small(), text(2, 0), DynamicEvaluation(rule="sgd")).shape == (2, 0)


def test_settings_are_found_within_a_budget():
    """On a text that repeats, a higher rate is better; without time only the first setting is tried."""
    model, tokens = small(), np.tile(np.array([4, 9, 6, 11], dtype=np.uint32), 30)[None]
    found = tune_dynamic(model, tokens, rule="sgd", segment=4, rates=(0.001, 0.3), decays=(0.5, 0.0))
    assert (found.settings.rate, found.settings.decay) == (0.3, 0.0)
    assert len(found.losses) == found.n_asked == 3
    expected = dynamic_losses(model, tokens, found.settings).mean()
    assert found.losses[found.settings] == pytest.approx(expected, rel=1e-5) == min(found.losses.values())
    short = tune_dynamic(model, tokens, rule="sgd", segment=4, rates=(0.001, 0.3), seconds=0.0)
    assert short.settings.rate == 0.001
    assert len(short.losses) == 1


@pytest.mark.gpu
def test_on_a_gpu_it_is_the_same():
    model, tokens = small(), text(2, 40)
    sizes = gradient_sizes(model, text(2, 20, seed=1), segment=4)
    settings = DynamicEvaluation(rate=0.01, segment=4)
    expected = dynamic_losses(model, tokens, settings, sizes)
    there = copy.deepcopy(model).to("cuda")
    np.testing.assert_allclose(dynamic_losses(there, tokens, settings, sizes), expected, rtol=1e-3)
    own = gradient_sizes(there, text(2, 20, seed=1), segment=4)
    np.testing.assert_allclose(dynamic_losses(there, tokens, settings, own), expected, rtol=1e-3)
