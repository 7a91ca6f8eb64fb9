"""Word vectors as a torch layer."""

import numpy as np
import pytest
import torch

from embedpipe.integrations.torch import to_embedding_layer
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.table import WordVectors


@pytest.mark.parametrize(("freeze", "sparse"), [(True, False), (False, True)])
def test_rows_are_those_of_the_words(freeze: bool, sparse: bool) -> None:
    vocabulary = Vocabulary.from_counts({"cat": 2, "dog": 1})
    vectors = np.arange(18, dtype=np.float32).reshape(6, 3)
    vectors[:4] = 0
    layer = to_embedding_layer(WordVectors(vocabulary, vectors), freeze=freeze, sparse=sparse)
    ids = torch.from_numpy(vocabulary.ids(["dog", "zebra", "cat"]).astype(np.int64))
    assert layer(ids).tolist() == [[15, 16, 17], [0, 0, 0], [12, 13, 14]]
    assert layer.weight.requires_grad is not freeze
    assert layer.sparse is sparse
    assert layer.padding_idx == 0
    with torch.no_grad():
        layer.weight.add_(1)
    assert vectors[5].tolist() == [15, 16, 17], "the layer holds a copy"
