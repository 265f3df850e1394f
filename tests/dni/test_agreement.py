import numpy as np
import pytest
import torch

from petri.dni.agreement import Agreement, agreement, synthetic_share


def test_against_numpy():
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(50, 7, generator=generator) + 0.5
    predicted = 0.3 * true + 0.4 * torch.randn(50, 7, generator=generator)
    found, g, p = agreement(predicted, true), true.numpy(), predicted.numpy()
    assert found.cosine == pytest.approx(np.sum(g * p) / np.linalg.norm(g) / np.linalg.norm(p), rel=1e-5)
    assert found.explained == pytest.approx(
        1 - np.var(g - p, axis=0).sum() / np.var(g, axis=0).sum(), rel=1e-5
    )
    assert found.error == pytest.approx(np.mean((g - p) ** 2), rel=1e-5)
    assert found.silence == pytest.approx(np.mean(g**2), rel=1e-5)
    assert found.length == pytest.approx(np.linalg.norm(p) / np.linalg.norm(g), rel=1e-5)


def test_what_the_numbers_mean():
    true = torch.tensor([[1.0, 2.0], [3.0, -2.0]])
    perfect, silent = agreement(true, true), agreement(torch.zeros(2, 2), true)
    assert (perfect.cosine, perfect.explained, perfect.error) == (pytest.approx(1), 1, 0)
    assert (silent.cosine, silent.explained, silent.length) == (0, 0, 0) and silent.error == silent.silence
    assert agreement(true, torch.zeros(2, 2)) == Agreement(0, 0, pytest.approx(4.5), 0, 0)
    assert agreement(-true, true).explained < 0


def test_the_synthetic_share_counts_length():
    given = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    for length, share, expected in (
        (1, 0.8, 0.8),
        (0.25, 0.8, 0.5),
        (2, 0.0, 0),
        (0.25, 1.0, 1),
        (0, 1.0, 0),
    ):
        assert synthetic_share(length * given.flip(0), given, share) == pytest.approx(expected)
