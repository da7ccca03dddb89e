"""The network keeps its activations near the fixed point, as the theory says it must."""

import pytest
import torch

from models.networks.selu import SATURATED_BELOW
from training.networks.network import SelfNormalizingNetwork, layer_widths, tap


def test_a_deep_network_stays_at_the_fixed_point() -> None:
    """At depth 32, freshly built, every layer's mean and variance stay near (0, 1)."""
    torch.manual_seed(0)
    network = SelfNormalizingNetwork(256, (256,) * 32, 1)
    for layer in network.activations(torch.randn(512, 256)):
        assert abs(float(layer.mean())) < 0.15
        assert 0.7 < float(layer.var()) < 1.4


def test_torchs_own_initialisation_would_vanish() -> None:
    """The test above can fail: with PyTorch's default, tau is 1/3 and the variance dies out."""
    torch.manual_seed(0)
    network = SelfNormalizingNetwork(256, (256,) * 32, 1)
    for linear in network.linears():
        linear.reset_parameters()
    assert float(network.activations(torch.randn(512, 256))[-1].var()) < 0.05


def test_incoming_weights_have_unit_squared_sum() -> None:
    """LeCun-normal: tau is 1 and omega 0 on average over units, in every layer and the head."""
    torch.manual_seed(0)
    network = SelfNormalizingNetwork(1000, (400, 400), 200)
    for linear in (*network.linears(), network.head):
        weight = linear.weight.detach()
        assert float(weight.square().sum(dim=1).mean()) == pytest.approx(1, abs=0.03)
        assert float(weight.sum(dim=1).mean()) == pytest.approx(0, abs=0.25)
        assert not linear.bias.any()


def test_alpha_dropout_keeps_the_fixed_point_in_training() -> None:
    """With dropout at work the variance of a deep network still stays near 1."""
    torch.manual_seed(0)
    network = SelfNormalizingNetwork(256, (256,) * 16, 1, dropout=0.1).train()
    activation = torch.randn(1024, 256)
    with torch.no_grad():
        for linear in network.linears():
            activation = network.dropout(torch.nn.functional.selu(linear(activation)))
    assert 0.7 < float(activation.var()) < 1.4


def test_rectangular_and_conic_widths() -> None:
    """Conic widths fall geometrically from the given units towards the number of targets."""
    assert layer_widths("rectangular", 64, 3, 1) == (64, 64, 64)
    conic = layer_widths("conic", 1024, 5, 1)
    assert conic == (1024, 256, 64, 16, 4)
    assert min(layer_widths("conic", 64, 8, 12)) >= 12


def test_taps_are_the_layers_statistics() -> None:
    """Mean, population variance and the share at or below 95 % of -lambda alpha, by row."""
    layer = torch.tensor([[SATURATED_BELOW - 0.01, 0.0, 2.0, 4.0]])
    mean, variance, saturated = tap(layer)[0].tolist()
    assert mean == pytest.approx(float(layer.mean()))
    assert variance == pytest.approx(float(layer.var(unbiased=False)))
    assert saturated == 0.25
