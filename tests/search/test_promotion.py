import dataclasses

import pytest
import torch

from petri import modelfile
from petri.errors import BadRequest
from petri.nca import Automaton
from petri.search.promotion import best_for, keep_best, outcome, promotions
from petri.search.results import candidates, findings
from petri.search.space import Configuration
from petri.search.trials import Job
from petri.training.runs import Run


@pytest.fixture
def ended(study, agenda):
    """A study in which the configurations ended with losses of 0.3, 0.1, and 0.2."""
    for configuration, loss in zip(study.space.all(), (0.3, 0.1, 0.2), strict=False):
        trial = study.claim(Job(configuration, 0), agenda(8))
        study.optuna.tell(trial, loss)
    return study


def test_the_best_are_promoted_by_the_default_curriculum(ended):
    one, other = promotions(ended, candidates(findings(ended)), 2, res=256, epochs=None)
    assert [one.configuration, other.configuration] == [ended.space.all()[1], ended.space.all()[2]]
    phases = [(phase.res, phase.epochs, phase.batch) for phase in one.recipe.phases]
    assert (phases[0], phases[1], phases[-1], len(phases)) == (
        (64, 2000, 1),
        (72, 150, 1),
        (256, 650, 1),
        13,
    )
    assert one.recipe.steps == (128, 192) and one.recipe.phases[-1].truncate == 64
    assert one.recipe.spec.rule.layers == 3 and one.recipe.spec.rule.residual
    assert (one.name, other.name) == ("tiny-trial-1-at-256", "tiny-trial-2-at-256")
    [short] = promotions(ended, candidates(findings(ended)), 1, res=128, epochs=100)
    assert short.recipe.epochs == 100 and short.recipe.res == 128


def test_a_promotion_counts_when_it_is_trained_to_its_end_and_the_best_is_kept(ended, tmp_path):
    both = promotions(ended, candidates(findings(ended)), 2, res=16, epochs=4)
    assert outcome(both[0], tmp_path) is None
    for promotion, loss, epochs in zip(both, (0.02, 0.01), (4, 4), strict=True):
        run = Run.create(tmp_path, promotion.name, promotion.recipe, room=1)
        run.close()
        assert outcome(promotion, tmp_path) is None  # it has a folder and no model
        automaton = Automaton(promotion.recipe.spec, generator=torch.Generator().manual_seed(0))
        training = {"epochs": epochs - 1, "loss": {"loss": loss}, "seconds": 7}
        model = modelfile.Model(automaton=automaton, target="circle", training=training)
        modelfile.write(run.path("model.safetensors"), model)
        assert outcome(promotion, tmp_path) is None  # it was stopped
        training["epochs"] = epochs
        modelfile.write(run.path("model.safetensors"), model)
    outcomes = [outcome(promotion, tmp_path) for promotion in both]
    assert [done["loss"] for done in outcomes] == [0.02, 0.01]
    kept = keep_best(ended, outcomes, tmp_path)
    assert kept == tmp_path / "tiny.safetensors"
    assert kept.read_bytes() == (tmp_path / both[1].name / "model.safetensors").read_bytes()
    assert ended.promoted == outcomes
    keep_best(ended, outcomes[:1], tmp_path)
    assert len(ended.promoted) == 2  # none is lost
    changed = dataclasses.replace(both[0], recipe=dataclasses.replace(both[0].recipe, seed=9))
    with pytest.raises(BadRequest, match="was trained by another recipe"):
        outcome(changed, tmp_path)


def test_the_best_of_a_study_is_had_for_its_own_target_only(ended, study):
    assert best_for(ended, "circle").configuration == ended.space.all()[1]
    with pytest.raises(BadRequest, match="is for circle, not spiral"):
        best_for(ended, "spiral")


def test_a_study_without_an_ended_trial_has_no_best(study, agenda):
    study.claim(Job(Configuration(perception="sobel", hidden=64, rule="2 layers"), 0), agenda(8))
    with pytest.raises(BadRequest, match="no trial of the study 'tiny' has come to its end"):
        best_for(study, "circle")
