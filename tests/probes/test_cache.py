"""What was measured comes back, under a key that changes with all that the figures depend on and with nothing else."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from embedpipe.bundle.manifest import FileEntry, Manifest
from embedpipe.probes import cache
from embedpipe.probes.cache import ProbeCache, cache_folder, cache_key
from embedpipe.probes.findings import Findings, Leak
from embedpipe.probes.measure import MeasureSettings
from embedpipe.probes.rows import Row, skipped

FILES = {
    name: FileEntry(1, "0" * 64)
    for name in ("words.safetensors", "encoder/config.json", "generator/config.json", "tokenizer_spec.json")
}
MANIFEST = Manifest("x", "x", "tiny", 1, False, "", [], {}, {}, {}, FILES)
TASK = {"name": "a", "content": "b"}
FINDINGS = Findings(
    rows=[skipped("a", "spearman", "x"), Row("b", "accuracy", 0.5, 0.1, math.nan, 3, 1.0, None, 0.1, 0.2, "words")],
    leaks=[Leak("a", "training text", 1, 2, 3, ("x",))],
)


def changed(name: str) -> Manifest:
    return replace(MANIFEST, files={**FILES, name: FileEntry(1, "1" * 64)})


def test_findings_come_back(tmp_path: Path) -> None:
    kept = ProbeCache(tmp_path / "not" / "there")
    assert kept.get("key") is None
    kept.put("key", FINDINGS)
    found = kept.get("key")
    assert found is not None
    assert found.as_dict() == FINDINGS.as_dict()
    assert [path.name for path in kept.folder.iterdir()] == ["key.json"]


@pytest.mark.parametrize("content", ["", "{", '{"rows": [3]}', "[1]"])
def test_a_damaged_file_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "key.json").write_text(content)
    kept = ProbeCache(tmp_path)
    assert kept.get("key") is None
    kept.put("key", FINDINGS)
    assert kept.get("key") is not None


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ProbeCache(tmp_path)
    kept.put("key", FINDINGS)

    def full(path: Path, findings: Findings) -> None:
        path.write_text("{")
        raise OSError("no space left on device")

    monkeypatch.setattr(cache, "write_findings", full)
    with pytest.raises(OSError, match="no space"):
        kept.put("key", Findings())
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]
    found = kept.get("key")
    assert found is not None
    assert len(found.rows) == 2


def test_the_key_follows_all_that_figures_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = MeasureSettings()
    key = cache_key(MANIFEST, TASK, settings)
    assert key == cache_key(replace(MANIFEST, command="y", scores={"a": 1.0}), dict(reversed(TASK.items())), settings)
    assert key == cache_key(changed("generator/config.json"), TASK, settings)
    others = {
        cache_key(changed("words.safetensors"), TASK, settings),
        cache_key(changed("encoder/config.json"), TASK, settings),
        cache_key(changed("tokenizer_spec.json"), TASK, settings),
        cache_key(MANIFEST, {**TASK, "content": "c"}, settings),
        cache_key(MANIFEST, TASK, replace(settings, seed=2)),
        cache_key(MANIFEST, TASK, replace(settings, bootstrap=99)),
        cache_key(MANIFEST, TASK, settings, ["rival"]),
    }
    monkeypatch.setattr(cache, "_version", lambda library: "99")
    others.add(cache_key(MANIFEST, TASK, settings))
    monkeypatch.setattr(cache, "code_fingerprint", lambda: "other code")
    others.add(cache_key(MANIFEST, TASK, settings))
    assert len(others | {key}) == 10


def test_the_code_is_all_that_vectors_and_figures_are_made_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def printed(changed: str = "") -> str:
        for name in ("words/bag.py", "probes/rows.py", "loading.py", "cli/probe.py", "generation/search.py"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("new" if name == changed else "old")
        return cache.code_fingerprint.__wrapped__()

    monkeypatch.setattr(cache, "_PACKAGE", tmp_path)
    same = printed()
    assert printed("cli/probe.py") == printed("generation/search.py") == same
    assert len({same, printed("words/bag.py"), printed("probes/rows.py"), printed("loading.py")}) == 4


def test_the_folder_is_beside_the_bundle_or_in_the_cache_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bundle = tmp_path / "a.bundle"
    assert cache_folder(bundle) == tmp_path / "cache" / "embedpipe" / "probes"
    (tmp_path / "a.bundle.work").mkdir()
    assert cache_folder(bundle) == tmp_path / "a.bundle.work" / "probes.cache"
    monkeypatch.setattr(cache.os, "access", lambda path, mode: False)
    assert cache_folder(bundle) == tmp_path / "cache" / "embedpipe" / "probes"
