from __future__ import annotations

import pytest
import torch

from petri.nca.fire import fire_words, fires, pcg, sample_seeds

WORDS = fire_words(sample_seeds(2024, 3), 11, 190, 210)
CELLS = WORDS[0].numel()


def test_hash_of_known_words():
    # Worked out with integers of any size, from the formula alone.
    known = {0: 129708002, 1: 2831084092, 12345: 4099845390, 2**31: 566699590, 2**32 - 1: 3861530882}
    assert pcg(torch.tensor(list(known))).tolist() == list(known.values())


@pytest.mark.parametrize(
    ("seed", "step", "y", "x", "word"),
    [
        (0, 0, 0, 0, 2368882721),
        (0, 0, 0, 1, 2862076663),
        (0, 0, 1, 0, 537453139),
        (0, 1, 0, 0, 555269243),
        (1, 0, 0, 0, 2010352870),
        (0xDEADBEEF, 95, 16, 22, 1164429440),
        (2**32 - 1, 1000, 300, 4094, 3738846874),
    ],
)
def test_word_of_a_cell(seed, step, y, x, word):
    assert fire_words(torch.tensor([seed]), step, y + 2, x + 1)[0, 0, y, x] == word


def test_words_fill_32_bits_and_do_not_depend_on_the_size_of_the_grid():
    assert WORDS.shape == (3, 1, 190, 210) and WORDS.dtype == torch.int64
    assert 0 <= WORDS.min() < 2**18 and 2**32 - 2**18 < WORDS.max() < 2**32
    assert torch.equal(fire_words(sample_seeds(2024, 2), 11, 7, 9), WORDS[:2, :, :7, :9])


def test_samples_draw_apart_and_the_first_keeps_the_seed():
    assert sample_seeds(7, 4).tolist() == [7, 2654435774, 1013904245, 3668340012]
    assert sample_seeds(2**32 - 1, 100_000).unique().numel() == 100_000
    both = fires(WORDS[:2], 0.5)
    assert abs((both[0] == both[1]).float().mean() - 0.5) < 5 * 0.5 / CELLS**0.5


@pytest.mark.parametrize("kind", [float, torch.tensor])
def test_threshold(kind):
    words = torch.tensor([0, 1, 2**30 - 1, 2**30, 2**32 - 1])
    expected = {1.0: [1, 1, 1, 1, 1], 0.25: [1, 1, 1, 0, 0], 2**-32: [1, 0, 0, 0, 0], 2**-33: [0] * 5}
    for probability, fired in expected.items():
        assert fires(words, kind(probability)).tolist() == [bool(f) for f in fired]


@pytest.mark.parametrize("probability", [0.001, 0.1, 0.5, 0.9])
def test_as_many_fire_as_the_probability_says(probability):
    deviation = (probability * (1 - probability) / CELLS) ** 0.5
    for sample in fires(WORDS, probability):
        assert abs(sample.double().mean() - probability) < 4 * deviation


def test_each_cell_has_its_own_probability():
    chance = torch.linspace(0, 1, 210).expand(1, 1, 190, 210)
    columns = fires(WORDS, chance).double().mean(dim=(0, 1, 2))
    assert not columns[0] and columns[-1] == 1
    assert (columns - chance[0, 0, 0]).abs().max() < 5 * 0.5 / (3 * 190) ** 0.5
