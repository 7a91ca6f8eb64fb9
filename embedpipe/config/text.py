"""Settings of the text stage."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from embedpipe.config.strict import Strict

__all__ = ["TextConfig"]


class TextConfig(Strict):
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
