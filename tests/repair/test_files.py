"""Repairing a file."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from petri.errors import BadRequest
from petri.repair import files
from petri.repair.kriging import Likeness


def pictures(units=60, side=8):
    """Weights whose pictures are smooth."""
    factor = torch.linalg.cholesky(Likeness(0.0, 1.0, 0.05, 2.8, "gaussian").covariance((side, side)))
    return torch.randn(units, side * side, generator=torch.Generator().manual_seed(0)) @ factor.T


@pytest.fixture
def model(tmp_path):
    """A file with a matrix, half of which is NaN, and other tensors; and the matrix as it was."""
    whole = pictures()
    damaged = whole.clone()
    damaged[torch.rand(whole.shape, generator=torch.Generator().manual_seed(1)) < 0.5] = torch.nan
    path = tmp_path / "model.safetensors"
    save_file(
        {"fc1.weight": damaged, "fc1.bias": torch.ones(60), "step": torch.tensor(3)}, path, {"who": "me"}
    )
    return path, whole


def test_the_copy_has_estimates_and_says_so_and_the_rest_bit_for_bit(model, tmp_path):
    path, whole = model
    before, out = path.read_bytes(), tmp_path / "out.safetensors"
    (done,) = files.repair(path, files.masks_of_nan, out)
    assert path.read_bytes() == before
    old, new = load_file(path), load_file(out)
    lost = old["fc1.weight"].isnan()
    assert torch.equal(new["fc1.weight"][~lost], whole[~lost])
    assert (new["fc1.weight"] - whole)[lost].square().mean() < 0.4 * whole[lost].square().mean()
    assert torch.equal(new["fc1.bias"], old["fc1.bias"]) and torch.equal(new["step"], old["step"])
    assert (done.tensor, done.lost, done.count, done.method) == (
        "fc1.weight",
        int(lost.sum()),
        3840,
        "kriging",
    )
    assert 0.5 < done.explained <= 1 and done.empty_rows == 0
    with safe_open(out, "pt") as file:
        metadata = file.metadata()
    assert metadata["who"] == "me"
    assert json.loads(metadata[files.ESTIMATED]) == [
        {"tensor": "fc1.weight", "numbers": int(lost.sum()), "of": 3840, "method": "kriging"}
    ]
    with pytest.raises(BadRequest, match="is there already"):
        files.repair(path, files.masks_of_nan, out)


def test_what_was_estimated_before_stays_in_the_metadata(model, tmp_path):
    files.repair(model[0], files.masks_of_nan, tmp_path / "one.safetensors")
    mask = np.zeros((60, 64), bool)
    mask[0, :5] = True
    np.save(tmp_path / "mask.npy", mask)
    again = tmp_path / "two.safetensors"

    def known(tensors):
        return files.masks_of_file(tmp_path / "mask.npy", tensors, "fc1.weight")

    files.repair(tmp_path / "one.safetensors", known, again)
    with safe_open(again, "pt") as file:
        assert [one["numbers"] for one in json.loads(file.metadata()[files.ESTIMATED])][1] == 5


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_keep_their_type_and_what_is_known(kind):
    weights = pictures().to(kind)
    known = torch.rand(weights.shape, generator=torch.Generator().manual_seed(1)) < 0.6
    found, _ = files.estimate("a", torch.where(known, weights, torch.nan), known)
    assert found.dtype == kind and torch.equal(found[known], weights[known]) and found.isfinite().all()


def test_a_convolution_is_a_matrix_of_its_filters():
    weights = torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    known = torch.rand(weights.shape, generator=torch.Generator().manual_seed(1)) < 0.7
    found, done = files.estimate("conv", weights, known)
    assert found.shape == weights.shape and torch.equal(found[known], weights[known])
    assert done.count == 216 and done.method in ("mean", "row and column means", "neighbour", "soft-impute")


def test_rows_of_which_nothing_is_left_are_counted():
    known = torch.ones(60, 64, dtype=torch.bool)
    known[[3, 9]] = False
    assert files.estimate("a", pictures(), known)[1].empty_rows == 2


def test_numbers_near_the_end_of_the_range_do_not_overflow():
    weights = 1e30 * pictures()
    known = torch.rand(weights.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    assert files.estimate("a", weights, known)[0].isfinite().all()


def masked(tmp_path, tensors, **masks):
    save_file(masks, tmp_path / "mask.safetensors")
    return files.masks_of_file(tmp_path / "mask.safetensors", tensors)


def test_masks_that_cannot_be_used_are_refused(model, tmp_path):
    tensors = load_file(model[0])
    ones = torch.ones(60, 64, dtype=torch.bool)
    for masks, said in (
        ({"fc1.weight": ones[:, :5].contiguous()}, r"must have its shape, \[60, 64\], got \[60, 5\]"),
        ({"fc2.weight": ones}, "no layer 'fc2.weight', did you mean \"fc1.weight\""),
        ({"fc1.weight": ones.float()}, "must be bool or whole numbers, got float32"),
        ({"fc1.weight": ~ones}, "says that nothing is damaged"),
    ):
        with pytest.raises(BadRequest, match=said):
            masked(tmp_path, tensors, **masks)
    np.save(tmp_path / "mask.npy", ones.numpy())
    (tmp_path / "words.npy").write_text("no array")
    for path, said in (
        ("mask.npy", "say which by --layer"),
        ("none.npy", "there is no mask"),
        ("words.npy", "must be an array of numbers"),
    ):
        layer = "fc1.weight" if path == "words.npy" else None
        with pytest.raises(BadRequest, match=said):
            files.masks_of_file(tmp_path / path, tensors, layer)


def test_tensors_that_cannot_be_estimated_are_refused(tmp_path):
    for tensor, said in (
        (torch.zeros(4, 4, dtype=torch.int64), r"whole numbers \(int64\)"),
        (torch.zeros(4), r"no matrix of weights: float32 \[4\]"),
    ):
        with pytest.raises(BadRequest, match=said):
            files.estimate("a", tensor, torch.zeros(tensor.shape, dtype=torch.bool))
    with pytest.raises(BadRequest, match="no number of 'a' is known"):
        files.estimate("a", torch.zeros(4, 4), torch.zeros(4, 4, dtype=torch.bool))


def test_a_file_without_damage_is_not_copied(tmp_path):
    save_file({"a": torch.ones(3, 3)}, tmp_path / "whole.safetensors")
    with pytest.raises(BadRequest, match="nothing to repair"):
        files.repair(tmp_path / "whole.safetensors", files.masks_of_nan, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
