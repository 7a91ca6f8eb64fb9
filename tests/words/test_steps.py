"""Named steps from trained to published vectors."""

import numpy as np
import pytest
from numpy.typing import NDArray

from embedpipe.words.postprocess import unit_rows, weighted_moments, zipfian_whitening
from embedpipe.words.steps import post_process, published_dim

Matrix = NDArray[np.float32]


@pytest.fixture
def trained() -> tuple[Matrix, Matrix, NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    mixing = rng.standard_normal((6, 6))
    vectors, contexts = (rng.standard_normal((500, 6)) @ mixing + 3 for _ in range(2))
    probabilities = 1 / np.arange(1.0, 501)
    probabilities[:4] = 0
    return vectors.astype(np.float32), contexts.astype(np.float32), probabilities / probabilities.sum()


@pytest.mark.parametrize("n_trainings", [1, 2])
@pytest.mark.parametrize(
    "steps",
    [
        ["add-contexts", "centre"],
        ["join-contexts", "whiten:0.5"],
        ["join-contexts", "unit", "join", "reduce:7"],
        ["reduce:4", "join", "reduce:5"],
        ["join", "all-but-the-top:2", "reduce:100"],
        ["reduce:2"],
    ],
)
def test_the_published_width_is_known_before(
    trained: tuple[Matrix, Matrix, NDArray[np.float64]], steps: list[str], n_trainings: int
) -> None:
    vectors, contexts, probabilities = trained
    published = post_process([(vectors, contexts)] * n_trainings, probabilities, steps).vectors
    assert published.shape[1] == published_dim(6, n_trainings, steps)


def test_no_steps_leave_the_vectors_as_they_are(trained: tuple[Matrix, Matrix, NDArray[np.float64]]) -> None:
    vectors, contexts, probabilities = trained
    published = post_process([(vectors, contexts)], probabilities, []).vectors
    np.testing.assert_array_equal(published[4:], vectors[4:])
    assert not published[:4].any()


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_whitening_is_zipfian_whitening(trained: tuple[Matrix, Matrix, NDArray[np.float64]], exponent: float) -> None:
    vectors, contexts, probabilities = trained
    published = post_process([(vectors, contexts)], probabilities, ["add-contexts", f"whiten:{exponent}"]).vectors
    expected = zipfian_whitening(vectors + contexts, probabilities, exponent=exponent)
    np.testing.assert_allclose(published, expected, atol=2e-5)


def test_all_but_the_top_leaves_nothing_in_the_largest_directions(
    trained: tuple[Matrix, Matrix, NDArray[np.float64]],
) -> None:
    vectors, _, probabilities = trained
    before = np.linalg.eigvalsh(weighted_moments(vectors, probabilities)[1])
    published = post_process([(vectors, None)], probabilities, ["all-but-the-top:2"]).vectors
    mean, covariance = weighted_moments(published, probabilities)
    np.testing.assert_allclose(mean, 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance), [0, 0, *before[:4]], atol=1e-4)


def test_steps_in_a_row_are_each_done_to_the_outcome_of_the_last(
    trained: tuple[Matrix, Matrix, NDArray[np.float64]],
) -> None:
    vectors, _, probabilities = trained
    first = post_process([(vectors, None)], probabilities, ["all-but-the-top:1"]).vectors
    second = post_process([(first, None)], probabilities, ["whiten:0.5", "unit"]).vectors
    at_once = post_process([(vectors, None)], probabilities, ["all-but-the-top:1", "whiten:0.5", "unit"])
    np.testing.assert_allclose(at_once.vectors, second, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(at_once.vectors[4:], axis=1), 1, atol=1e-6)


def test_the_transform_puts_an_unseen_vector_through_the_same_steps(
    trained: tuple[Matrix, Matrix, NDArray[np.float64]],
) -> None:
    vectors, _, probabilities = trained
    processed = post_process([(vectors, None)], probabilities, ["whiten:0.5", "unit"])
    assert processed.transform is not None
    np.testing.assert_allclose(processed.transform.apply(vectors[9:12]), processed.vectors[9:12], atol=1e-6)
    mean_of_parts = processed.transform.affine(vectors[4:8]).mean(axis=0, keepdims=True)
    np.testing.assert_allclose(
        unit_rows(mean_of_parts), processed.transform.apply(vectors[4:8].mean(axis=0, keepdims=True)), atol=1e-5
    )


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (["centre", "add-contexts"], "'add-contexts' is the first one"),
        (["center"], "unknown step 'center'"),
    ],
)
def test_wrong_steps_are_refused(
    trained: tuple[Matrix, Matrix, NDArray[np.float64]], steps: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        post_process([trained[:2]], trained[2], steps)


def test_contexts_that_were_not_trained_cannot_be_added(
    trained: tuple[Matrix, Matrix, NDArray[np.float64]],
) -> None:
    with pytest.raises(ValueError, match="were not trained"):
        post_process([(trained[0], None)], trained[2], ["add-contexts"])


def test_joined_tables_give_the_mean_of_their_cosines(trained: tuple[Matrix, Matrix, NDArray[np.float64]]) -> None:
    vectors, contexts, probabilities = trained
    joined = post_process([(vectors, contexts)], probabilities, ["join-contexts", "whiten:0.5", "unit", "join"])
    alone = [post_process([(x, None)], probabilities, ["whiten:0.5", "unit"]).vectors for x in (vectors, contexts)]
    assert joined.vectors.shape == (500, 12)
    assert joined.transform is None
    published = unit_rows(joined.vectors)
    cosines = [x[9] @ x[10] for x in alone]
    assert published[9] @ published[10] == pytest.approx(np.mean(cosines), abs=1e-5)


def test_two_trainings_are_put_side_by_side(trained: tuple[Matrix, Matrix, NDArray[np.float64]]) -> None:
    vectors, contexts, probabilities = trained
    both = post_process([(vectors, None), (contexts, None)], probabilities, ["centre"])
    np.testing.assert_allclose(
        both.vectors[4:, :6], zipfian_whitening(vectors, probabilities, exponent=0)[4:], atol=1e-4
    )
    assert both.vectors.shape == (500, 12)


def test_reducing_keeps_products_where_little_is_lost_and_is_part_of_the_transform(
    trained: tuple[Matrix, Matrix, NDArray[np.float64]],
) -> None:
    vectors, _, probabilities = trained
    flat = np.hstack([vectors, vectors @ np.ones((6, 3), dtype=np.float32)])  # 9 columns of rank 6
    reduced = post_process([(flat, None)], probabilities, ["reduce:6"])
    np.testing.assert_allclose(
        reduced.vectors[4:9] @ reduced.vectors[4:9].T, flat[4:9] @ flat[4:9].T, rtol=1e-4, atol=1e-2
    )
    assert reduced.transform is not None
    np.testing.assert_allclose(reduced.transform.apply(flat[4:9]), reduced.vectors[4:9], atol=1e-3)
    assert post_process([(vectors, None)], probabilities, ["reduce:99"]).vectors.shape == (500, 6)
