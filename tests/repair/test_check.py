"""petri check: files made by hand, byte by byte."""

import json
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from petri.errors import BadRequest
from petri.repair.check import check


@pytest.fixture
def write(tmp_path):
    """Write a file of a header and bytes."""

    def made(header, content=b"", length=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        path = tmp_path / "model.safetensors"
        path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + content)
        return path

    return made


def entry(first, last, shape=None, kind="F32"):
    return {
        "dtype": kind,
        "shape": [(last - first) // 4] if shape is None else shape,
        "data_offsets": [first, last],
    }


ONES = np.ones(4, np.float32).tobytes()


def said(path):
    return [(fault.tensor, fault.said) for fault in check(path).faults]


def test_a_whole_file_is_sound(tmp_path):
    path = tmp_path / "whole.safetensors"
    save_file(
        {"a": torch.randn(30, 40), "b": torch.arange(5), "c": torch.randn(7).bfloat16(), "d": torch.zeros(0)},
        path,
        {"what": "a test"},
    )
    found = check(path)
    assert found.sound and not found.faults and (found.tensors, found.numbers) == (4, 1207)


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_numbers_that_are_none(tmp_path, kind):
    values = torch.ones(200, dtype=kind)
    values[3], values[5], values[6] = torch.nan, torch.inf, -torch.inf
    save_file({"a": values}, tmp_path / "a.safetensors")
    assert said(tmp_path / "a.safetensors") == [
        ("a", "1 of 200 numbers are NaN"), ("a", "2 of 200 numbers are infinite")
    ]  # fmt: skip
    assert not check(tmp_path / "a.safetensors").sound


def test_a_flipped_exponent_stands_out_but_may_be_meant(tmp_path):
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    values[10] *= 2.0**32
    save_file({"a": values}, tmp_path / "a.safetensors")
    (fault,) = check(tmp_path / "a.safetensors").faults
    assert "1 of 1,000 numbers are more than 64 times as large" in fault.said and not fault.certain
    assert check(tmp_path / "a.safetensors").sound


def test_truncated(write):
    path = write({"a": entry(0, 16), "b": entry(16, 32)}, ONES + ONES[:6])
    assert said(path) == [("b", "truncated: the last 10 of its 16 bytes are not in the file")]


def test_overlapping_gaps_and_a_tail(write):
    path = write({"a": entry(0, 8), "b": entry(4, 8), "c": entry(12, 16)}, ONES + b"tail")
    assert said(path) == [
        ("b", "overlaps with 'a': 4 bytes are of both"),
        ("", "4 bytes before 'c' belong to no tensor"),
        ("", "4 bytes at the end belong to no tensor"),
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (entry(0, 16, [3]), "F32 [3] takes 12 bytes, it has 16"),
        (entry(0, 16, [-4]), "its shape must be whole numbers, is [-4]"),
        ({"dtype": "F32", "shape": [4]}, "its entry lacks a type, a shape or its place"),
        (
            {"dtype": "F32", "shape": [4], "data_offsets": ["0", 16]},
            "its place must be two numbers, is ['0', 16]",
        ),
        (entry(16, 0, [4]), "it ends at byte 0, before it begins at 16"),
        (7, "its entry lacks a type, a shape or its place"),
    ],
)
def test_entries_that_cannot_be(write, wrong, words):
    assert ("a", words) in said(write({"a": wrong}, ONES))


@pytest.mark.parametrize(
    ("header", "length", "words"),
    [
        (b"", 5, "its header would be 5 bytes long, the file has 8"),
        (b"{}", 2**63, "its header would be 9,223,372,036,854,775,808 bytes long"),
        (b"{no", None, "its header is not JSON"),
        (b"[]", None, "must be a JSON object, is list"),
        (b'{"a": 1, "a": 2}', None, "names 'a' twice"),
        (b"\xff\xfe{}", None, "its header is not JSON"),
    ],
)
def test_what_is_no_such_file(write, header, length, words):
    with pytest.raises(BadRequest) as error:
        check(write(header, length=length))
    assert words in str(error.value)


def test_empty_short_and_absent(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "short").write_bytes(b"abc")
    for name, words in (("empty", "is empty"), ("short", "it has 3 bytes"), ("absent", "there is no file")):
        with pytest.raises(BadRequest, match=words):
            check(tmp_path / name)
