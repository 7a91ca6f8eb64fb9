"""Which optimizer has which parameters, and that dense and sparse ones agree."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.nn.fit import fit
from embedpipe.nn.optimizers import make_optimizers, set_sparse


class Bagged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(20, 4, sparse=True)
        self.out = nn.Linear(4, 1)

    def forward(self, ids: Tensor) -> Tensor:
        return self.out(self.table(ids).mean(dim=1))[:, 0]


def test_optimizers_split_sparse_tables_from_the_rest() -> None:
    model = Bagged()
    extra = nn.Parameter(torch.zeros(3, 2))
    dense, sparse = make_optimizers(model, 0.1, 0.3, sparse=[extra], sparse_learning_rate=0.02)
    assert isinstance(dense, torch.optim.AdamW)
    assert isinstance(sparse, torch.optim.SparseAdam)
    assert [(len(g["params"]), g["weight_decay"]) for g in dense.param_groups] == [(1, 0.3), (1, 0.0)]
    assert {id(p) for p in sparse.param_groups[0]["params"]} == {id(model.table.weight), id(extra)}
    assert (dense.param_groups[0]["lr"], sparse.param_groups[0]["lr"]) == (0.1, 0.02)


def test_a_table_on_a_gpu_is_no_more_clipped_than_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a table elsewhere the group alone is looked at, for the optimizer itself wants a device with values."""
    monkeypatch.setattr(torch.optim, "AdamW", lambda groups, **_: groups)
    elsewhere, whole = (nn.Parameter(torch.zeros(3, 2, device="meta")) for _ in range(2))
    (groups,) = make_optimizers(nn.Linear(4, 1, bias=False), 0.1, 0.3, sparse=[elsewhere], dense=[whole])
    assert [group.get("clipped", True) for group in groups] == [True, False, True]
    assert groups[1]["params"][0] is elsewhere


@pytest.mark.parametrize("clip", [1e9, 0.02])
def test_dense_updates_of_a_table_equal_sparse_ones_where_every_row_is_used(clip: float) -> None:
    everything = torch.arange(20).repeat(2)[None].expand(4, -1)
    models = []
    for device in ("cpu", "cuda"):
        model = Bagged()
        set_sparse(model, torch.device(device))
        optimizers = make_optimizers(model, 0.05, 0.3, sparse_learning_rate=0.02)
        assert len(optimizers) == (2 if device == "cpu" else 1)
        fit(
            model,
            lambda start: [(everything, torch.ones(4))] * 20,
            lambda model, batch: F.mse_loss(model(batch[0]), batch[1]),
            optimizers=optimizers,
            steps=20,
            clip=clip,
            device=torch.device("cpu"),
            stage="x",
        )
        models.append(model)
    torch.testing.assert_close(models[0].table.weight, models[1].table.weight, atol=1e-5, rtol=0)
    torch.testing.assert_close(models[0].out.weight, models[1].out.weight, atol=1e-5, rtol=0)
