"""Association tests: the built-in lists and the file of a user."""

import pytest

from embedpipe.errors import InputError
from embedpipe.tasks.associations import Associations, WordSet
from embedpipe.tasks.builtin import check_tasks, find_task
from embedpipe.tasks.files import read_task

OWN = """set\tword
target_a: rivers\tRhine
target_a\tNile
target_b: hills\tBrocken
attribute_a\twet
attribute_b: dry things\tdry
attribute_b: dry things\tsandy
"""


def write(tmp_path, text):
    path = tmp_path / "mine.tsv"
    path.write_text(text)
    return path


def test_the_built_in_lists_are_as_long_as_the_paper_has_them():
    task = find_task("weat")
    assert isinstance(task, Associations)
    sizes = {test.name: [len(of.words) for of in (*test.targets, *test.attributes)] for test in task.tests}
    assert sizes == {
        "WEAT 1": [25, 25, 25, 25],
        "WEAT 2": [25, 25, 25, 25],
        "WEAT 6": [8, 8, 8, 8],
        "WEAT 7": [8, 8, 8, 8],
        "WEAT 8": [8, 8, 8, 8],
        "WEAT 9": [6, 6, 7, 7],
        "WEAT 10": [8, 8, 8, 8],
    }
    for test in task.tests:
        (one, two), (three, four) = test.targets, test.attributes
        assert len({*one.words, *two.words}) == len(one.words) + len(two.words)
        assert len({*three.words, *four.words}) == len(three.words) + len(four.words)
        assert not any("," in of.name for of in (one, two, three, four))


def test_a_file_of_ones_own(tmp_path):
    task = read_task(write(tmp_path, OWN))
    assert isinstance(task, Associations)
    (test,) = task.tests
    assert (task.name, test.name) == ("mine", "mine")
    assert test.targets == (WordSet("rivers", ("Rhine", "Nile")), WordSet("hills", ("Brocken",)))
    assert test.attributes == (WordSet("attribute a", ("wet",)), WordSet("dry things", ("dry", "sandy")))
    assert test.described == "rivers, hills / attribute a, dry things"


WRONG = {
    "unknown set": (OWN + "target_c\tx\n", ":8:", "no set 'target_c'; a set is one of target_a, target_b"),
    "near set": (OWN + "atribute_b\tx\n", ":8:", "did you mean 'attribute_b'?"),
    "two names": (OWN + "target_a: lakes\tErie\n", ":8:", "is called 'rivers' further up and 'lakes' here"),
    "twice": (OWN + "target_a\tNile\n", ":8:", "the word 'Nile' stands in target_a already"),
    "missing": ("set\tword\ntarget_a\tx\nattribute_b\ty\n", "", "no words for target_b, attribute_a"),
    "columns": (OWN + "target_a\n", ":8:", "expected 2 tab-separated columns (set, word), found 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_place(tmp_path, case):
    content, place, message = WRONG[case]
    path = write(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_task(path)
    assert str(caught.value).startswith(f"{path}{place}")
    assert message in str(caught.value)


def test_geometry_is_a_name_that_a_run_may_be_given():
    check_tasks(["geometry", "weat", "documents"])
    with pytest.raises(InputError, match="with a bundle at hand"):
        find_task("geometry")
