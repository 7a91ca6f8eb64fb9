"""Which positions may be read on together."""

import torch

from embedpipe.generation.decoding.position import Position
from embedpipe.generation.state import State


def position(**conditions: torch.Tensor) -> Position:
    state = State(((torch.zeros(1, 2, 3),),), **conditions)
    return Position(torch.zeros(2, 5), torch.zeros(2, 3), state)


def test_positions_join_where_their_conditions_are_of_one_form() -> None:
    plain, given, added = position(), position(given=torch.zeros(2, 4)), position(added=torch.zeros(2, 4))
    everything = [plain, given, added, position(given=torch.zeros(2, 4), added=torch.zeros(2, 4))]
    for i, one in enumerate(everything):
        assert [one.joins(other) for other in everything] == [i == j for j in range(4)]
    both = Position.concatenate([added, position(added=torch.ones(2, 4))])
    assert both.state.added.tolist() == [[0.0] * 4] * 2 + [[1.0] * 4] * 2
