"""The built-in tasks are what their publications say they are."""

import subprocess
import sys

import numpy as np
import pytest

from embedpipe.errors import InputError
from embedpipe.tasks.builtin import find_task


def test_word_similarity_sets():
    wordsim, simlex = find_task("wordsim353"), find_task("simlex999")
    assert (len(wordsim.pairs), len(simlex.pairs)) == (353, 999)
    assert simlex.pairs[0] == ("old", "new")
    assert simlex.scores[0] == 1.58
    assert wordsim.scores.max() <= 10


def test_analogies():
    task = find_task("analogies")
    assert sum(len(questions) for questions in task.sections.values()) == 19_544
    assert sum(name.startswith("gram") for name in task.sections) == 9
    assert task.sections["family"][0] == ("boy", "girl", "brother", "sister")


def test_lee():
    task = find_task("lee")
    assert len(task.texts) == 50
    upper = task.scores[np.triu_indices(50, 1)]
    assert upper.min() > 0
    assert upper.max() <= 1
    assert task.scores[0, 1] == 0.3


def test_a_path_is_read_as_a_file(tmp_path):
    path = tmp_path / "own.tsv"
    path.write_text("label\ttext\na\tx\nb\ty\n")
    assert find_task(str(path)).labels == ["a", "b"]


def test_unknown_names():
    with pytest.raises(InputError, match=r"did you mean 'wordsim353'\?"):
        find_task("wordsim")
    with pytest.raises(InputError, match="neither a file nor a built-in name"):
        find_task("/nowhere/x.tsv")
    with pytest.raises(InputError, match="prepared corpus"):
        find_task("documents")


def test_gensim_is_not_imported():
    code = "import sys; from embedpipe.tasks.builtin import find_task; find_task('lee'); print('gensim' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
