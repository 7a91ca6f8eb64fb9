"""Which optimizer has which parameters, and that dense and sparse ones agree."""

import torch
from torch import nn
from torch.nn import functional as F

from embedpipe.nn.fit import fit
from embedpipe.nn.optimizers import make_optimizers, set_sparse


def made() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(20, 6, sparse=True), nn.Linear(6, 1))


def test_optimizers_split_sparse_tables_from_the_rest() -> None:
    model = made()
    extra = nn.Parameter(torch.zeros(3, 2))
    dense, sparse = make_optimizers(model, 0.1, 0.3, sparse=[extra], sparse_learning_rate=0.02)
    assert isinstance(dense, torch.optim.AdamW)
    assert isinstance(sparse, torch.optim.SparseAdam)
    assert [(len(g["params"]), g["weight_decay"]) for g in dense.param_groups] == [(1, 0.3), (1, 0.0)]
    assert {id(p) for p in sparse.param_groups[0]["params"]} == {id(model[0].weight), id(extra)}
    assert (dense.param_groups[0]["lr"], sparse.param_groups[0]["lr"]) == (0.1, 0.02)


def test_dense_updates_of_a_table_equal_sparse_ones_where_every_row_is_used() -> None:
    everything = torch.arange(20).repeat(2)[None].expand(4, -1)
    models = []
    for device in ("cpu", "cuda"):
        model = made()
        set_sparse(model, torch.device(device))
        optimizers = make_optimizers(model, 0.05, 0.3, sparse_learning_rate=0.02)
        assert len(optimizers) == (2 if device == "cpu" else 1)
        fit(
            model,
            lambda start: [(everything, torch.ones(4))] * 20,
            lambda model, batch: F.mse_loss(model(batch[0]).mean(dim=(1, 2)), batch[1]),
            optimizers=optimizers,
            steps=20,
            clip=1e9,
            device=torch.device("cpu"),
            precision="fp32",
            stage="x",
        )
        models.append(model)
    torch.testing.assert_close(models[0][0].weight, models[1][0].weight, atol=1e-5, rtol=0)
    torch.testing.assert_close(models[0][1].weight, models[1][1].weight, atol=1e-5, rtol=0)
