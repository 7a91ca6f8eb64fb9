"""Files of categories, outliers, relations and sources."""

import pytest

from embedpipe.errors import InputError
from embedpipe.tasks.files import read_task
from embedpipe.tasks.shapes import Categories, Outliers, OutlierSet, Relations, SentenceSimilarity


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "mine.tsv"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_categories(write):
    task = read_task(write("word\tcategory\ncat \tanimal\noak\ttree\ncat\ttool\n"))
    assert isinstance(task, Categories)
    assert (task.name, task.words, task.categories) == ("mine", ["cat", "oak", "cat"], ["animal", "tree", "tool"])


def test_outliers_by_set_in_any_order(write):
    task = read_task(
        write("set\tword\toutlier\nb\tcat\tno\nc\tred\tno\nb\tdog\tNo\nb\toak\tyes\nc\tblue\tno\nc\tcat\tyes\n")
    )
    assert isinstance(task, Outliers)
    assert task.sets == [OutlierSet("b", ("cat", "dog"), ("oak",)), OutlierSet("c", ("red", "blue"), ("cat",))]


def test_relations(write):
    task = read_task(write("word_a\trelation\tword_b\ncat\thyper\tanimal\ncat\trandom-n\tlaw\n"))
    assert isinstance(task, Relations)
    assert (task.concepts, task.relations, task.words) == (["cat", "cat"], ["hyper", "random-n"], ["animal", "law"])


def test_pairs_of_texts_with_their_source(write):
    task = read_task(write("score\ttext_a\ttext_b\tsource\n1\ta\tb\tnews\n2\tc\td\t forum\n"))
    assert isinstance(task, SentenceSimilarity)
    assert (task.texts_b, task.sources) == (["b", "d"], ["news", "forum"])
    with_none = read_task(write("score\ttext_a\ttext_b\n1\ta\tb\n"))
    assert isinstance(with_none, SentenceSimilarity)
    assert with_none.sources is None


WRONG = {
    "one category": ("word\tcategory\na\tx\nb\tx\n", "", "every word is of the category 'x'"),
    "no yes or no": ("set\tword\toutlier\nb\tcat\tmaybe\n", ":2:", "the column outlier holds 'maybe'; write yes or no"),
    "twice": ("set\tword\toutlier\nb\tcat\tno\nb\tcat\tyes\n", ":3:", "'cat' stands in the set 'b' already, in line 2"),
    "no outlier": (
        "set\tword\toutlier\nx\tcat\tno\nx\tdog\tno\nx\toak\tyes\nb\tcat\tno\nb\tdog\tno\n",
        ":5:",
        "the set 'b' has 2 words that belong together and 0 outliers",
    ),
    "one member": ("set\tword\toutlier\nb\tcat\tno\nb\toak\tyes\n", ":2:", "1 words that belong together"),
    "one relation": ("word_a\trelation\tword_b\na\thyper\tb\n", "", "every row is of the relation 'hyper'"),
    "no source": ("score\ttext_a\ttext_b\tsource\n1\ta\tb\t \n", ":2:", "the column source is empty"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_place(write, case):
    content, place, message = WRONG[case]
    path = write(content)
    with pytest.raises(InputError) as caught:
        read_task(path)
    assert str(caught.value).startswith(f"{path}{place}")
    assert message in str(caught.value)


def test_the_known_headers_are_named(write):
    with pytest.raises(
        InputError, match="word category; set word outlier; word_a relation word_b; score text_a text_b"
    ):
        read_task(write("price\tid\n"))
