"""Sentence boundaries: Punkt (Kiss and Strunk, 2006), trained on the corpus itself and compiled.

NLTK learns the parameters (abbreviations, collocations, sentence starters, orthographic contexts) from a sample. The
splitter here decides by the same rules as NLTK's tokenizer, but looks only at the candidates that one regular
expression finds and remembers which words can never be anything but the end of a sentence; it needs no NLTK, so that
neither worker processes nor queries import it. It differs from NLTK on purpose in four points: a line end is always a
boundary; sentence ends of Chinese, Japanese, Hindi, Arabic and others need no space after them; ``…`` is an ellipsis;
``?``, ``!`` or closing quotes followed by a lower-case word do not end a sentence (“Stop!” he said).
"""

import re
import warnings
from collections.abc import Mapping
from typing import Any

from embedpipe.errors import BundleError
from embedpipe.text.normalise import SENTENCE_MARK

__all__ = ["SentenceSplitter", "train_splitter"]

_CANDIDATE = re.compile(r"[.!?…。！？｡۔؟।॥։።](?![0-9A-Za-z])")
_END = re.compile(
    r"[。！？｡۔؟।॥։።]+(?:[^\S\n]?[」』”’）》】〉])*"
    r"|[.!?…]+(?:[\"')\]}’”»›]|\[\d+\])*(?=[^\S\n])"
)
_ALWAYS_END = frozenset("。！？｡۔؟।॥։።")
_CLOSING = "\"')]}’”»›"
_NOT_IN_WORD = "\"();}\\]*:@'{\\[‘’“”«»?!"
_PREVIOUS_CUT = re.compile(rf"[{_NOT_IN_WORD}]|--+|\.\.+")
_NEXT = re.compile(rf"\s*(--+|\.\.+|[{_NOT_IN_WORD}`&#,\-]|[^\s{_NOT_IN_WORD}]+)")
_NEXT_WORD_END = re.compile(r"--|\.\.|,$")
_NUMBER = re.compile(r"^-?[.,]?\d[\d,.-]*\.?$")
_WORD_WINDOW = 60
_CACHE_SIZE = 100_000


class SentenceSplitter:
    """Split text into sentences by learnt Punkt parameters.

    Parameters
    ----------
    abbreviations : lower-case words that are written with a full stop, the stop left out.
    collocations : pairs of lower-case words of which the first ends in a full stop without ending its sentence.
    starters : lower-case words that often begin a sentence.
    lower_case : lower-case words seen in lower case, each with True where it begins a sentence when capitalised.
    beginners : lower-case words seen in lower case at the beginning of a sentence and never capitalised.

    Examples
    --------
    >>> SentenceSplitter(abbreviations=["dr"]).split("Dr. Who left. He ran! 他走了。我们也走了。")
    ['Dr. Who left.', 'He ran!', '他走了。', '我们也走了。']
    """

    def __init__(
        self,
        abbreviations: list[str] | None = None,
        collocations: list[list[str]] | None = None,
        starters: list[str] | None = None,
        lower_case: Mapping[str, bool] | None = None,
        beginners: list[str] | None = None,
    ) -> None:
        self.abbreviations = frozenset(abbreviations or ())
        self.collocations = frozenset((first, second) for first, second in collocations or ())
        self.starters = frozenset(starters or ())
        self.lower_case = dict(lower_case or {})
        self.beginners = frozenset(beginners or ())
        self._before_collocation = frozenset(first for first, _ in self.collocations)
        self._plain: dict[str, bool] = {}

    def spec(self) -> dict[str, Any]:
        """Return the parameters as plain JSON."""
        return {
            "kind": "punkt",
            "abbreviations": sorted(self.abbreviations),
            "collocations": sorted(map(list, self.collocations)),
            "starters": sorted(self.starters),
            "lower_case": dict(sorted(self.lower_case.items())),
            "beginners": sorted(self.beginners),
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "SentenceSplitter":
        """Return the splitter that `spec` describes.

        Raises
        ------
        BundleError
            If it describes something else.
        """
        if spec.get("kind") != "punkt":
            raise BundleError(f"unknown sentence splitter '{spec.get('kind')}'; this version knows: punkt")
        try:
            return cls(*(spec[k] for k in ("abbreviations", "collocations", "starters", "lower_case", "beginners")))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the sentence splitter's parameters are incomplete: {error!r}") from error

    def split(self, text: str) -> list[str]:
        """Return the sentences of normalised `text`, without surrounding white space; ``[]`` for blank text."""
        return [s for part in self.mark(text).split(SENTENCE_MARK) if (s := part.strip())]

    def mark(self, text: str) -> str:
        """Return normalised `text` with `SENTENCE_MARK`, between spaces, at each sentence end, twice at a line end."""
        pieces, last, done, plain = [], 0, 0, self._plain
        for match in _CANDIDATE.finditer(text):
            start = match.start()
            if start < done:
                continue
            if text[start : start + 2] == ". ":
                done = start + 1
                word = text[max(text.rfind(" ", last, start) + 1, last, start - _WORD_WINDOW) : start]
                always = plain.get(word)
                if always is None:
                    always = self._remember(word)
                if not always and not self._decide(_last_token(word), _next_token(text, done)):
                    continue
            else:
                extent = _END.match(text, start)
                if extent is None:
                    continue
                done = extent.end()
                if not self._is_end(text, start, done, last):
                    continue
            pieces.append(text[last:done])
            last = done
        pieces.append(text[last:])
        mark = f" {SENTENCE_MARK} "
        return mark.join(pieces).replace("\n", mark + mark)

    def _is_end(self, text: str, start: int, end: int, last: int) -> bool:
        mark = text[start:end]
        if mark[0] in _ALWAYS_END:
            return True
        stops = mark.rstrip(_CLOSING) if mark[-1] in _CLOSING else mark
        stops = stops.split("[", 1)[0].rstrip(_CLOSING)
        following = _next_token(text, end)
        if following[:1].islower() and (len(stops) < len(mark) or stops[-1] in "!?"):
            return False
        if stops[-1] in "!?":
            return True
        closer = mark[len(stops) : len(stops) + 1]
        if len(stops) > 1 or stops == "…":
            return self._starts(closer or following) is True or self._is_starter(closer or following)
        word = text[max(last, start - _WORD_WINDOW) : start].rsplit(None, 1)[-1:]
        if not word and last == 0 and text[:start].rstrip().endswith("."):
            return self._starts(following) is True
        return self._decide(_last_token(word[0]) if word else "", closer or following)

    def _remember(self, word: str) -> bool:
        """Return whether a full stop after `word` always ends the sentence, and remember it."""
        token = _last_token(word)
        base = token.lower()
        always = not token or not (
            len(token) == 1
            or base in self._before_collocation
            or self._is_abbreviation(base)
            or _NUMBER.match(base + ".")
        )
        if len(self._plain) >= _CACHE_SIZE:
            self._plain.clear()
        self._plain[word] = always
        return always

    def _is_abbreviation(self, base: str) -> bool:
        return base in self.abbreviations or base.rsplit("-", 1)[-1] in self.abbreviations

    def _decide(self, token: str, following: str) -> bool:
        """Return whether the full stop after `token` ends the sentence: the second pass of Punkt, section 4."""
        if not token or not following:
            return True
        base = token.lower()
        number = _NUMBER.match(base + ".") is not None
        if ("##number##" if number else base, self._type(following)) in self.collocations:
            return False
        initial = len(token) == 1 and token.isalpha()
        abbreviation = self._is_abbreviation(base)
        if abbreviation and not initial:
            if self._starts(following) is True or self._is_starter(following):
                return True
            if not number:
                return False
        if not (initial or number):
            return not abbreviation
        starts = self._starts(following)
        if starts is False:
            return False
        if starts is None and initial and following[0].isupper() and self._type(following) not in self.lower_case:
            return False
        return not abbreviation

    def _type(self, token: str) -> str:
        kind = "##number##" if _NUMBER.match(token) else token.lower()
        ends = kind.endswith(".") and not kind.endswith("..") and len(kind) > 1
        return kind[:-1] if ends and not self._is_abbreviation(kind[:-1]) else kind

    def _is_starter(self, token: str) -> bool:
        return token[:1].isupper() and self._type(token) in self.starters

    def _starts(self, token: str) -> bool | None:
        """The orthographic heuristic: whether `token` begins a sentence, None where nothing is known."""
        if not token or token in ";:,.!?":
            return False
        kind = self._type(token)
        if token[0].isupper() and self.lower_case.get(kind):
            return True
        if token[0].islower() and kind not in self.beginners:
            return False
        return None


def train_splitter(sample: str) -> SentenceSplitter:
    """Return a splitter trained by NLTK's `PunktTrainer` on `sample` (normalised text).

    A sample without any full stop followed by a space (Chinese, say) teaches nothing, and NLTK is not imported.
    """
    if re.search(r"\w\.\s", sample) is None:
        return SentenceSplitter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nltk.tokenize.punkt import PunktTrainer
    trainer = PunktTrainer()
    trainer.train(sample, finalize=False)
    trainer.finalize_training()
    learnt = trainer.get_params()
    begin_upper, mid_upper, unknown_upper = 1 << 1, 1 << 2, 1 << 3
    begin_lower, lower = 1 << 4, (1 << 4) | (1 << 5) | (1 << 6)
    upper = begin_upper | mid_upper | unknown_upper
    contexts = {kind: flags for kind, flags in learnt.ortho_context.items() if flags & lower}
    return SentenceSplitter(
        sorted(learnt.abbrev_types),
        sorted(map(list, learnt.collocations)),
        sorted(learnt.sent_starters),
        {kind: not flags & mid_upper for kind, flags in contexts.items()},
        [kind for kind, flags in contexts.items() if flags & begin_lower and not flags & upper],
    )


def _last_token(word: str) -> str:
    """Return the Punkt token that ends where `word` ends, the full stop after it left out."""
    return _PREVIOUS_CUT.split(word)[-1].lstrip("`&#-,")


def _next_token(text: str, position: int) -> str:
    """Return the first Punkt token after `position`, the empty string at the end of the text or line."""
    match = _NEXT.match(text, position, position + _WORD_WINDOW)
    if match is None or "\n" in match.group(0):
        return ""
    token = match.group(1)
    cut = _NEXT_WORD_END.search(token, 1)
    return token[: cut.start()] if cut else token
