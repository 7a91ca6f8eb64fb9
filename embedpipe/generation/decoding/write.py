"""Texts written side by side, token by token; finished ones leave the batch and waiting ones take their place."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from embedpipe.generation.decoding.draw import Randoms, sample
from embedpipe.generation.decoding.position import Position, Predictor
from embedpipe.generation.decoding.rules import Draft, Rules
from embedpipe.generation.decoding.settings import Decoding
from embedpipe.text.vocabulary import EOS

__all__ = ["Group", "write"]


@dataclass(frozen=True, slots=True)
class Group:
    """Texts that go on from one prompt.

    Parameters
    ----------
    position : after the prompt, one row.
    drafts : the texts, nothing written yet.
    randoms : a stream for each.
    is_stopped : says whether the newest token of a draft has brought a stop sequence about.
    """

    position: Position
    drafts: list[Draft]
    randoms: Randoms
    is_stopped: Callable[[Draft], bool]


@dataclass(slots=True)
class _Batch:
    position: Position
    drafts: list[Draft]
    randoms: Randoms
    is_stopped: list[Callable[[Draft], bool]]

    def keep(self, rows: list[int]) -> None:
        self.position = self.position.read_rows(torch.tensor(rows, device=self.position.logits.device))
        self.drafts = [self.drafts[row] for row in rows]
        self.is_stopped = [self.is_stopped[row] for row in rows]
        self.randoms = self.randoms.rows(rows)


def write(
    predictor: Predictor,
    groups: Iterable[Group],
    decoding: Decoding,
    rules: Rules,
    *,
    rows: int,
    scored: bool = False,
) -> Iterator[None]:
    """Write the drafts of all groups to their end, in place; yield after each token of the batch.

    Parameters
    ----------
    groups : taken as there is room for them.
    rows : most texts side by side.
    scored : whether the drafts' log-probabilities are summed up: those of the model, before any filter.
    """
    queue = _Queue(groups, rows)
    batch = queue.fill(None)
    while batch is not None:
        _step(predictor, batch, decoding, rules, scored)
        yield
        batch = queue.fill(batch)


def _step(predictor: Predictor, batch: _Batch, decoding: Decoding, rules: Rules, scored: bool) -> None:
    """Choose a token for each draft, drop the finished ones and read the others on."""
    logits = batch.position.logits
    # Rules that do not look back only make tokens impossible, which changes no logit that can be chosen.
    raw = logits.clone() if scored and rules.looks_back else logits
    total = torch.logsumexp(raw.float(), dim=1) if scored else None
    stuck = set(rules.put_to_(logits, batch.drafts))
    chosen = sample(logits, decoding, batch.randoms)
    if total is not None:
        gained = predictor.log_probabilities(batch.position, raw, total, chosen).tolist()
    tokens, going = chosen.tolist(), []
    for row, (draft, token) in enumerate(zip(batch.drafts, tokens, strict=True)):
        if total is not None and row not in stuck:
            draft.log_probability += gained[row]
        rules.take(draft, token, stuck=row in stuck)
        if rules.stops and token != EOS and batch.is_stopped[row](draft):
            draft.ended = "stop"
        if not draft.ended:
            going.append(row)
    if len(going) < len(tokens):
        if not going:
            batch.drafts = []
            return
        batch.keep(going)
        chosen = chosen[torch.tensor(going, device=chosen.device)]
    batch.position = predictor.go_on(batch.position, chosen)


class _Queue:
    """Groups that wait, cut to parts that a batch has room for."""

    def __init__(self, groups: Iterable[Group], rows: int) -> None:
        self.rows, self._groups = rows, iter(groups)
        self._next: Group | None = next(self._groups, None)

    def fill(self, batch: _Batch | None) -> _Batch | None:
        """Return the batch with as many more drafts as fit; None where nothing is left to do.

        A batch is filled up when a quarter of it is free, as joining copies it.
        """
        if batch is not None and len(batch.drafts) > 0.75 * self.rows:
            return batch
        parts = [batch] if batch is not None and batch.drafts else []
        taken = sum(len(part.drafts) for part in parts)
        while self._next is not None and taken < self.rows:
            if parts and not parts[0].position.joins(self._next.position):
                break
            part = self._take(self.rows - taken)
            taken += len(part.drafts)
            parts.append(part)
        return _joined(parts) if parts else None

    def _take(self, n: int) -> _Batch:
        assert self._next is not None
        group, drafts = self._next, self._next.drafts[:n]
        if len(group.drafts) > n:
            later = range(n, len(group.drafts))
            self._next = replace(group, drafts=group.drafts[n:], randoms=group.randoms.rows(later))
        else:
            self._next = next(self._groups, None)
        copies = torch.zeros(len(drafts), dtype=torch.int64, device=group.position.logits.device)
        position = group.position.rows(copies)
        return _Batch(position, drafts, group.randoms.rows(range(len(drafts))), [group.is_stopped] * len(drafts))


def _joined(parts: Sequence[_Batch]) -> _Batch:
    if len(parts) == 1:
        return parts[0]
    return _Batch(
        Position.concatenate([part.position for part in parts]),
        [draft for part in parts for draft in part.drafts],
        Randoms.joined([part.randoms for part in parts]),
        [is_stopped for part in parts for is_stopped in part.is_stopped],
    )
