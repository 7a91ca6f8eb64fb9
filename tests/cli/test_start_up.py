"""What the command line imports, how it fails, and how it ends."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "gensim",
    "sklearn",
    "scipy",
    "pydantic",
    "nltk",
    "accelerate",
    "rich",
    "datasketch",
    "jieba",
    "optuna",
)
VERBS = (
    "run",
    "train",
    "tune",
    "similar",
    "analogy",
    "compare",
    "encode",
    "generate",
    "sample",
    "interpolate",
    "probe",
    "report",
    "info",
    "verify",
    "export",
    "import",
)


def run(*args: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys\n"
        "from embedpipe.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print('IMPORTED', *sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)\n"
    )
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)


def heavy_imports(stderr: str) -> set[str]:
    return set(stderr.rsplit("IMPORTED", 1)[1].split()) & set(HEAVY)


def test_help_imports_nothing_heavy() -> None:
    result = run("--help")
    assert result.returncode == 0
    assert heavy_imports(result.stderr) == set()
    assert "numpy" not in result.stderr
    for verb in (*VERBS, "corpora"):
        assert f"\n  {verb} " in result.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_is_light_and_holds_an_example(verb: str) -> None:
    result = run(verb, "--help")
    assert result.returncode == 0
    assert heavy_imports(result.stderr) == set()
    assert f"embedpipe {verb} " in result.stdout


def test_a_query_imports_nothing_heavy(toy_bundle) -> None:
    for args in (
        ["similar", str(toy_bundle.path), "king"],
        ["similar", str(toy_bundle.path), "king", "--why"],
        ["analogy", str(toy_bundle.path), "father", "mother", "uncle"],
        ["compare", str(toy_bundle.path), "king", "queen"],
        ["info", str(toy_bundle.path)],
        ["verify", str(toy_bundle.path)],
    ):
        result = run(*args)
        assert result.returncode == 0, result.stderr
        assert heavy_imports(result.stderr) == set()


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["runn"], 2, "No such command 'runn'"),
        (["similar"], 2, "Missing argument 'BUNDLE'"),
        (["similar", "no.bundle", "king"], 1, "Error: no.bundle: no such bundle; make one with: embedpipe run"),
        (["run", "x.txt", "-o", "x.bundle", "--set", "words.epoch=3"], 2, "did you mean 'words.epochs'?"),
        (["run", "x.txt", "-o", "x.bundle", "--stages", "wrods"], 2, "unknown stage 'wrods'"),
    ],
)
def test_errors_are_one_message_and_an_exit_code(args: list[str], code: int, message: str, tmp_path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "embedpipe", *args], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_debug_shows_the_traceback(tmp_path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "embedpipe", "--debug", "info", "none"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "BundleError" in result.stderr
