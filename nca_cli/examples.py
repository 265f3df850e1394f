"""What the help of each command shows it used for."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "": ("petri grow spiral", "petri play circle", "petri view", "petri help grow"),
    "grow": (
        "petri grow spiral",
        "petri grow logo.png --res 96",
        "petri grow logo.png --res 32 --pixels 512",
        "petri grow emoji:🦎 --set pool.damage=1",
        "petri grow emoji:🦎 emoji:🦋 emoji:🐠",
        "petri grow spiral --res 256 --dry-run",
        "petri grow --resume runs/spiral-64",
    ),
    "texture": (
        "petri texture brick --scale 2.5",
        "petri texture photo.jpg --res 96 --scale 4 --crop 0,0.5",
        "petri texture bricks.jpg grass.jpg",
        "petri texture bricks.jpg --res 96 --pixels 768",
        "petri texture material:scales",
        "petri texture --resume runs/bricks-128",
    ),
    "classify": (
        "petri classify mini",
        "petri classify mnist",
        "petri classify fashion --set loss.error=squares --dry-run",
        "petri classify --resume runs/mnist-28",
    ),
    "mesh": ("petri mesh ring", "petri mesh grow bunny.obj spots", "petri mesh texture knot brick"),
    "mesh texture": (
        "petri mesh texture sphere:6 brick --scale 2.5",
        "petri mesh texture bunny.obj scales --scale 2 --level 5",
        "petri mesh texture bunny.obj scales --scale 4 --level 5 --pixels 128",
    ),
    "mesh wear": (
        "petri mesh wear runs/brick-40962 knot",
        "petri mesh wear runs/brick-40962 bunny.obj --out bunny.webp",
    ),
    "mesh ring": ("petri mesh ring", "petri mesh ring --seeds 1 --epochs 500"),
    "mesh grow": (
        "petri mesh grow bunny.obj spots",
        "petri mesh grow coloured.ply",
        "petri mesh grow sphere:4 harlequin --perception harmonics2",
        "petri mesh grow --resume runs/bunny-spots",
    ),
    "search": (
        "petri search spiral --trials 30",
        "petri search spiral --trials 30 --workers 2 --promote 2",
        "petri search --show spiral-64",
    ),
    "ablate": ("petri ablate spiral", "petri ablate circle multi-scale curriculum --seeds 5"),
    "play": (
        "petri play circle",
        "petri play runs/spiral-64 --out spiral.gif",
        "petri play circle --damage",
        "petri play runs/bunny-spots-1839 --out bunny.glb",
        "petri play runs/1f98e-1f98b-64 --target 🦋 --switch-to 🦎 --at 150",
        "petri play woven --tile tile.png --res 512",
    ),
    "evaluate": (
        "petri evaluate rings",
        "petri evaluate runs/* --sheet sheet.png",
        "petri evaluate logo.safetensors --target logo.png",
    ),
    "shader-gen": (
        "petri shader-gen",
        "petri shader-gen spiral --html spiral.html",
        "petri shader-gen rings --shadertoy",
    ),
    "view": ("petri view", "petri view runs/spiral-64", "petri view --export site"),
    "targets": ("petri targets", "petri targets --sheet targets.png"),
    "models": ("petri models",),
    "import": (
        "petri import distill ex3_butterfly.json",
        "petri import textures models.json --name bubbly_0101",
        "petri import torch dots.pt",
    ),
    "import distill": ("petri import distill ex3_butterfly.json",),
    "import raw": (
        "petri import raw texture-weave.bin",
        "petri import raw growing.bin --channels 16 --hidden 128",
    ),
    "import cells2pixels": ("petri import cells2pixels Butterfly.json",),
    "import textures": ("petri import textures models.json", "petri import textures models.json --index 7"),
    "import torch": (
        "petri import torch dots.pt",
        "petri import torch mine.pth --order interleaved --divisor 8",
    ),
    "repair": ("petri repair model.safetensors --nan", "petri repair mnist"),
    "repair file": (
        "petri repair file model.safetensors --nan",
        "petri repair file model.safetensors --damaged mask.npy --layer fc1.weight",
    ),
    "repair mnist": (
        "petri repair mnist",
        "petri repair mnist --data mini --rates 0.9 --masks 1 --zoo 4",
        "petri repair mnist --damage rows,blocks,permuted --rates 0.7 --variants functional",
        "petri repair mnist --layer conv2 --rates 0.5,0.9",
    ),
    "check": ("petri check model.safetensors",),
    "doctor": ("petri doctor",),
    "help": ("petri help", "petri help grow", "petri help dni mnist"),
    "dni": ("petri dni mnist --data mini",),
    "dni mnist": (
        "petri dni mnist --data mini",
        "petri dni mnist --beta-max 0.8 --seeds 5",
        "petri dni mnist --decoupled --grader linear --conditioned",
    ),
    "dni ablate": ("petri dni ablate --data mini --seeds 5",),
    "dni bench": ("petri dni bench", "petri dni bench --widths 1024,1024 --batch 256"),
    "dni pipeline": ("petri dni pipeline --stages 2",),
    "data": ("petri data fetch mnist",),
    "data fetch": ("petri data fetch mnist", "petri data fetch vgg16"),
}


def examples(verb: str) -> str:
    """Lines for the end of a command's help."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in EXAMPLES[verb])))
