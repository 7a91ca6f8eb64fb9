"""Sequences packed step by step, against the padded batch they come from."""

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from embedpipe.nn.layers import reverse_within_length
from embedpipe.nn.packing import pack

LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=7)


@given(LENGTHS, st.integers(0, 2))
def test_packed_tokens_are_those_of_the_batch_and_mirrored_those_of_the_reversed_one(lengths, more) -> None:
    n, time = torch.tensor(lengths), max(1, *lengths) + more
    ids = torch.arange(1, len(n) * time + 1).view(len(n), time)
    packing = pack(n, time)
    inside = torch.arange(time) < n[:, None]
    packed = ids.flatten()[packing.place]
    assert sorted(packed.tolist()) == sorted(ids[inside].tolist())
    assert sum(packing.live) == len(packed)
    assert packing.live == sorted(packing.live, reverse=True)
    assert (packing.unpack(packed[:, None], len(n), time)[:, :, 0] == ids * inside).all()
    turned = reverse_within_length(ids, n)
    assert (packed[packing.mirror] == turned.flatten()[packing.place]).all()
    # A sequence stands at the same place of each step.
    steps = torch.split(packed, packing.live)
    for before, now in pairwise(steps):
        assert (now == before[: len(now)] + 1).all()


def test_the_longest_comes_first_and_equal_ones_in_their_order() -> None:
    packing = pack(torch.tensor([2, 3, 2]), 3)
    assert packing.live == [3, 3, 1]
    assert packing.place.tolist() == [3, 0, 6, 4, 1, 7, 5]
