"""What a user names to stand beside a bundle: what is taken, what is refused, and with which words."""

from dataclasses import dataclass

import numpy as np
import pytest

from embedpipe.bundle.folder import sha256_of
from embedpipe.config import ProbesConfig
from embedpipe.errors import InputError
from embedpipe.probes.baselines import Rival
from embedpipe.probes.measure import MeasureSettings
from embedpipe.probes.rivals import named_rivals, read_rival, rival_fingerprint, with_rivals
from embedpipe.probes.run import probe_bundle, run_probes
from embedpipe.tasks.shapes import Classification, SentenceSimilarity, WordSimilarity
from embedpipe.words.bag import BagEncoder, fit_bag, plain_average
from embedpipe.words.lookup import Lookup
from embedpipe.words.table import WordVectors

PAIRS = SentenceSimilarity("pairs", ["a", "b", "c"], ["d", "e", "f"], np.arange(3.0))


@dataclass
class Halfway:
    """A bundle that has words and no encoder."""

    codec: object
    words: object
    bag: object
    parts: tuple = ("words.safetensors",)

    @property
    def lookup(self):
        return Lookup(self.words)


@pytest.fixture
def bundle(planted):
    bag = fit_bag(planted.vectors, planted.vocabulary.probabilities, 1e-3)
    return Halfway(planted.codec, WordVectors(planted.vocabulary, planted.vectors), bag)


def resolve(planted, thing, tasks=(), name="other"):
    return with_rivals(planted.subject(), {name: thing}, tasks).against[name]


def test_a_matrix_of_tokens_is_words_and_their_plain_average(planted):
    matrix = np.random.default_rng(0).normal(size=(len(planted.vocabulary), 5))
    rival = resolve(planted, matrix, [PAIRS])
    assert rival.words.vectors.dtype == np.float32
    assert np.allclose(rival.words.vectors, matrix)
    texts = ["sea0 sea1", "war3"]
    expected = BagEncoder(planted.codec, plain_average(matrix.astype(np.float32))).encode(texts)
    assert np.array_equal(rival.encoder.encode(texts), expected)


def test_a_matrix_of_texts_is_in_the_order_of_the_columns(planted):
    matrix = np.arange(12).reshape(6, 2)
    rival = resolve(planted, matrix, [PAIRS])
    assert rival.words is None
    assert rival.encoder.encode(["d", "a", "f"]).tolist() == [[6, 7], [0, 1], [10, 11]]
    with pytest.raises(InputError, match=r"'other' has rows for the texts of one task, and 1 of 2 texts .* 'new'"):
        rival.encoder.encode(["a", "new"])


def test_a_matrix_that_fits_nothing_says_what_would_fit(planted):
    n = len(planted.vocabulary)
    with pytest.raises(InputError, match=rf"'other' has 7 rows; expected {n}, one for each token .* or 6, .* of pairs"):
        resolve(planted, np.zeros((7, 2)), [PAIRS])
    with pytest.raises(InputError, match="with one task of texts"):
        resolve(planted, np.zeros((6, 2)), [PAIRS, PAIRS])
    texts = [str(i) for i in range(n)]
    with pytest.raises(InputError, match="a row for each token, or for each text"):
        resolve(planted, np.zeros((n, 2)), [Classification("c", texts, texts)])


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        ([[1.0], [np.nan]], "1 of 2 rows that hold NaN or infinity, the first is row 1"),
        ([[1e39], [1.0]], "1 of 2 rows that hold NaN or infinity"),
        ([[1.0]], r"an array of shape \(1, 1\); expected \(2, dim\)"),
        ([1.0, 2.0], r"an array of shape \(2,\)"),
        (np.zeros((2, 0)), r"an array of shape \(2, 0\)"),
        ([["a"], ["b"]], "values of type <U1; expected real numbers"),
        ([[1j], [0]], "values of type complex128"),
        ([[1, 2], [3]], "rows of different lengths"),
        (None, r"an array of shape \(\)"),
    ],
)
def test_what_a_function_returns_is_checked_under_its_name(planted, found, complaint):
    encoder = resolve(planted, lambda texts: found).encoder
    with pytest.raises(InputError, match=f"'other' gave {complaint}"):
        encoder.encode(["x", "y"])


def test_a_function_that_fails_is_named(planted):
    def broken(texts):
        raise KeyError("nothing\nhere")

    with pytest.raises(InputError, match="'other' failed on 2 texts: KeyError"):
        resolve(planted, broken).encoder.encode(["x", "y"])


def test_an_object_that_encodes_and_a_rival_made_by_hand(planted, bundle):
    bag = BagEncoder(planted.codec, plain_average(planted.vectors))
    assert np.array_equal(resolve(planted, bag).encoder.encode(["sea0"]), bag.encode(["sea0"]))
    made = Rival(encoder=bag)
    assert resolve(planted, made) is made
    assert resolve(planted, bundle.words).words is bundle.words
    of_bundle = resolve(planted, bundle)
    assert of_bundle.words is bundle.words
    assert np.array_equal(of_bundle.encoder.encode(["sea0"]), BagEncoder(planted.codec, bundle.bag).encode(["sea0"]))


@pytest.mark.parametrize(
    ("thing", "complaint"), [(BagEncoder, "is a class"), (3, "of type int"), ("x.npy", "type str")]
)
def test_what_cannot_encode(planted, thing, complaint):
    with pytest.raises(InputError, match=complaint):
        resolve(planted, thing)


def test_a_name_that_tables_have_already(planted):
    with pytest.raises(InputError, match="'tf-idf' is the name of a system"):
        resolve(planted, len, name="tf-idf")


def test_names_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "probe_me_by_name.py").write_text(
        "class Model:\n    def encode(self, texts):\n        return [[1.0]] * len(texts)\nmodel = Model()\n"
    )
    matrix = np.arange(6.0).reshape(3, 2)
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "rows.npy", matrix, allow_pickle=False)
    (tmp_path / "y" / "x").mkdir()
    found = named_rivals(
        ["x/rows.npy", "y/rows.npy", "probe_me_by_name:model.encode", "x"], lambda path: f"opened {path}"
    )
    assert list(found) == ["x/rows.npy", "y/rows.npy", "probe_me_by_name:model.encode", "x"]
    beside = named_rivals(["x", "y/x"], lambda path: f"opened {path}", tmp_path / "other" / "x")
    assert list(beside) == [f"{tmp_path.name}/x", "y/x"]
    assert np.array_equal(found["x/rows.npy"], matrix)
    assert found["probe_me_by_name:model.encode"](["a"]) == [[1.0]]
    assert found["x"] == "opened x"
    assert rival_fingerprint("x/rows.npy") == rival_fingerprint("y/rows.npy") == sha256_of(tmp_path / "x" / "rows.npy")
    assert rival_fingerprint("probe_me_by_name:model") is None


def test_names_that_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "broken.npy").write_text("x")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    for spec, complaint in {
        "notes.txt": "notes.txt: is a file, but no .npy; expected the folder of a bundle",
        "broken.npy": "broken.npy: cannot be read as a .npy",
        "objects.npy": "objects.npy: cannot be read as a .npy",
        "gone.npy": "gone.npy: no such file or folder",
        "no_such_module_here:encode": "cannot be imported: No module named 'no_such_module_here'",
        "json:no_such_function": "cannot be imported: .*no_such_function",
    }.items():
        with pytest.raises(InputError, match=complaint):
            read_rival(spec, lambda path: None)


def test_rivals_stand_in_every_table(planted, bundle, tmp_path):
    """The same vectors again are a rival that is no different; noise is one that is worse, and is found to be."""
    noise = np.random.default_rng(1).normal(size=planted.vectors.shape)
    texts = [planted.sentence(np.random.default_rng(i), "sea") for i in range(30)]
    lines = [f"{i % 5}\t{one}\t{other}" for i, (one, other) in enumerate(zip(texts, texts[::-1], strict=True))]
    (tmp_path / "pairs.tsv").write_text("\n".join(["score\ttext_a\ttext_b", *lines]))
    config = ProbesConfig(tasks=(str(tmp_path / "pairs.tsv"),), bootstrap=100)
    against = {"again": planted.vectors, "noise": noise, "lengths": lambda texts: [[len(text), 1] for text in texts]}
    rows = probe_bundle(bundle, None, config, seed=1, against=against).rows
    assert {"again", "noise", "lengths"} <= {row.baseline for row in rows}

    pairs = [
        (f"{a}{i}", f"{b}{j}") for a in ("sea", "war") for b in ("sea", "war") for i in range(5) for j in range(5, 9)
    ]
    scores = np.array([float(one[:3] == other[:3]) for one, other in pairs])
    subject = with_rivals(planted.subject(), against, [])
    rows = run_probes(subject, [WordSimilarity("alike", pairs, scores)], MeasureSettings(bootstrap=200))
    beside = {row.baseline: row for row in rows}
    assert list(beside) == ["spelling", "random vectors", "again", "noise"]
    assert beside["again"].baseline_value == beside["again"].value
    assert beside["again"].p_value == 1.0
    assert beside["noise"].p_value < 0.02
    assert beside["noise"].difference_low > 0.3
    assert {row.metric for row in rows} == {"spearman"}
