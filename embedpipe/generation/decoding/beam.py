"""Beam search: the most probable texts, or nearly so, without any randomness."""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor

from embedpipe.generation.decoding.draw import check_numbers
from embedpipe.generation.decoding.position import Position, Predictor
from embedpipe.generation.decoding.rules import Draft, Rules
from embedpipe.generation.decoding.settings import Beam
from embedpipe.generation.decoding.shown import Shown
from embedpipe.text.vocabulary import EOS

__all__ = ["beam_search"]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A draft with one more token."""

    parent: int
    token: int
    total: float
    log_probability: float


def beam_search(
    predictor: Predictor,
    position: Position,
    start: Draft,
    beam: Beam,
    rules: Rules,
    n: int,
    shown: Shown,
) -> list[Draft]:
    """Return the `n` drafts of the highest score (`Beam.score`), best first; fewer where fewer can be written.

    Of drafts that are shown as one text, cut before a stop sequence, the best alone comes back.

    Each step keeps the `beam.width` best of all unfinished continuations. A continuation that ends a text is kept
    aside if it is among the `beam.width` best of its step. The search stops as soon as no unfinished draft can reach
    a score among the best `n` any more, so that stopping early changes nothing. With a width of 1 and a length penalty
    of 0 it is the greedy choice; with a width that holds all continuations it is exact.

    Parameters
    ----------
    position : after the prompt, one row.
    start : nothing written yet.
    n : at most `beam.width`.
    shown : makes drafts into text, and says whether the newest token has brought a stop sequence about.

    Notes
    -----
    Penalties act on log-probabilities, so a repeated token always loses. What a penalty takes counts in the score and
    not in `Draft.log_probability`.

    Raises
    ------
    BundleError
        If the model gives what is no number.
    """
    # Finished drafts by what is shown of them.
    best: dict[str, Draft] = {}
    alive, totals = [start], [0.0]
    longest = rules.limits.max_tokens + rules.limits.sentences
    while alive:
        raw = torch.log_softmax(position.logits.float(), dim=1)
        check_numbers(raw.amax(dim=1))
        ranked = raw.clone()
        stuck = set(rules.put_to_(ranked, alive))
        drafts: list[Draft] = []
        kept: list[_Candidate] = []
        for rank, candidate in enumerate(_candidates(ranked, raw, totals, 2 * beam.width)):
            draft = _follow(alive[candidate.parent], candidate, rules, stuck, shown)
            if draft.ended and not (rank >= beam.width and draft.ended != "length"):
                draft.score = beam.score(candidate.total, len(draft.ids) + (draft.ended == "sentence"))
                _keep(best, shown.text(draft), draft, n)
            elif not draft.ended and len(drafts) < beam.width:
                drafts.append(draft)
                kept.append(candidate)
            if rank + 1 >= 2 * beam.width and (len(drafts) == beam.width or draft.ended == "length"):
                break
        worst = min((draft.score for draft in best.values()), default=0.0)
        if drafts and len(best) == n and worst >= _reachable(beam, kept[0].total, longest):
            break
        alive, totals = drafts, [candidate.total for candidate in kept]
        if alive:
            device = position.logits.device
            parents = torch.tensor([candidate.parent for candidate in kept], device=device)
            tokens = torch.tensor([candidate.token for candidate in kept], device=device)
            position = predictor.go_on(position.read_rows(parents), tokens)
    return sorted(best.values(), key=attrgetter("score"), reverse=True)


def _keep(best: dict[str, Draft], text: str, draft: Draft, n: int) -> None:
    """Put a finished draft among the `n` best, of equal ones the first, in the place of a worse one of its text."""
    if text in best and best[text].score >= draft.score:
        return
    best.pop(text, None)
    best[text] = draft
    if len(best) > n:
        del best[min(reversed(best), key=lambda each: best[each].score)]


def _reachable(beam: Beam, total: float, longest: int) -> float:
    """Return a score that no continuation of a draft exceeds: it can only lose probability, and gain in length."""
    return beam.score(total, longest)


def _candidates(ranked: Tensor, raw: Tensor, totals: list[float], n: int) -> Iterator[_Candidate]:
    """Yield the continuations of all rows, best first; the `n` best, which are mostly enough, are looked for alone."""
    given: set[tuple[int, int]] = set()
    while True:
        found = _best(ranked, raw, totals, n)
        for candidate in found:
            if (candidate.parent, candidate.token) not in given:
                given.add((candidate.parent, candidate.token))
                yield candidate
        if len(found) < n:
            return
        n *= 2


def _best(ranked: Tensor, raw: Tensor, totals: list[float], n: int) -> list[_Candidate]:
    """Return the `n` best continuations of all rows, best first; those that are ruled out are none."""
    each = ranked.topk(min(n, ranked.shape[1]), dim=1)
    sums = (each.values.double().cpu() + torch.tensor(totals, dtype=torch.float64)[:, None]).flatten()
    order = torch.sort(sums, descending=True, stable=True).indices[:n]
    rows = order // each.values.shape[1]
    tokens = each.indices.cpu().flatten()[order]
    own = raw[rows.to(raw.device), tokens.to(raw.device)].double().cpu()
    found = zip(rows.tolist(), tokens.tolist(), sums[order].tolist(), own.tolist(), strict=True)
    return [_Candidate(*candidate) for candidate in found if candidate[2] != float("-inf")]


def _follow(draft: Draft, candidate: _Candidate, rules: Rules, stuck: set[int], shown: Shown) -> Draft:
    """Return a draft with one more token."""
    is_stuck = candidate.parent in stuck
    gained = 0.0 if is_stuck else candidate.log_probability
    further = Draft(
        draft.before,
        [*draft.ids],
        draft.n_sentences,
        draft.opened,
        draft.log_probability + gained,
    )
    rules.take(further, candidate.token, stuck=is_stuck)
    if rules.stops and candidate.token != EOS and shown.is_stopped(further):
        further.ended = "stop"
    return further
