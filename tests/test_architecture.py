"""The rules of the house that a linter does not know."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import embedpipe

PACKAGE = Path(embedpipe.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

ALLOWED = {
    "gensim": (
        "words/gensim_model.py",
        "integrations/gensim.py",
        "text/read_named.py",
        "text/markup.py",
        "text/phrases.py",
    ),
    "torch": ("nn/", "sentences/", "generation/", "integrations/", "runtime.py"),
    "sklearn": ("probes/", "integrations/"),
    "pydantic": ("config/",),
    "jieba": ("text/",),
    "nltk": ("text/",),
    "rich": ("cli/progress.py",),
    "optuna": ("pipeline/tune_study.py",),
    "pickle": (),
    "marshal": (),
    "shelve": (),
    "dill": (),
    "joblib": ("integrations/",),
}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    name = path.relative_to(PACKAGE).as_posix()
    assert len(source.splitlines()) <= 400, "would two files read better?"
    assert ast.get_docstring(tree), "a file says in its first lines what it is for"
    for library in imports(tree):
        if library in ALLOWED:
            assert name.startswith(ALLOWED[library]), f"{library} is not imported in this room"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.args.kwarg is None, f"{node.name} takes **{node.args.kwarg and node.args.kwarg.arg}"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "torch.load", "os.system"}, f"{called}() is not used here"
            if called == "print":
                assert name.startswith("cli/"), "only the command line prints"
            if called in {"np.load", "np.save"}:
                assert any(k.arg == "allow_pickle" and ast.unparse(k.value) == "False" for k in node.keywords)
            assert not any(k.arg == "shell" for k in node.keywords), "no shell"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, "a bare except hides what is wrong"


def test_public_surface() -> None:
    assert embedpipe.__all__ == sorted(embedpipe.__all__)
    for name in embedpipe.__all__:
        public = getattr(embedpipe, name)
        assert isinstance(public, str) or public.__doc__, f"{name} has no docstring"
    with pytest.raises(AttributeError, match="has no attribute 'lood'"):
        embedpipe.lood  # noqa: B018


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_exports_exist_and_are_documented(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    exported = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    if not exported:
        assert path.name in ("__init__.py", "__main__.py"), "a module names what it exports"
        return
    names = exported[0]
    assert len(set(names)) == len(names), "a name is exported twice"
    defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    module = import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"))
    for name in names:
        assert hasattr(module, name), f"{name} is exported but not defined"
        if name in defined:
            assert ast.get_docstring(defined[name]), f"{name} is public and has no docstring"
