"""The network: shapes, state, tied weights, first values."""

import numpy as np
import pytest
import torch

from embedpipe.generation.language_model import (
    Dropouts,
    LanguageModel,
    Shape,
    initial_table,
)


@pytest.fixture
def model() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(Shape(20, dim=6, hidden=9, layers=3)).eval()


def test_widths_end_at_the_vectors(model) -> None:
    assert list(model.widths()) == [9, 9, 6]
    assert list(LanguageModel(Shape(20, dim=6, hidden=9, layers=1)).widths()) == [6]


def test_reading_in_two_parts_equals_reading_at_once(model) -> None:
    ids = torch.randint(0, 20, (4, 11), generator=torch.Generator().manual_seed(1))
    whole, end = model(ids)
    first, state = model(ids[:, :5])
    second, parted = model(ids[:, 5:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(parted.layers, end.layers)


def test_the_future_does_not_leak_into_the_past(model) -> None:
    ids = torch.arange(10)[None]
    changed = ids.clone()
    changed[0, 6] = 19
    before, after = model(ids)[0], model(changed)[0]
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6], after[:, 6])


def test_rows_of_a_batch_do_not_mix(model) -> None:
    ids = torch.randint(0, 20, (3, 7), generator=torch.Generator().manual_seed(2))
    together, state = model(ids)
    alone, own = model(ids[1:2])
    torch.testing.assert_close(together[1:2], alone)
    torch.testing.assert_close(state.rows(torch.tensor([1])).layers, own.layers)
    assert own.repeat(5).layers[0][0].shape == (1, 5, 9)
    torch.testing.assert_close(own.repeat(5).layers[2][1][:, 4], own.layers[2][1][:, 0])


def test_output_weights_are_the_input_weights(model) -> None:
    hidden = torch.randn(2, 6, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        model.bias.copy_(torch.arange(20.0))
        torch.testing.assert_close(model.logits(hidden), hidden @ model.table.T + torch.arange(20.0))


def test_dropout_is_random_in_training_and_absent_in_evaluation() -> None:
    torch.manual_seed(0)
    model = LanguageModel(Shape(20, 6, 9, 2), Dropouts(0.3, 0.3, 0.2))
    ids = torch.arange(12)[None]
    assert not torch.equal(model.train()(ids)[0], model(ids)[0])
    assert torch.equal(model.eval()(ids)[0], model(ids)[0])


def test_first_table_keeps_directions_and_fills_blanks() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 8)).astype(np.float32) * 7
    vectors[[0, 1, 2, 3, 30]] = 0
    kept = vectors.copy()
    table = initial_table(vectors, 4.0, torch.Generator().manual_seed(1)).numpy()
    norms = np.linalg.norm(table, axis=1)
    known = np.linalg.norm(vectors, axis=1) > 0
    assert norms[known].mean() == pytest.approx(4.0, abs=1e-5)
    assert norms[~known].mean() == pytest.approx(4.0, rel=0.3)
    ratio = table[known] / vectors[known]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)
    np.testing.assert_array_equal(vectors, kept)


def test_first_table_without_any_vector_is_random() -> None:
    table = initial_table(np.zeros((300, 5), np.float32), 4.0, torch.Generator().manual_seed(1))
    assert float(table.norm(dim=1).square().mean().sqrt()) == pytest.approx(4.0, rel=0.05)
    assert len(table.unique(dim=0)) == 300


def test_an_untrained_model_predicts_about_the_unigrams() -> None:
    probabilities = np.arange(1, 21) / 210
    torch.manual_seed(0)
    model = LanguageModel(Shape(20, 6, 9, 2)).eval()
    model.initialise(torch.zeros(20, 6), probabilities)
    hidden, _ = model(torch.tensor([[4, 5, 6]]))
    predicted = torch.softmax(model.logits(hidden), dim=-1)[0, -1].detach().numpy()
    np.testing.assert_allclose(predicted, probabilities, rtol=1e-5)
