"""Every setting of the pipeline, one model per stage, and the presets that fill them.

Models are strict: an unknown key is an error that names the nearest known one. The filled configuration is saved with
the bundle as ``config.toml``. Nothing else in the package knows a default.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from embedpipe.errors import ConfigError
from embedpipe.presets import preset_settings
from embedpipe.settings import overlay

__all__ = [
    "STAGES",
    "GenerationConfig",
    "PipelineConfig",
    "PresetName",
    "ProbesConfig",
    "SentencesConfig",
    "TextConfig",
    "WordsConfig",
]

PresetName = Literal["auto", "tiny", "small", "medium", "base"]
_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
}
_STEP = re.compile(
    r"(?:add|join)-contexts|centre|all-but-the-top:[1-9]\d{0,3}|whiten:(?:0(?:\.\d+)?|1(?:\.0+)?)|unit|join|reduce:[1-9]\d{0,3}"
)
STAGES = ("text", "words", "sentences", "generation", "probes")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextConfig(_Strict):
    """Raw text to the token store."""

    encoding: str = "utf-8"
    encoding_errors: Literal["strict", "replace", "ignore"] = "strict"
    documents: Literal["auto", "blank", "line", "file"] = "auto"
    """What separates documents in plain text: blank lines, line ends, or nothing but the file."""
    case: Literal["lower", "keep"] = "lower"
    tokenizer: Literal["auto", "regex", "jieba", "bpe"] = "auto"
    bpe_size: int = Field(default=16_000, ge=300)
    min_count: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Times a token must be seen in the training split; auto is 2 below 200,000 tokens, 3 below 2 million, else 5."""
    max_size: int = Field(default=100_000, ge=10)
    """Most tokens in the vocabulary, the four specials not counted."""
    max_sentence: int = Field(default=1_000, ge=10, le=9_000)
    """Longest sentence in tokens; a longer one is cut and counted (gensim drops words past 10,000 in a passage)."""
    deduplicate: Literal["near", "exact", "none"] = "near"
    near_threshold: float = Field(default=0.8, gt=0, le=1)
    """Estimated Jaccard similarity of word 5-grams from which two documents are near-duplicates."""
    phrases: Literal["none", "pairs", "longer"] = "none"
    """Words that stand together far more often than apart become one token: in pairs, or in a second pass in up to
    four (Mikolov et al., 2013)."""
    phrases_min_count: int = Field(default=5, ge=1)
    """Times a phrase must be seen in the training split; never fewer than any other token of the vocabulary."""
    phrases_threshold: float = Field(default=0.5, gt=-1, le=1)
    """Normalised pointwise mutual information (Bouma, 2009) from which two words are a phrase."""
    continue_from: str = ""
    """Path of a bundle that goes on with this text: with its tokenizer, sentence ends, phrases, ids and vectors."""
    grow_vocabulary: bool = True
    """Let words of the new text into the vocabulary of a bundle that is continued."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the training documents that is used; a smaller one is a part of every larger one."""
    validation_share: float = Field(default=0.05, gt=0, lt=0.5)
    test_share: float = Field(default=0.05, gt=0, lt=0.5)
    max_held_out: int = Field(default=300_000, ge=1_000)
    """About the most tokens that validation and test each hold: of a large corpus a smaller share is enough."""

    @model_validator(mode="after")
    def _phrases_are_of_words(self) -> Self:
        if self.phrases != "none" and self.tokenizer == "bpe":
            raise ValueError("phrases are made of words, and bpe makes pieces of words; set phrases='none' with bpe")
        return self

    @model_validator(mode="after")
    def _half_is_left_for_training(self) -> Self:
        if self.validation_share + self.test_share > 0.5:
            raise ValueError(
                f"validation_share {self.validation_share} and test_share {self.test_share} leave less than half of "
                "the text for training; their sum is at most 0.5"
            )
        return self


class WordsConfig(_Strict):
    """Word2Vec (Mikolov et al., 2013) with gensim, and what is done to the vectors after it."""

    architecture: Literal["skipgram", "cbow"] = "skipgram"
    objective: Literal["negative", "hierarchical"] = "negative"
    dim: int = Field(default=200, ge=2, le=4096)
    window: int = Field(default=5, ge=1, le=1_000)
    negatives: int = Field(default=5, ge=1, le=1_000)
    epochs: int = Field(default=5, ge=0, le=10_000)
    subsample: float = Field(default=1e-4, ge=0, lt=1)
    learning_rate: float = Field(default=0.025, gt=0)
    min_learning_rate: float = Field(default=1e-4, gt=0)
    subwords: bool = False
    """Train fastText (Bojanowski et al., 2017) instead of Word2Vec: a word is also the sum of its character n-grams."""
    shortest_ngram: int = Field(default=3, ge=1, le=20)
    longest_ngram: int = Field(default=6, ge=1, le=20)
    buckets: int = Field(default=200_000, ge=1)
    """Rows of the table that n-grams are hashed into."""
    vectors: str = ""
    """Path of word vectors in another program's format to start from; with ``epochs=0`` they are kept as they are."""
    patience: int = Field(default=0, ge=0)
    """Epochs without a lower held-out loss after which training stops and the best epoch is kept; 0 never stops."""
    runs: int = Field(default=1, ge=1, le=100)
    """Seeds trained and averaged after alignment; from two on, every word's neighbours are compared between them."""
    bootstrap: bool = False
    """Each run is trained on documents drawn with replacement, so that stability speaks of the corpus too."""
    beside: Literal["none", "skipgram", "cbow"] = "none"
    """Architecture of a second training, with the same settings but these three, published beside the first."""
    beside_window: int = Field(default=5, ge=1, le=1_000)
    beside_negatives: int = Field(default=5, ge=1, le=1_000)
    beside_epochs: int = Field(default=5, ge=1, le=10_000)
    steps: tuple[str, ...] = ("whiten:0.5",)
    """What is done to the vectors before they are published, in this order: add-contexts, join-contexts, centre,
    all-but-the-top:N, whiten:EXPONENT, unit, join, reduce:N (see docs/words.md)."""
    keep_training: bool = True
    """Keep in the bundle what a later run needs to train on (raw word and context vectors)."""
    sif_a: float = Field(default=5e-4, gt=0)
    """Smoothing of the SIF weights a / (a + p(w)) (Arora et al., 2017)."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.shortest_ngram > self.longest_ngram:
            raise ValueError(f"shortest_ngram {self.shortest_ngram} is longer than longest_ngram {self.longest_ngram}")
        unknown = [step for step in self.steps if not _STEP.fullmatch(step)]
        if unknown:
            raise ValueError(
                f"unknown step '{unknown[0]}' in steps; use add-contexts, join-contexts, centre, all-but-the-top:N, "
                "whiten:EXPONENT (0 to 1), unit, join and reduce:N"
            )
        alone = self.steps[: self.steps.index("join")] if "join" in self.steps else self.steps
        for step in alone:
            if step.startswith("all-but-the-top:") and int(step.partition(":")[2]) >= self.dim:
                raise ValueError(f"the step '{step}' leaves nothing of {self.dim} dimensions")
        if self.runs > 1 and not self.epochs:
            raise ValueError("several runs of epochs=0 are all the same; leave runs at 1")
        with_contexts = [step for step in self.steps if step.endswith("-contexts")]
        if any(step in with_contexts for step in self.steps[1:]):
            raise ValueError(f"the step '{with_contexts[-1]}' is the first one in steps, and there is one of its kind")
        if self.vectors and not self.epochs and (with_contexts or self.beside != "none"):
            raise ValueError("epochs=0 takes one table from a file: without a training beside and steps with contexts")
        if with_contexts and self.objective != "negative":
            raise ValueError(f"the step '{with_contexts[0]}' needs context vectors, which hierarchical softmax has not")
        if self.subwords and (with_contexts or self.beside != "none" or "unit" in self.steps[:-1]):
            raise ValueError(
                "with subwords the steps are centre, all-but-the-top:N, whiten:EXPONENT and reduce:N, at the end unit, "
                "and there is no training beside: an unseen word has no context vectors and one table"
            )
        return self


class SentencesConfig(_Strict):
    """The sentence encoder: its network, what it is trained towards, and how."""

    architecture: Literal["bilstm", "lstm", "gru", "rnn", "transformer", "bag"] = "bilstm"
    """What reads the words; bag is the SIF average alone, which has nothing to train."""
    hidden: int = Field(default=256, ge=1)
    """Width of the recurrent layers in each direction, or of the transformer."""
    layers: int = Field(default=1, ge=1)
    heads: int = Field(default=4, ge=1)
    """Attention heads of the transformer."""
    pooling: Literal["mean", "sif", "max", "last", "attention"] = "mean"
    dim: int = Field(default=0, ge=0, le=8_192)
    """Width of the sentence vectors; 0 is that of the word vectors, and with `beside` that of the network more."""
    residual: bool = True
    """Whether what the network reads stands with the SIF average, so that training starts from there."""
    beside: float = Field(default=0.0, ge=0, lt=1)
    """Share of a vector's squared length that is what the network reads, in components of its own beside those of the
    average; 0 adds it to the average."""
    nested_dims: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Widths below `dim` whose first components are trained as vectors of their own (Kusupati et al., 2022)."""

    neighbours: float = Field(default=1.0, ge=0)
    """Share of the steps in which a sentence is to find the one beside it in the text."""
    twins: float = Field(default=0.0, ge=0)
    """Share in which it is to find itself under another dropout (SimCSE; Gao et al., 2021)."""
    crops: float = Field(default=0.0, ge=0)
    """Share in which one span of a document is to find another (Giorgi et al., 2021)."""
    denoising: float = Field(default=0.0, ge=0)
    """Share in which a decoder writes the sentence from the vector of a damaged one (TSDAE; Wang et al., 2021)."""
    pairs: tuple[str, ...] = ()
    """Files of texts that mean the same, each a share of 1 of the steps times `pairs_weight`."""
    pairs_weight: float = Field(default=1.0, ge=0)
    inference: tuple[str, ...] = ()
    """Files of premise, hypothesis and label (InferSent; Conneau et al., 2017)."""
    inference_weight: float = Field(default=1.0, ge=0)
    scores: tuple[str, ...] = ()
    """Files of two texts and how alike people find them."""
    scores_weight: float = Field(default=1.0, ge=0)
    score_loss: Literal["cosent", "cosine"] = "cosent"
    """Ranking of the pairs by cosine (CoSENT; Su, 2022), or the squared error of the cosine."""
    temperature: float = Field(default=0.05, gt=0)

    steps: int = Field(default=750, ge=0)
    batch: int = Field(default=256, ge=2)
    micro_batch: int = Field(default=0, ge=0)
    """Rows read at once; a larger contrastive batch is read in parts (Gao et al., 2021, gradient caching); 0 is all."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are added up for one step."""
    max_tokens: int = Field(default=64, ge=4)
    """Longest sentence seen in training; encoding has no limit."""
    learning_rate: float = Field(default=1e-3, gt=0)
    words_learning_rate: float = Field(default=1e-3, ge=0)
    """Of the word vectors and their weights; at 0 the vectors stay as they are and the weights learn as the rest."""
    schedule: Literal["cosine", "linear"] = "cosine"
    warmup: float = Field(default=0.1, ge=0, lt=1)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the moving average of the weights that is kept in their place; 0 keeps the weights themselves."""
    patience: int = Field(default=0, ge=0)
    """Evaluations without improvement after which training stops; 0 never stops."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"

    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share dropped of the features that the network reads (one mask a sentence) and of those that it gives."""
    embed_p: float = Field(default=0.0, ge=0, lt=1)
    """Share of the vocabulary dropped in a step."""
    word_p: float = Field(default=0.0, ge=0, lt=1)
    """Share of the words of a sentence that become <unk>."""
    delete_p: float = Field(default=0.0, ge=0, lt=1)
    swap_p: float = Field(default=0.0, ge=0, lt=1)
    """Share of the words that change places with the one after them."""
    synonym_p: float = Field(default=0.0, ge=0, lt=1)
    """Share of the words replaced by one of their nearest by word vectors."""
    weight_decay: float = Field(default=0.01, ge=0)
    """L2, decoupled (Loshchilov and Hutter, 2019)."""
    l1: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.architecture == "transformer" and self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} of the transformer is no multiple of heads {self.heads}")
        if self.dim and any(width >= self.dim for width in self.nested_dims):
            raise ValueError(f"nested_dims {self.nested_dims} are to lie below dim {self.dim}")
        return self


class GenerationConfig(_Strict):
    """The next-word LSTM language model."""

    hidden: int = Field(default=256, ge=1)
    layers: int = Field(default=2, ge=1)
    initial_norm: float = Field(default=4.0, gt=0)
    """Mean length of the table's rows at the start: at 1 the logits hardly differ, and training takes far longer."""
    steps: int = Field(default=1_000, ge=0)
    batch: int = Field(default=32, ge=1)
    bptt: int = Field(default=48, ge=2)
    """Length of the window that gradients flow back through, in tokens."""
    learning_rate: float = Field(default=1e-2, gt=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    softmax: Literal["auto", "full", "sampled"] = "auto"
    """auto: full up to 8,000 tokens in the vocabulary, above that sampled in training and full in evaluation."""
    samples: int = Field(default=4_096, ge=1)
    input_p: float = Field(default=0.1, ge=0, lt=1)
    hidden_p: float = Field(default=0.1, ge=0, lt=1)
    embed_p: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float = Field(default=1.0, gt=0)


class ProbesConfig(_Strict):
    """What is measured at the end of the main job."""

    tasks: tuple[str, ...] = (
        "wordsim353",
        "simlex999",
        "analogies",
        "lee",
        "documents",
        "length",
        "word-content",
        "bigram-shift",
        "odd-word",
        "adjacency",
        "order",
        "topic",
        "weat",
        "geometry",
    )
    bootstrap: int = Field(default=1_000, ge=100)
    restrict: int = Field(default=30_000, ge=100)
    """Analogies search the most frequent words only."""
    max_documents: int = Field(default=40, ge=2)
    """Documents (classes) in the probe that asks which document a sentence comes from."""
    sentences_per_document: int = Field(default=30, ge=4)
    folds: int = Field(default=5, ge=2)
    """Folds of a classification that brings none of its own."""
    seeds: int = Field(default=3, ge=1)
    """How often those folds are drawn anew."""
    curves: bool = True
    """Whether the accuracy by number of labels is measured on the task 'documents'."""
    sentences_per_task: int = Field(default=1_200, ge=60)
    """Most sentences, or pairs of them, in each of the other probes that a corpus makes of itself."""
    leakage: bool = True
    """Look for the questions of tasks in the training text and in the training parts of the tasks."""
    leak_similarity: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity of words and pairs of neighbouring words from which two texts are near-duplicates."""
    map_words: int = Field(default=1_500, ge=0)
    """Words on the map of the report; 0 is no map."""
    map_sentences: int = Field(default=800, ge=0)
    """Held-out sentences on the map of the report, which shows them as they stand in the text; 0 is no map."""


class PipelineConfig(_Strict):
    """The complete configuration of the main job."""

    preset: Literal["tiny", "small", "medium", "base"]
    seed: int = Field(default=1, ge=0, lt=2**32)
    reproducible: bool = False
    """One Word2Vec worker and deterministic kernels: byte-identical weights from the same seed and versions."""
    text: TextConfig = TextConfig()
    words: WordsConfig = WordsConfig()
    sentences: SentencesConfig = SentencesConfig()
    generation: GenerationConfig = GenerationConfig()
    probes: ProbesConfig = ProbesConfig()

    @classmethod
    def of(cls, preset: str, settings: Mapping[str, Any]) -> Self:
        """Return the preset with `settings` (nested like the configuration file) laid over it."""
        content = overlay({"preset": preset, **preset_settings(preset, settings)}, settings)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from error


def _explain(error: ValidationError) -> str:
    wrong: dict[str, tuple[list[str], object]] = {}
    lines = []
    for problem in error.errors():
        # What follows section and key in a location is the place in a list, or pydantic's name of an alternative.
        name = ".".join(str(part) for part in problem["loc"][:2])
        kind, message = problem["type"], problem["msg"]
        if kind == "extra_forbidden":
            lines.append(f"unknown setting '{name}'" + _hint(str(problem["loc"][-1]), name))
        elif kind in ("model_type", "dict_type"):
            lines.append(f"'{name}' is a section of settings; set one with {name}.KEY=VALUE, not {problem['input']!r}")
        elif kind == "value_error":
            lines.append(f"section '{name}': {message.removeprefix('Value error, ')}")
        else:
            expected, _ = wrong.setdefault(name, ([], problem["input"]))
            expected.append(_EXPECTED.get(kind) or message.removeprefix("Input should be "))
    lines += [
        f"setting '{name}': should be {' or '.join(all_)}, not {value!r}" for name, (all_, value) in wrong.items()
    ]
    return "\n".join(lines)


def _hint(key: str, name: str) -> str:
    section, dot, rest = key.partition(".")
    if dot:
        return f"; settings are nested by section: {{{section!r}: {{{rest!r}: ...}}}}"
    near = get_close_matches(name, _all_keys(), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _all_keys() -> list[str]:
    keys = []
    for name, field in PipelineConfig.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            keys += [name, *(f"{name}.{key}" for key in section.model_fields)]
        else:
            keys.append(name)
    return keys
