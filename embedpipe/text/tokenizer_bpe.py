"""Byte-pair encoding (Sennrich et al., 2016) over bytes, by Hugging Face tokenizers (extra ``bpe``)."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from embedpipe.errors import BundleError, MissingExtraError
from embedpipe.text.normalise import DOCUMENT_MARK, SENTENCE_MARK, Case, fold, normalise
from embedpipe.text.tokenizer import FORMAT

__all__ = ["BPETokenizer", "train_bpe"]

_MARKS = re.compile(f"([{SENTENCE_MARK}{DOCUMENT_MARK}])")
_BATCH = 1_000


def train_bpe(texts: Iterable[str], size: int, case: Case = "lower") -> "BPETokenizer":
    """Return a tokenizer of at most `size` units learnt from `texts`.

    Raises
    ------
    MissingExtraError
        If tokenizers is not installed.
    """
    hf = _tokenizers()
    tokenizer = hf.Tokenizer(hf.models.BPE())
    tokenizer.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = hf.decoders.ByteLevel()
    trainer = hf.trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=hf.pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator((fold(normalise(text), case) for text in texts), trainer)
    return BPETokenizer(case, json.loads(tokenizer.to_str()))


class BPETokenizer:
    """Pieces of words; every text can be encoded and read back.

    Parameters
    ----------
    case : whether text is put in lower case.
    model : the trained model in the Hugging Face ``tokenizer.json`` form, as plain JSON.
    """

    spaced = False

    def __init__(self, case: Case, model: Any) -> None:
        self.case: Case = case
        hf = _tokenizers()
        try:
            self._tokenizer = hf.Tokenizer.from_str(json.dumps(model))
        except Exception as error:  # the library raises bare Exception for a damaged model
            raise BundleError(f"the byte-pair model of the tokenizer cannot be read: {error}") from error
        self._model = model

    def split(self, text: str) -> list[str]:
        """Return the pieces of text that is normalised and folded already; marks stay whole."""
        parts = [part for part in _MARKS.split(text) if part and not part.isspace()]
        tokens: list[str] = []
        for i in range(0, len(parts), _BATCH):
            batch = parts[i : i + _BATCH]
            encoded = self._tokenizer.encode_batch([part.strip() for part in batch], add_special_tokens=False)
            for part, encoding in zip(batch, encoded, strict=True):
                if part in (SENTENCE_MARK, DOCUMENT_MARK):
                    tokens.append(part)
                else:
                    tokens += encoding.tokens
        return tokens

    def tokenize(self, text: str) -> list[str]:
        """Return the pieces of `text`; ``[]`` for blank text."""
        return self.split(fold(normalise(text), self.case))

    def detokenize(self, tokens: Sequence[str]) -> str:
        """Return the text that the pieces spell."""
        text: str = self._tokenizer.decoder.decode(list(tokens))
        return text.strip()

    def spec(self) -> dict[str, Any]:
        """Return the description that `load_tokenizer` takes, the model in it."""
        return {"format": FORMAT, "kind": "bpe", "case": self.case, "model": self._model}


def _tokenizers() -> Any:
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        raise MissingExtraError("tokenizers", "bpe") from error
    return tokenizers
