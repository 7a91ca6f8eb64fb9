"""Public tasks are fetched only with leave, checked, and written whole or not at all."""

import hashlib
import io
from dataclasses import replace
from email.message import Message
from pathlib import Path
from urllib.request import Request

import pytest

from embedpipe.errors import InputError, OutputError
from embedpipe.runtime import Event, Saved, StageStarted
from embedpipe.tasks import fetch
from embedpipe.tasks.catalogue import TaskCard, TaskPart, load_task_cards
from embedpipe.tasks.fetch import fetch_task
from embedpipe.tasks.files import read_task
from embedpipe.tasks.shapes import WordSimilarity

TRAIN, TEST = b"1\tgood day\n0\tbad day\n", b"1\tgood night\n0\t\n0\tbad night\n"
AT = "https://example.org/data/"
PART = TaskPart(to="train", address=AT + "a.tsv", columns={"label": 0, "text": 1})
CARD = TaskCard(
    "mood",
    "Mood",
    "classification",
    "en",
    "Y (2000)",
    homepage="https://example.org",
    parts=(PART, replace(PART, to="test", address=AT + "b.tsv")),
)


class Reply(io.BytesIO):
    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.headers = Message()
        self.headers["Content-Length"] = str(len(content))


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Addresses that answer, in place of the network."""
    answers = {AT + "a.tsv": TRAIN, AT + "b.tsv": TEST}

    def open_(request: Request, timeout: float) -> Reply:
        assert timeout > 0
        if request.full_url not in answers:
            raise OSError("not found")
        return Reply(answers[request.full_url])

    monkeypatch.setattr(fetch, "urlopen", open_)
    return answers


def test_a_task_is_written_as_task_files(net: dict[str, bytes], tmp_path: Path) -> None:
    events: list[Event] = []
    train, test = fetch_task(CARD, tmp_path / "new", download=True, listener=events.append)
    assert (train.path.name, train.rows, train.left_out) == ("mood_train.tsv", 2, 0)
    assert (test.path.name, test.rows, test.left_out) == ("mood_test.tsv", 2, 1)
    assert test.unchecked == ("b.tsv",)
    assert test.path.read_text() == "label\ttext\n1\tgood night\n0\tbad night\n"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["mood_test.tsv", "mood_train.tsv"]
    assert [event.total for event in events if isinstance(event, StageStarted)] == [len(TRAIN), len(TEST)]
    assert len([event for event in events if isinstance(event, Saved)]) == 2


def test_one_file_for_several_parts_is_downloaded_once(net: dict[str, bytes], tmp_path: Path) -> None:
    card = replace(CARD, parts=(PART, replace(PART, to="test")))
    asked: list[Event] = []
    fetch_task(card, tmp_path, download=True, listener=asked.append)
    assert len([event for event in asked if isinstance(event, StageStarted)]) == 1


def test_nothing_is_downloaded_without_leave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fetch, "urlopen", lambda *asked, timeout: pytest.fail("the network was used"))
    with pytest.raises(InputError, match=r"mood: is fetched from https://example\.org/data/a\.tsv, .*--download"):
        fetch_task(CARD, tmp_path)
    for card in load_task_cards().values():
        with pytest.raises(InputError, match=r"--download|--from FOLDER|describes no files"):
            fetch_task(card, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_checksums(net: dict[str, bytes], tmp_path: Path, algorithm: str) -> None:
    right = f"{algorithm}:{hashlib.new(algorithm, TRAIN).hexdigest()}"
    card = replace(CARD, parts=(replace(PART, checksum=right),))
    (fetched,) = fetch_task(card, tmp_path, download=True)
    assert fetched.unchecked == ()
    net[AT + "a.tsv"] = TEST
    with pytest.raises(InputError, match=f"has the {algorithm} .*, the card says .*: it is another file"):
        fetch_task(card, tmp_path / "again", download=True)
    assert list((tmp_path / "again").iterdir()) == []


def test_all_or_nothing(net: dict[str, bytes], tmp_path: Path) -> None:
    net[AT + "b.tsv"] = b"<html>moved</html>"
    with pytest.raises(InputError, match="expected 2 cells at least"):
        fetch_task(CARD, tmp_path, download=True)
    del net[AT + "b.tsv"]
    with pytest.raises(InputError, match=r"b\.tsv: cannot be fetched: not found; fetch it by hand \(https://example"):
        fetch_task(CARD, tmp_path, download=True)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_replaced(net: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "mood_test.tsv").write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        fetch_task(CARD, tmp_path, download=True)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        fetch_task(CARD, tmp_path / "file" / "below", download=True)


def test_from_a_folder_of_files_fetched_by_hand(tmp_path: Path) -> None:
    (source := tmp_path / "by hand").mkdir()
    (source / "EN-RG-65.txt").write_text("gem\tjewel\t3.94\nmidday\tnoon\t3.94\n")
    cards = load_task_cards()
    (fetched,) = fetch_task(cards["rg65"], tmp_path, source=source)
    task = read_task(fetched.path)
    assert isinstance(task, WordSimilarity)
    assert task.pairs == [("gem", "jewel"), ("midday", "noon")]
    with pytest.raises(InputError, match=r"EN-MC-30\.txt: is not there; it is at https://"):
        fetch_task(cards["mc30"], tmp_path, source=source)
