"""What Triton makes of the kernels for GPUs that need not be here: that it compiles, and fits into them."""

from importlib.util import find_spec

import pytest
import torch
from specs import SPECS

from petri.engine import fused
from petri.nca import Automaton, Spec
from petri.nca.fire import sample_seeds

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is for Linux alone")

GPUS = {86: 101_376, 90: 232_448}  # compute capability, and bytes that the threads of a program may share
TYPES = {
    torch.float32: "*fp32",
    torch.bfloat16: "*bf16",
    torch.uint8: "*u8",
    torch.int32: "*i32",
    torch.int64: "*i64",
}
LARGE = {
    "the report's": Spec.of(perception="learned+dilated", hidden=64, residual=True, living=True),
    "128 units": Spec.of(perception="dilated", hidden=128, layers=2),
    "80 units, convolutions": Spec.of(perception="conv3+conv5d2", hidden=80, layers=2, fixed=5),
}
WHOLE = Spec.of(perception="laplacian+conv1", channels=4, fixed=1, hidden=16, gated=True, residual=True)


class Compiled:
    """In the place of a kernel: is compiled for a GPU instead of being started."""

    def __init__(self, kernel, capability):
        self.kernel, self.arg_names, self.capability = kernel, kernel.arg_names, capability
        self.made = []

    def __getitem__(self, grid):
        return self.compile

    def compile(self, **given):
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        signature, constants = {}, {}
        for name in self.arg_names:
            value = given[name]
            if self.kernel.params[self.arg_names.index(name)].is_constexpr:
                signature[name], constants[name] = "constexpr", value
            elif isinstance(value, torch.Tensor):
                signature[name] = TYPES[value.dtype]
            else:
                signature[name] = "fp32" if isinstance(value, float) else "i32" if value < 2**31 else "i64"
        source = ASTSource(self.kernel, signature=signature, constexprs=constants)
        target = GPUTarget("cuda", self.capability, 32)
        self.made.append(triton.compile(source, target=target, options=fused.OPTIONS))


def compiled(spec, capability, bfloat16, monkeypatch):
    """All kernels of a step, forward and backward, by name."""
    from petri.engine import kernels

    names = ("forward", "live", "feel", "backward", "gather", "outer", "taps_gradient", "filters_gradient")
    found = {name: Compiled(getattr(kernels, name), capability) for name in names}
    for name, kernel in found.items():
        monkeypatch.setattr(kernels, name, kernel)
    automaton, state = Automaton(spec), torch.zeros(2, spec.planes, 36, 36, requires_grad=True)
    fused.rollout(automaton, state, 1, seeds=sample_seeds(0, 2), start=0, bfloat16=bfloat16).sum().backward()
    return {name: made for name, kernel in found.items() if (made := kernel.made)}


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


def test_a_step_is_compiled_without_a_gpu(monkeypatch):
    found = compiled(WHOLE, 90, True, monkeypatch)
    assert set(found) == {"forward", "feel", "backward", "gather", "outer", "filters_gradient"}
    assert all("cubin" in one.asm for made in found.values() for one in made)


@pytest.mark.slow
@pytest.mark.parametrize(("capability", "bfloat16"), [(86, False), (86, True), (90, True)])
@pytest.mark.parametrize("spec", LARGE.values(), ids=LARGE)
def test_what_is_compiled_fits_into_a_gpu(spec, capability, bfloat16, monkeypatch):
    for name, made in compiled(spec, capability, bfloat16, monkeypatch).items():
        assert max(one.metadata.shared for one in made) <= GPUS[capability], name


@pytest.mark.slow
@pytest.mark.parametrize("spec", [pytest.param(s, id=n) for n, s in SPECS.items() if not fused.obstacle(s)])
def test_every_spec_is_compiled(spec, monkeypatch):
    compiled(spec, 90, True, monkeypatch)
