"""What z does to the decoder, and what the reader may see."""

import pytest
import torch

from embedpipe.config import LatentConfig
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.generation.state import BEGINNING, State
from embedpipe.generation.vae.network import SentenceVAE, VAEShape
from embedpipe.generation.vae.start import ReaderStart, optimizers_of, reader_of, start_vae
from embedpipe.nn.batches import Padded
from embedpipe.nn.readers import make_reader
from embedpipe.sentences.network import EncoderShape, SentenceNetwork


def test_what_is_added_shifts_the_output_and_rides_in_the_state() -> None:
    torch.manual_seed(0)
    model = LanguageModel(Shape(9, 4, 5, 2)).eval()
    ids, added = torch.tensor([[4, 5], [6, 7]]), torch.randn(2, 4)
    plain, _ = model(ids)
    shifted, after = model(ids, State(added=added))
    torch.testing.assert_close(shifted, plain + added[:, None])
    assert after.added is added
    assert torch.equal(after.rows(torch.tensor([1])).repeat(3).added, added[1:].repeat(3, 1))
    assert torch.equal(State.concatenate([after, after]).added, added.repeat(2, 1))
    assert after.detach().added is added
    assert torch.equal(after.to(torch.device("cpu")).added, added)
    assert State.concatenate([BEGINNING, BEGINNING]).added is None


@pytest.mark.parametrize("architecture", ["lstm", "gru", "rnn", "transformer"])
def test_z_reaches_the_first_word_and_every_word(architecture: str) -> None:
    torch.manual_seed(0)
    model = SentenceVAE(VAEShape(Shape(9, 4, 5, 2, architecture), 3, hidden=4, beside=False)).eval()
    inputs, one, other = torch.tensor([[3, 4, 5, 6]] * 2), torch.zeros(1, 3), torch.ones(1, 3)
    z = torch.cat([one, other])
    same = model.read(z, inputs)
    torch.testing.assert_close(same[0], same[1])
    with torch.no_grad():
        model.to_given.weight.normal_()
    apart = model.read(z, inputs)
    assert ((apart[0] - apart[1]).abs().amax(dim=1) > 1e-3).all()


def test_padding_is_not_read() -> None:
    torch.manual_seed(0)
    model = SentenceVAE(VAEShape(Shape(9, 4, 5, 2), 3, hidden=4)).eval()
    short = model.encode(Padded(torch.tensor([[5, 7]]), torch.tensor([2])))
    padded = model.encode(Padded(torch.tensor([[5, 7, 8, 8], [4, 4, 4, 4]]), torch.tensor([2, 4])))
    torch.testing.assert_close(short.mean, padded.mean[:1])


def test_it_begins_as_the_generator_and_the_reader_of_the_encoder() -> None:
    torch.manual_seed(0)
    generator = LanguageModel(Shape(9, 4, 5, 2)).eval().requires_grad_(False)
    encoder = SentenceNetwork(EncoderShape(9, 4, 4, "gru", hidden=6))
    model = start_vae(generator, reader_of(encoder), LatentConfig(dim=3), sparse=False)
    for name, tensor in generator.state_dict().items():
        assert torch.equal(model.decoder.state_dict()[name], tensor)
    for name, tensor in encoder.reader.state_dict().items():
        assert torch.equal(model.reader.state_dict()[name], tensor)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.shape.reader == "gru"
    random = start_vae(generator, reader_of(encoder), LatentConfig(dim=3, start="random"), sparse=False)
    assert not torch.equal(random.reader.net.weight_ih_l0, encoder.reader.net.weight_ih_l0)
    assert reader_of(SentenceNetwork(EncoderShape(9, 4, 4, "bag"))) is None
    assert isinstance(
        start_vae(generator, None, LatentConfig(hidden=7), sparse=False).reader, type(make_reader("bilstm", 4, 7))
    )


@pytest.mark.parametrize("sparse", [True, False])
def test_no_table_of_the_decoder_has_weight_decay(*, sparse: bool) -> None:
    """Nor does a dense optimizer take sparse gradients, which it refuses; untied, the output is a table too."""
    config = LatentConfig(dim=3, hidden=7)
    model = start_vae(LanguageModel(Shape(9, 4, 5, 2, tied=False)), None, config, sparse=sparse)
    tables = {id(model.decoder.table), id(model.decoder.output)}
    decays = {
        id(parameter): (type(optimizer).__name__, group.get("weight_decay", 0.0))
        for optimizer in optimizers_of(model, config)
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert {decays[table] for table in tables} == {("SparseAdam" if sparse else "AdamW", 0.0)}
    assert decays[id(model.to_given.weight)] == ("AdamW", config.weight_decay)
    assert decays.keys() == {id(parameter) for parameter in model.parameters()}


def test_the_reader_is_described_by_what_it_is() -> None:
    shape = EncoderShape(9, 4, 4, "transformer", hidden=8, layers=2, heads=2)
    found = reader_of(SentenceNetwork(shape))
    assert isinstance(found, ReaderStart)
    assert (found.kind, found.hidden, found.layers, found.heads) == ("transformer", 8, 2, 2)
