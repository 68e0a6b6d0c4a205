"""Every method by name on a made-up student and teacher: finite, trainable, and it listens to the teacher."""

from dataclasses import replace

import pytest
import torch

from lobarena.agents.distill.bridges import Sizes, Units, matched
from lobarena.agents.distill.losses import METHODS, Student, Teacher, Truth, method
from lobarena.agents.distill.losses_task import task_units

SIZES = Sizes(stages=(4, 6), pooled=5, layers=3, hidden=8)


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def student(grad: bool = True) -> Student:
    stages = drawn(7, 4, 10, seed=0), drawn(7, 6, 5, seed=1)
    made = Student(stages, drawn(7, 5, seed=2), drawn(7, 3, seed=3), drawn(7, 3, 9, seed=4))
    for x in (*made.stages, made.pooled, made.forecast, made.logits):
        x.requires_grad_(grad)
    return made


def teacher(seed: int = 10, tokens: bool = True) -> Teacher:
    by_token = drawn(7, 3, 16, 8, seed=seed + 3) if tokens else None
    return Teacher(drawn(7, 3, 8, seed=seed), drawn(7, 3, seed=seed + 1), drawn(7, 3, 9, seed=seed + 2), by_token)


TRUTH = Truth(drawn(7, 3, seed=20), torch.arange(21).reshape(7, 3) % 9)


def bridge(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    made = METHODS[name].bridge(SIZES)
    if isinstance(made, Units):
        made.keep(task_units(drawn(20, 8, seed=5), 5))
    return made


@pytest.mark.parametrize("name", METHODS)
def test_a_method_trains_student_and_bridge_and_listens_to_its_teacher(name: str):
    made, between = student(), bridge(name)
    loss = method(name)(made, teacher(), TRUTH, between)
    assert loss.shape == ()
    assert loss.isfinite()
    loss.backward()
    reached = [x.grad for x in (*made.stages, made.pooled, made.forecast, made.logits) if x.grad is not None]
    assert reached
    assert all(slope.isfinite().all() and slope.abs().max() > 0 for slope in reached)
    for parameter, value in between.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.isfinite().all(), parameter
    assert METHODS[name](made, teacher(seed=30), TRUTH, between).item() != loss.item()


@pytest.mark.parametrize("name", METHODS)
def test_methods_that_need_tokens_say_so_and_the_others_do_without(name: str):
    if METHODS[name].needs_tokens:
        with pytest.raises(ValueError, match="store tokens"):
            METHODS[name](student(), teacher(tokens=False), TRUTH, bridge(name))
    else:
        loss = METHODS[name](student(), teacher(tokens=False), TRUTH, bridge(name))
        assert loss.item() == METHODS[name](student(), teacher(), TRUTH, bridge(name)).item()


@pytest.mark.parametrize("name", METHODS)
def test_a_few_steps_lower_every_loss(name: str):
    made, between = student(grad=False), bridge(name)
    free = [x.clone().requires_grad_() for x in (*made.stages, made.pooled, made.forecast, made.logits)]
    moved = Student((free[0], free[1]), free[2], free[3], free[4])
    optimiser = torch.optim.Adam([*free, *between.parameters()], 0.02)
    losses = []
    for _ in range(20):
        loss = METHODS[name](moved, teacher(), TRUTH, between)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_other_windows_of_the_teacher_are_refused():
    fewer = replace(teacher(), layers=drawn(6, 3, 8, seed=0))
    with pytest.raises(ValueError, match="the same windows"):
        METHODS["sp"](student(), fewer, TRUTH, bridge("sp"))


def test_an_unknown_method_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'kdd'.*fitnets"):
        method("kdd")


def test_units_that_were_not_chosen_or_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no units yet"):
        METHODS["flexkd"](student(), teacher(), TRUTH, Units(SIZES))
    with pytest.raises(ValueError, match="give 5"):
        Units(SIZES).keep(torch.arange(4))
    with pytest.raises(ValueError, match="narrower"):
        Units(replace(SIZES, pooled=9))


def test_stages_learn_from_layers_spread_evenly_the_last_from_the_last():
    assert matched(3, 3) == [0, 1, 2]
    assert matched(2, 30) == [14, 29]
    assert matched(1, 4) == [3]
    assert matched(4, 2) == [0, 0, 1, 1]


def test_a_bridge_keeps_what_it_cannot_learn_with_its_weights():
    again = METHODS["fsp"].bridge(SIZES)
    again.load_state_dict(bridge("fsp").state_dict())
    same = [METHODS["fsp"](student(), teacher(), TRUTH, b).item() for b in (again, bridge("fsp"))]
    assert same[0] == same[1]


@pytest.mark.parametrize("wrong", [{"stages": ()}, {"pooled": 0}, {"layers": 0}])
def test_sizes_of_nothing_are_refused(wrong: dict):
    with pytest.raises(ValueError, match="1 or more"):
        replace(SIZES, **wrong)
