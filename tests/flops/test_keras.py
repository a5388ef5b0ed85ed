"""Keras models on each backend against what they cost by hand, to the unit, forward and backward.

One child for each backend counts all, when the first test asks; the tests compare.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.flops.keras_truth import BATCH, PARAMS, TRUTH, backward, forward

HERE = Path(__file__).parent
NEEDED = {
    "tensorflow": ("keras", "tensorflow"),
    "jax": ("keras", "jax"),
    "torch": ("keras", "torch", "greenai_magic.flops.torch.plan"),
}
PRODUCTS = ("matmul", "convolution", "attention", "recurrent")


@cache
def findings(backend):
    with TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        child = subprocess.run(
            [sys.executable, HERE / "keras_child.py", backend, file],
            cwd=HERE.parents[1],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert child.returncode == 0, child.stderr
        return json.loads(file.read_text())


@pytest.fixture(params=NEEDED)
def found(request):
    missing = [name for name in NEEDED[request.param] if find_spec(name) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    return findings(request.param)


@pytest.fixture
def law(found):
    def result(name):
        assert name not in found["errors"], found["errors"][name]
        return found["laws"][name]

    return result


@pytest.fixture
def case(found):
    def result(name):
        assert name not in found["errors"], found["errors"][name]
        return found["cases"][name]

    return result


@pytest.mark.parametrize("name", TRUTH)
def test_multiply_adds_are_those_of_the_hand_derivation(case, name):
    counted, products = case(name), TRUTH[name]
    assert counted["forward"]["macs_by_phase"] == {"forward": forward(products)}
    assert counted["backward"]["macs_by_phase"] == {
        "forward": forward(products),
        "backward": backward(products),
    }


@pytest.mark.parametrize("name", TRUTH)
def test_nothing_is_left_uncounted_and_all_counts_are_integers(case, name):
    for counted in case(name).values():
        assert counted["uncounted"] == []
        assert counted["types"] == ["int"]


@pytest.mark.parametrize("name", TRUTH)
def test_a_multiply_add_is_two_operations_and_only_products_have_them(case, name):
    for counted in case(name).values():
        assert set(counted["macs_by_kind"]) <= set(PRODUCTS)
        products = {kind: 2 * macs for kind, macs in counted["macs_by_kind"].items()}
        assert {kind: counted["flops_by_kind"].get(kind, 0) for kind in products} == products
        assert counted["macs"] == sum(counted["macs_by_kind"].values())
        assert counted["flops"] == counted["flops_by_path"][""]


@pytest.mark.parametrize("name", PARAMS)
def test_published_models_have_their_published_weights(case, name):
    counted = case(name)["forward"]
    assert counted["params"] == PARAMS[name] == sum(module[3] for module in counted["modules"])
    # One of EfficientNet's is a counter, which TensorFlow keeps in eight bytes.
    assert counted["weight_bytes"] - 4 * PARAMS[name] in ({0, 4} if name == "EfficientNetB0" else {0})


@pytest.mark.parametrize(
    ("name", "kind", "macs"),
    [
        ("attention", "attention", 2 * BATCH * 3 * 5 * 9 * 8),
        ("attention_with_dropout", "attention", 2 * BATCH * 3 * 5 * 9 * 8),
        ("attention_grouped", "attention", 2 * BATCH * 4 * 5 * 9 * 8),
        ("attention_without_weights", "attention", 2 * BATCH * 5 * 5 * 12),
        ("lstm", "recurrent", forward(TRUTH["lstm"])),
        ("bidirectional", "recurrent", forward(TRUTH["bidirectional"])),
        ("convolutional_lstm", "recurrent", forward(TRUTH["convolutional_lstm"])),
        ("separable", "convolution", forward(TRUTH["separable"])),
        ("embedding", "matmul", forward(TRUTH["embedding"])),
    ],
)
def test_work_is_of_its_layers_kind(case, name, kind, macs):
    assert case(name)["forward"]["macs_by_kind"][kind] == macs


def test_normalisation_is_told_from_other_elementwise_work(case):
    assert case("unbuilt_sequential")["forward"]["flops_by_kind"]["normalisation"] >= BATCH * 6 * 4
    assert "normalisation" not in case("mlp")["forward"]["flops_by_kind"]


def test_each_layer_has_its_own_work_in_both_passes(case):
    macs = {"inner.one": BATCH * 8 * 6, "inner.two": BATCH * 6 * 6, "one": BATCH * 6 * 2}
    assert case("nested")["forward"]["macs_by_module"] == macs
    whole = {"inner.one": 2 * macs["inner.one"], "inner.two": 3 * macs["inner.two"], "one": 3 * macs["one"]}
    assert case("nested")["backward"]["macs_by_module"] == whole
    paths = case("nested")["backward"]["flops_by_path"]
    assert paths["inner"] == paths["inner.one"] + paths["inner.drop"] + paths["inner.two"]


def test_grouped_convolutions_keep_their_layer_in_the_backward_pass(case):
    *_, last = case("convolution_grouped_strided")["backward"]["modules"]
    assert last[1] == "Conv2D"
    assert (
        case("convolution_grouped_strided")["backward"]["macs_by_module"][last[0]]
        == 3 * BATCH * 6 * 5 * 9 * 2 * 6
    )


def test_a_shared_layer_is_counted_at_each_call_and_its_weights_once(case):
    counted = case("shared")["forward"]
    assert counted["macs_by_module"] == {"both": 2 * BATCH * 8 * 6, "head": BATCH * 12 * 3}
    assert counted["params"] == (8 * 6 + 6) + (12 * 3 + 3)
    assert counted["calls_of_products"] == 3


def test_modules_are_the_tree_of_layers_parents_first(case):
    modules = {path: rest for path, *rest in case("nested")["forward"]["modules"]}
    assert next(iter(modules)) == ""
    assert list(modules).index("inner") < list(modules).index("inner.one")
    assert modules["inner"] == ["Sequential", [BATCH, 6], 0, 0]
    assert modules["inner.one"] == ["Dense", [BATCH, 6], 8 * 6 + 6, 8 * 6 + 6]
    assert modules["one"] == ["Dense", [BATCH, 2], 6 * 2 + 2, 6 * 2 + 2]


def test_frozen_weights_are_no_trainable_ones(case):
    counted = case("frozen_first")["backward"]
    assert (counted["params"], counted["trainable_params"]) == (8 * 6 + 6 + 6 * 4 + 4, 6 * 4 + 4)


def test_half_precision_weights_take_half_the_bytes(case):
    # The mixed layer keeps its weights whole: 32 x 16 + 16, and four of 16 for the normalisation.
    assert case("half_precision")["forward"]["weight_bytes"] == 4 * (32 * 16 + 16 + 4 * 16) + 2 * (16 * 4 + 4)


def test_what_no_two_backends_would_hold_is_not_assessed_and_said_so(case):
    counted = case("mlp")["forward"]
    assert counted["activations"] == [None, None]
    assert any("Activation memory is not assessed" in note for note in counted["notes"])


def test_a_trained_model_is_as_it_was(law):
    result = law("untouched")
    assert result["differs"] == []
    assert result["predicts the same"]
    assert result["trains on"]
    assert result["looked at"] > 300


def test_a_model_without_weights_stays_without(law):
    assert law("untouched_unbuilt") == {
        "built": [False, False],
        "variables": 1,  # the seed of its dropout, which it has from the start
        "calls": 0,
        "seen": 0,
        "same random state": True,
        "same names": True,
        "params": (8 * 6 + 6) + (6 * 3 + 3),
        "waiting": 0,
    }


@pytest.mark.parametrize(
    ("name", "macs"), [("ways_to_say_inputs", 3 * 6 * 4 * 5), ("ways_to_say_two_inputs", 2 * 6 * 3)]
)
def test_inputs_can_be_said_in_many_ways(law, name, macs):
    ways = law(name)
    assert ways == dict.fromkeys(ways, macs)


def test_what_cannot_be_counted_is_said_in_one_sentence(law):
    said = law("sentences")
    assert "pass inputs" in said["nothing declared"]
    assert "inputs=(1, 128, 4)" in said["open sizes"]
    assert "not object" in said["not inputs"]
    assert said["wrong shape"].startswith("dense")
    assert "2 x 5 float32" in said["wrong shape"]
    assert said["broken"].startswith("Broken cannot be followed on inputs 2 x 4 float32 (")
    assert said["no loss"].endswith("pass one, as loss='mse', or call model.compile first.")
    assert said["no optimiser"].endswith("pass one, as optimiser='adam', or call model.compile first.")
    assert said["no such optimiser"].startswith("optimiser='no' is none of Keras'")
    assert said["no such loss"].startswith("The loss of Net cannot be followed (")
    assert said["a layer"].startswith("Dense is a layer, which Keras does not train")
    assert said["key"] == "Asks cannot be followed on inputs 2 x 4 float32 (KeyError: size)."
    assert "(its course depends on the data, and shapes have none)." in said["python's if"]
    # Backends that have branches in their graphs follow both.
    assert said["branches"] in (None, said["python's if"].replace("Decides", "Branches"))
    assert not any("\n" in sentence or "\x1b" in sentence for sentence in said.values() if sentence)


def test_a_failure_is_a_sentence_and_writes_to_no_log_but_the_users(law):
    result = law("logged")
    assert result["said"].startswith("Speaks cannot be followed on inputs 2 x 3 float32 (")
    assert result["written"] == ["the user's"]


def test_a_batch_of_nothing_is_not_taken_for_one(law):
    assert law("empty_batch") == [["0 x 4 float32", 0], ["1 x 4 float32", 4 * 3]]


def test_frozen_models_have_no_backward_pass_and_are_told_so(law):
    result = law("nothing_to_train")
    assert (result["macs"], result["phases"]) == (4 * 3, ["forward"])
    assert any("No weight is trainable" in note for note in result["notes"])


def test_a_loop_counts_as_often_as_it_turns(law):
    assert law("counted_loop") == 9 * BATCH * 4 * 4


def test_a_scan_counts_each_step_in_both_passes(law):
    dense, step = BATCH * 5 * 4 * 4, BATCH * 4 * 4
    assert law("scan") == [dense + 5 * step, dense + 5 * step]


def test_an_einsum_that_sums_nothing_is_elementwise_on_each_backend(law):
    sums = BATCH * 3 * 4 * 5
    assert law("einsum_without_sum") == [[0, 2 * 8 * 8], [0, 2 * 8], [sums, 2 * sums]]


def test_of_branches_without_multiply_adds_the_dearer_one_is_counted(law):
    result = law("dearest_branch")
    if "said" in result:
        assert "depends on the data" in result["said"]
        return
    # A sum, a comparison, and three operations for each element.
    assert result["flops"] == [8 + 1 + 3 * 8] * 2
    assert all(any("most expensive" in note for note in notes) for notes in result["notes"])


def test_a_bias_starts_its_products_accumulation_on_each_backend_and_a_residual_does_not(law):
    free = {name: [0, 0] for name in ("dense", "sequence", "convolution", "transposed", "one pixel")}
    assert law("biases") == free | {"residual": [4, 8], "activated": [8, 16]}


def test_resizing_has_no_multiply_adds_however_it_is_written(law):
    assert law("resized") == BATCH * 14 * 14 * 9 * 3 * 4


def test_a_loop_of_unknown_length_is_never_a_silent_figure(law):
    result = law("data_dependent_loop")
    if "said" in result:
        assert "cannot be followed" in result["said"]
    else:
        assert any("one turn" in op for op in result["uncounted"])
        assert result["macs"] == 4 * 4


def test_work_done_again_is_a_phase_of_its_own(law, request):
    result = law("remat")
    if "tensorflow" in request.node.callspec.id:
        # TensorFlow refuses Keras' rematerialisation inside a function, for training as well.
        assert "cannot be followed" in result["said"]
        return
    sizes = [BATCH * n for n in (8 * 6, 6 * 5, 5 * 3)]
    assert result["forward"] == sum(sizes)
    assert result["backward"] == sizes[0] + 2 * (sizes[1] + sizes[2])
    assert result["recompute"] > 0


PARAMS_OF = {"dense": 596, "convolution": 112 + 9 * 11 * 4 * 5 + 5, "recurrent": 4 * 5 * (3 + 5 + 1) + 24}
PARAMS_OF["embedding"] = 6 * 4 + 7 * 4 * 4 + 4
WEIGHTS_OF = {"dense": 4, "convolution": 4, "recurrent": 5, "embedding": 3}
OUTPUTS_OF = {"dense": 4, "convolution": 5, "recurrent": 4, "embedding": 4}


def update(optimiser, params, weights):
    """Return the operations of an update, by hand, from the formulas of Keras' documentation.

    Of each parameter: w - g x r for SGD; m x b - g x r, w + m with momentum; and for Adam (Kingma and Ba
    2015, in the order of the text after algorithm 1) 3 for the first moment, 4 for the second, and 5 for
    w - m x a / (sqrt(v) + e). Adam has for each weight the step's number, two powers, two times one minus
    them, a root, a product and a quotient to make a; and each optimiser counts its steps.
    """
    each, once = {"sgd": (2, 0), "momentum": (4, 0), "adam": (12, 8)}[optimiser]
    return each * params + once * weights + 1


@pytest.mark.parametrize("model", PARAMS_OF)
@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "adam"])
def test_an_update_costs_what_its_formula_says_on_each_backend(law, model, optimiser):
    step = law("steps")[f"{model}, {optimiser}"]
    assert step["params"] == PARAMS_OF[model]
    assert step["flops"]["optimiser"] == update(optimiser, PARAMS_OF[model], WEIGHTS_OF[model])
    assert step["uncounted"] == []


@pytest.mark.parametrize("model", PARAMS_OF)
def test_a_step_has_the_products_of_its_two_passes_and_a_loss_of_each_output(law, model):
    step = law("steps")[f"{model}, sgd"]
    forward_only, both = law("passes")[model]
    assert step["macs"] == {
        "forward": forward_only,
        "backward": both - forward_only,
        "loss": 0,
        "optimiser": 0,
    }
    # A difference, a square and a sum; the derivative of the square, where it is made at once; two means.
    outputs = BATCH * OUTPUTS_OF[model]
    assert 3 * outputs + BATCH <= step["flops"]["loss"] <= 4 * outputs + 2 * BATCH + 8


def test_a_compiled_model_is_trained_as_it_is_compiled(law):
    steps = law("compiled")
    assert steps["own"]["flops"]["optimiser"] == update("momentum", 596, 4)
    assert steps["other"]["flops"]["optimiser"] == update("sgd", 596, 4)
    assert steps["own"]["flops"]["loss"] == steps["other"]["flops"]["loss"]
    assert steps["unbuilt"]["flops"]["optimiser"] == update("adam", 54 + 21, 4)
    assert steps["still unbuilt"] == [False, False, 1]  # the seed of its dropout


def test_targets_are_as_the_loss_wants_them_or_as_they_are_passed(law):
    steps = law("targets")
    assert (
        "targets: 2 x 4 float32, as the loss of such outputs wants them" in steps["as the outputs"]["notes"]
    )
    assert "targets: 2 int32, as the loss of such outputs wants them" in steps["indices"]["notes"]
    assert not any("targets" in note for note in steps["a pair"]["notes"])
    assert steps["a pair"]["flops"] == steps["indices"]["flops"]
    assert not any(step["uncounted"] for step in steps.values())


def test_what_layers_add_to_the_loss_is_part_of_it(law):
    # A square and a sum for each weight, beside a difference, a square and a sum for each output.
    assert law("losses_of_layers")["flops"]["loss"] >= 2 * 32 * 16 + 3 * BATCH * 16


def test_what_an_optimiser_does_only_in_some_steps_is_never_a_silent_figure(law):
    steps = law("parts_of_optimisers")
    assert {name: step["uncounted"] for name, step in steps.items()} == {
        "accumulates": ["accumulation of gradients"],
        "averages": ["overwriting of weights by their averages"],
        "scales": ["check that gradients are finite"],
        "decays": [],
        "scheduled": [],
    }
    flops = {name: step["flops"]["optimiser"] for name, step in steps.items()}
    assert flops["accumulates"] == update("sgd", 596, 4)
    assert flops["scales"] == update("sgd", 596, 4) + 596
    assert flops["decays"] == update("adam", 596, 4) + 3 * 596
    assert flops["scheduled"] == update("sgd", 596, 4) + 3


def test_a_model_and_its_optimiser_are_as_they_were(law):
    result = law("trained_on")
    assert result["differs"] == []
    assert result["parts"]
    assert result["iterations"] == [2, 3]
    assert result["looked at"] > 60


@pytest.mark.parametrize("name", ["convolutions", "transposed_convolutions", "recurrent_layers"])
def test_the_law_of_a_family_holds_wherever_hypothesis_looks(law, name):
    assert law(name) is None


def test_the_backends_agree_on_every_multiply_add():
    installed = [backend for backend, needed in NEEDED.items() if all(find_spec(name) for name in needed)]
    if len(installed) < 2:
        pytest.skip("one backend at most is installed")
    first, *others = (
        {
            name: [c["macs_by_kind"] for c in case.values()]
            for name, case in findings(backend)["cases"].items()
        }
        for backend in installed
    )
    assert all(other == first for other in others)
