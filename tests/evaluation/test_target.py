import pytest

from petri.errors import BadRequest
from petri.evaluation.target import target_of
from petri.modelfile import Model
from petri.nca import Automaton, Spec


def model(target):
    return Model(automaton=Automaton(Spec()), target=target)


@pytest.mark.parametrize("name", ["spiral", "emoji:🦎", "text:Hi"])
def test_a_name_is_enough(tmp_path, name):
    assert target_of(model(name), tmp_path / "model.safetensors") == name


@pytest.mark.parametrize("folder", ["", "pictures"])
def test_a_picture_is_found_by_the_recipe_beside_the_model(tmp_path, folder):
    picture = tmp_path / folder / "logo.png"
    picture.parent.mkdir(exist_ok=True)
    picture.write_bytes(b"")
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.toml").write_text(f"target = '{picture}'")
    assert target_of(model("logo.png"), run / "model.safetensors") == str(picture)


@pytest.mark.parametrize(
    "recipe",
    [None, "", "target = 3", "not TOML", "target = 'gone/logo.png'", "target = 'other.png'", b"\xff"],
)
def test_what_is_not_found_is_asked_for(tmp_path, monkeypatch, recipe):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.png").write_bytes(b"")
    (tmp_path / "logo.png").write_bytes(b"")  # of the same name, and who knows what it shows
    if recipe is not None:
        (tmp_path / "recipe.toml").write_bytes(recipe if isinstance(recipe, bytes) else recipe.encode())
    with pytest.raises(BadRequest, match=r"grows logo\.png, .*--target"):
        target_of(model("logo.png"), tmp_path / "model.safetensors")
