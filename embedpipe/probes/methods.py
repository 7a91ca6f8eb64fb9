"""What a bundle rests on: the methods that made and measured it, to be cited, and what it is not fit for."""

import math
from collections.abc import Mapping
from typing import Any

from embedpipe.probes.report.content import ReportContent
from embedpipe.probes.rows import chosen_on

__all__ = ["limits", "methods"]

_TRAINERS = {
    "word2vec": "word vectors: Mikolov et al. (2013), Distributed representations of words and phrases",
    "fasttext": "word vectors: Bojanowski et al. (2017), Enriching word vectors with subword information",
}
_STEPS = {
    "whiten": "whitening under word frequencies: Yokoi et al. (2024), Zipfian whitening",
    "all-but-the-top": "removal of common directions: Mu and Viswanath (2018), All-but-the-top",
    "join": "joining of trainings: Yin and Schütze (2016), Learning word meta-embeddings",
}
_TESTS = {
    "t across folds": "test across folds: Nadeau and Bengio (2003), Inference for the generalization error",
    "McNemar": "paired test of answers: McNemar (1947), Note on the sampling error of the difference between "
    "correlated proportions",
}
_MADE = ("length", "word-content", "bigram-shift", "odd-word")
_MEASURES = {
    "IsoScore": "evenness of a space: Rudman et al. (2022), IsoScore",
    "partition ratio": "isotropy by the partition function: Mu and Viswanath (2018), All-but-the-top",
    "hubness": "hubs: Radovanović et al. (2010), Hubs in space",
}


def methods(content: ReportContent) -> list[str]:
    """Return the methods that a bundle rests on with author and year, those that it does not use left out.

    Examples
    --------
    >>> training = {"words": {"summary": "", "result": {"trainer": "fasttext", "steps": ["whiten:0.5"]}}}
    >>> [line.split(":")[0] for line in methods(ReportContent("b", {}, training=training))]
    ['word vectors', 'whitening under word frequencies']
    """
    results = {stage: record["result"] for stage, record in content.training.items()}
    words, found = results.get("words", {}), content.findings
    said = [_TRAINERS[words["trainer"]]] if words.get("trainer") in _TRAINERS else []
    used = {step.partition(":")[0] for step in words.get("steps", ())}
    said += [line for step, line in _STEPS.items() if step in used]
    if "sentences" in results:
        said.append("start of the sentence encoder: Arora et al. (2017), A simple but tough-to-beat baseline")
    if "kneser_ney_perplexity" in results.get("generation", {}):
        said.append("n-grams beside the generator: Chen and Goodman (1999), An empirical study of smoothing techniques")
    tests = " ".join({row.test for row in found.rows})
    said += [line for test, line in _TESTS.items() if test in tests]
    if any(row.task in _MADE for row in found.rows):
        said.append("tasks made of the text: Conneau et al. (2018), What you can cram into a single vector")
    if found.rows:
        said.append("correction for several tasks: Holm (1979); effect sizes: Cohen (1988); intervals: Wilson (1927)")
    if found.leaks:
        said.append("near duplicates: Broder (1997), On the resemblance and containment of documents")
    if found.associations:
        said.append("bias: Caliskan et al. (2017), Semantics derived automatically from language corpora")
    measures = {name for facts in found.geometry.values() for name in facts}
    said += [line for measure, line in _MEASURES.items() if measure in measures]
    if any(one.texts for one in found.maps):
        said.append("maps: van der Maaten and Hinton (2008), Visualizing data using t-SNE")
    return said


def limits(content: ReportContent) -> list[str]:
    """Return what a user of the bundle must know before relying on it, in sentences."""
    said = []
    train = content.corpus.get("train")
    if isinstance(train, Mapping):
        said.append(
            f"It was learnt from {train.get('tokens', 0):,} tokens of one corpus; of what that text does not speak of, "
            "it knows nothing."
        )
    if unknown := _unknown(content.corpus):
        said.append(unknown)
    if chosen := chosen_on(content.rows):
        said.append(
            f"Its settings were chosen on {', '.join(chosen)}: its figures there are higher than they would be on sets "
            "that had no part in the choice."
        )
    if "generation" in content.training:
        said.append("Generated text is fluent at best, never to be taken for true.")
    said.append(
        "Vectors carry the associations of their text, those between people and roles too; test before they take part "
        "in decisions on people."
    )
    if any(one.kind == "sentence" and one.texts for one in content.findings.maps):
        said.append(
            "probes.json and report.html show sentences of the held-out text as they stand; made with "
            "--set probes.map_sentences=0 they show none."
        )
    return said


def _unknown(corpus: Mapping[str, Any]) -> str:
    test = corpus.get("test")
    rate = test.get("unknown_rate", math.nan) if isinstance(test, Mapping) else math.nan
    return "" if math.isnan(rate) else f"Of the words of held-out text {rate:.1%} are outside its vocabulary."
