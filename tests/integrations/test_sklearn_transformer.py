"""The transformer in scikit-learn's own hands: clones, pickles, pipelines, grid searches, estimator checks."""

import json
import pickle
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import estimator_checks

from embedpipe.errors import BundleError
from embedpipe.integrations.sklearn import SentenceVectorizer

ROYAL = ["the king lives in the palace", "the queen and the king", "the prince is in the palace", "a queen speaks"]
MEDICAL = ["the doctor sees a patient", "a nurse helps the doctor", "the patient is in the hospital", "a nurse speaks"]


@pytest.fixture(scope="module")
def path(toy_bundle) -> str:
    return str(toy_bundle.path)


@pytest.mark.parametrize("with_", ["sentences", "words"])
def test_transform_is_the_encoder(path: str, toy_bundle, with_: str) -> None:
    encoder = toy_bundle.encoder if with_ == "sentences" else toy_bundle.bag_encoder
    found = SentenceVectorizer(path, with_=with_).fit_transform(ROYAL)
    np.testing.assert_array_equal(found, encoder.encode(ROYAL))
    assert found.any()


def test_an_opened_bundle_is_shared_by_clones_and_left_out_of_pickles(toy_bundle) -> None:
    vectorizer = SentenceVectorizer(toy_bundle, with_="words")
    assert clone(vectorizer).bundle is toy_bundle
    content = pickle.dumps(vectorizer.fit(ROYAL))
    assert len(content) < 2_000
    restored = pickle.loads(content)
    assert restored.get_params() == {"bundle": str(toy_bundle.path), "with_": "words"}
    np.testing.assert_array_equal(restored.transform(ROYAL), vectorizer.transform(ROYAL))


def test_a_bundle_that_was_replaced_is_opened_anew(toy_bundle, tmp_path) -> None:
    path = tmp_path / "b"
    shutil.copytree(toy_bundle.path, path)
    vectorizer = SentenceVectorizer(str(path), with_="words").fit(ROYAL)
    assert vectorizer.transform(ROYAL).any()
    shutil.rmtree(path)
    shutil.copytree(toy_bundle.path, path)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"].pop("words.safetensors")
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"has no words\.safetensors"):
        vectorizer.transform(ROYAL)


def test_a_worker_process_opens_the_bundle_again(path: str, toy_bundle, tmp_path) -> None:
    content = tmp_path / "vectorizer.bin"
    content.write_bytes(pickle.dumps(SentenceVectorizer(path, with_="words").fit(ROYAL)))
    script = (
        "import json, pickle, sys; "
        f"vectorizer = pickle.load(open({str(content)!r}, 'rb')); "
        "print(json.dumps(vectorizer.transform(['the king']).tolist()))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    np.testing.assert_allclose(json.loads(printed), toy_bundle.bag_encoder.encode(["the king"]), atol=1e-7)


def test_grid_search_over_a_pipeline(path: str) -> None:
    texts, labels = ROYAL + MEDICAL, [0] * 4 + [1] * 4
    pipeline = Pipeline([("vectors", SentenceVectorizer(path)), ("classifier", LogisticRegression(C=100))])
    search = GridSearchCV(pipeline, {"vectors__with_": ["sentences", "words"], "classifier__C": [1.0, 100.0]}, cv=2)
    search.fit(texts, labels)
    assert len(search.cv_results_["params"]) == 4
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    assert search.score(texts, labels) == 1.0


def test_names_of_the_features_and_pandas_free_shapes(path: str) -> None:
    vectorizer = SentenceVectorizer(path, with_="words")
    names = vectorizer.get_feature_names_out()
    assert names[0] == "sentencevectorizer0"
    assert len(names) == vectorizer.transform([]).shape[1]
    array = np.array(ROYAL, dtype=object)
    np.testing.assert_array_equal(vectorizer.transform(array), vectorizer.transform(tuple(ROYAL)))


def test_what_is_not_a_list_of_texts_is_refused(path: str) -> None:
    vectorizer = SentenceVectorizer(path, with_="words")
    for method in (vectorizer.fit, vectorizer.transform):
        with pytest.raises(TypeError, match="wrap it in a list"):
            method("the king")
        with pytest.raises(TypeError, match="item 1 is float"):
            method(["the king", float("nan")])
        with pytest.raises(ValueError, match="flat sequence"):
            method(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="'lstm'"):
        SentenceVectorizer(path, with_="lstm").fit(ROYAL)  # type: ignore[arg-type]


EXPECTED_FAILED_CHECKS: dict[str, str] = {}
"""Name of a check to the reason why it cannot hold; every one that is not named here passes."""

CHECKS = [
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]
"""The checks that need no numeric matrix: check_estimator itself runs none on estimators that take texts."""


@pytest.mark.parametrize("name", CHECKS)
def test_estimator_checks(path: str, name: str) -> None:
    getattr(estimator_checks, name)("SentenceVectorizer", SentenceVectorizer(path, with_="words"))


def test_check_estimator(path: str) -> None:
    with warnings.catch_warnings():
        # It says that it has no numeric checks for estimators that take texts.
        warnings.simplefilter("ignore", SkipTestWarning)
        results = estimator_checks.check_estimator(
            SentenceVectorizer(path, with_="words"), expected_failed_checks=EXPECTED_FAILED_CHECKS, on_fail=None
        )
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert failed == {}
    assert any(result["status"] == "passed" for result in results)
