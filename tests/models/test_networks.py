"""The networks' shapes and parameter counts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fabnet.models.decoder import ConfidenceDecoder, FlowDecoder
from fabnet.models.encoder import Encoder


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_parameter_counts_at_256_px_are_the_authors() -> None:
    assert count(Encoder(256)) == 4_887_904
    assert count(FlowDecoder(256)) == 3_340_514
    assert count(ConfidenceDecoder(256)) == 3_340_225


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_other_powers_of_two_work(size: int) -> None:
    encoder, decoder = Encoder(size, width=4, embedding_dim=24), FlowDecoder(size, width=4, embedding_dim=24)
    embeddings = encoder(torch.rand(2, 3, size, size))
    assert embeddings.shape == (2, 24)
    flow = decoder(embeddings, embeddings)
    assert flow.shape == (2, 2, size, size)
    assert flow.abs().max() < 1


@pytest.mark.parametrize("size", [0, 8, 48, 100])
def test_a_size_that_is_not_a_power_of_two_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"power of two, 16 or more; got {size}"):
        Encoder(size)


def test_the_embedding_is_bare_and_reaches_the_decoder_through_a_relu() -> None:
    torch.manual_seed(0)
    encoder, decoder = Encoder(16, width=4, embedding_dim=8).eval(), FlowDecoder(16, width=4, embedding_dim=8).eval()
    embeddings = encoder(torch.rand(16, 3, 16, 16))
    assert (embeddings < 0).any()
    assert torch.equal(decoder(embeddings, embeddings), decoder(embeddings.relu(), embeddings.relu()))


def test_the_near_zero_start_hardly_moves_anything() -> None:
    torch.manual_seed(0)
    source = torch.rand(4, 256)
    assert FlowDecoder(64, near_zero_start=True)(source, source).abs().max() < 0.05
    assert FlowDecoder(64)(source, source).abs().max() > 0.05


def test_confidences_are_bounded_by_tanh_where_asked() -> None:
    torch.manual_seed(0)
    free, bounded = (ConfidenceDecoder(16, width=4, embedding_dim=8, bound=bound) for bound in ("none", "tanh"))
    bounded.load_state_dict(free.state_dict())
    pair = torch.randn(4, 8), torch.randn(4, 8)
    torch.testing.assert_close(bounded(*pair), torch.tanh(free(*pair)))
    assert not torch.allclose(bounded(*pair), free(*pair))
