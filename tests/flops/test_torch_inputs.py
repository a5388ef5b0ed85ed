"""What a model is called with: given in any form, asked of the model, or said to be missing."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 its usual name
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from greenai_magic.errors import FlopError
from greenai_magic.flops import count_flops


class Two(nn.Module):
    """Takes a picture and a number of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(5, 4)

    def forward(self, picture, number, *, scale=1.0):
        return self.conv(picture).mean((2, 3)) + self.linear(number) * scale


PICTURE, NUMBER = (2, 3, 8, 8), (2, 5)
MACS = 2 * 36 * 4 * 27 + 2 * 5 * 4


@pytest.mark.parametrize(
    "inputs",
    [
        (torch.ones(PICTURE), torch.ones(NUMBER)),
        [torch.ones(PICTURE), np.ones(NUMBER, dtype=np.float32)],
        {"picture": torch.ones(PICTURE), "number": torch.ones(NUMBER)},
        {"picture": torch.ones(PICTURE, device="meta"), "number": torch.ones(NUMBER), "scale": 2.0},
        [PICTURE, NUMBER],
        (PICTURE, (NUMBER, "float32")),
        {"picture": PICTURE, "number": (NUMBER, torch.float32)},
    ],
)
def test_the_same_in_every_form(inputs):
    report = count_flops(Two(), inputs)
    assert report.macs == MACS
    assert report.inputs.startswith("picture: 2 x 3 x 8 x 8 float32; number: 2 x 5 float32")


def test_one_shape_is_one_tensor():
    assert count_flops(nn.Linear(5, 4), (2, 3, 5)).macs == 2 * 3 * 5 * 4
    assert count_flops(nn.Linear(5, 4), [7, 5]).macs == 7 * 5 * 4


def test_a_shape_is_of_the_models_type():
    report = count_flops(nn.Linear(5, 4, dtype=torch.float64), (2, 5))
    assert report.inputs == "input: 2 x 5 float64"
    report = count_flops(nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 3)), (2, 5))
    assert (report.inputs, report.macs) == ("input: 2 x 5 int64", 2 * 5 * 4 * 3)


@pytest.mark.parametrize("inputs", [[PICTURE, NUMBER], (torch.ones(PICTURE), torch.ones(NUMBER))])
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_batch_replaces_the_first_size(inputs, batch):
    report = count_flops(Two(), inputs, batch=batch)
    assert report.macs == MACS // 2 * batch
    assert (
        report.inputs == f"picture: {batch} x 3 x 8 x 8 float32; number: {batch} x 5 float32; batch {batch}"
    )


class Noisy(Dataset):
    """Draws random numbers, and notes what is read."""

    def __init__(self) -> None:
        self.read = []

    def __len__(self):
        return 100

    def __getitem__(self, index):
        self.read.append(index)
        return torch.rand(5) + random.random(), 3


def test_a_loader_gives_a_batch_and_does_not_advance():
    loader = DataLoader(Noisy(), batch_size=4, shuffle=True)
    iterator = iter(loader)
    next(iterator)
    model = nn.Linear(5, 4)
    states = torch.get_rng_state(), random.getstate()
    report = count_flops(model, loader, train_step=True, loss=nn.functional.cross_entropy)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert report.inputs == "input: 4 x 5 float32"
    assert report.by_phase["loss"] > 0
    assert "inputs: the data set's first item, 4 times" in report.notes
    assert len(list(iterator)) == 24
    assert count_flops(nn.Linear(5, 4), loader, batch=6).macs == 6 * 5 * 4


def test_a_loader_of_several_inputs():
    data = TensorDataset(torch.ones(9, 3, 8, 8), torch.ones(9, 5), torch.zeros(9))
    report = count_flops(Two(), DataLoader(data, batch_size=2))
    assert report.macs == MACS
    named = [{"picture": torch.ones(3, 8, 8), "number": torch.ones(5), "label": 1}] * 4
    report = count_flops(Two(), DataLoader(named, batch_size=2))
    assert (report.macs, "label" in report.inputs) == (MACS, False)


def test_a_stream_is_refused_in_a_sentence():
    class Stream(IterableDataset):
        def __iter__(self):
            raise AssertionError

    with pytest.raises(FlopError, match="cannot be read without advancing it: pass one batch of it"):
        count_flops(nn.Linear(5, 4), DataLoader(Stream()))


def test_what_the_model_says_itself():
    two = Two()
    two.example_input_array = (torch.ones(PICTURE), torch.ones(NUMBER))
    assert count_flops(two).macs == MACS
    net = nn.Conv2d(3, 4, 3)
    net.pretrained_cfg = {"input_size": (3, 10, 10)}
    assert count_flops(net, batch=2).macs == 2 * 64 * 4 * 27
    assert count_flops(nn.Sequential(nn.Sequential(nn.Linear(5, 4)), nn.ReLU())).macs == 5 * 4


def test_what_is_missing_is_said_in_a_sentence():
    with pytest.raises(FlopError, match="Two does not say what it takes: pass a tensor, a dict of"):
        count_flops(Two())
    with pytest.raises(FlopError, match="'float31' is no type of tensors"):
        count_flops(Two(), [PICTURE, (NUMBER, "float31")])
    with pytest.raises(FlopError, match=r"\(2, -3\) is no shape of an input: each size must be 1 or more"):
        count_flops(Two(), [(2, -3), NUMBER])
    with pytest.raises(FlopError, match="A function is no PyTorch module, no Keras model"):
        count_flops(lambda x: x, (1, 2))
    with pytest.raises(FlopError, match="Two's conv cannot take inputs of 2 x 4 x 8 x 8: "):
        count_flops(Two(), [(2, 4, 8, 8), NUMBER])
    with pytest.raises(FlopError, match=r"Two cannot take inputs of 2 x 3 x 8 x 8: .*'number'"):
        count_flops(Two(), PICTURE)


def _config(name, **options):
    transformers = pytest.importorskip("transformers")
    return getattr(transformers, f"{name}Config")(**options)


def test_hugging_face_models_say_what_they_take():
    transformers = pytest.importorskip("transformers")
    text = {
        "vocab_size": 50,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    }
    picture = {**text, "image_size": 32, "patch_size": 8}
    picture.pop("vocab_size")
    small = {
        "d_model": 8,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "vocab_size": 50,
        "pad_token_id": 0,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
    }
    expected = {
        transformers.BertModel(_config("Bert", **text)): "input_ids: 3 x 128 int64",
        transformers.GPT2Model(_config("GPT2", n_embd=8, n_layer=1, n_head=2, n_positions=64)): "input_ids: 3 x 64 int64",
        transformers.ViTModel(_config("ViT", **picture)): "pixel_values: 3 x 3 x 32 x 32 float32",
        transformers.CLIPModel(
            _config("CLIP", text_config={**text, "max_position_embeddings": 20}, vision_config=picture)
        ): "input_ids: 3 x 20 int64; pixel_values: 3 x 3 x 32 x 32 float32",
        transformers.WhisperModel(
            _config("Whisper", **small, max_source_positions=40, max_target_positions=16)
        ): "input_features: 3 x 80 x 80 float32; decoder_input_ids: 3 x 16 int64",
        transformers.T5Model(
            _config("T5", d_model=8, num_layers=1, num_heads=2, d_kv=4, d_ff=8, vocab_size=50)
        ): "input_ids: 3 x 128 int64; decoder_input_ids: 3 x 128 int64",
    }  # fmt: skip
    for model, inputs in expected.items():
        report = count_flops(model, batch=3)
        assert report.inputs.removesuffix("; batch 3") == inputs
        assert report.macs > 0
        assert report.method == "counted from shapes"


def test_torchvision_models_say_what_they_take():
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))
    assert count_flops(models.resnet18()).inputs == "x: 1 x 3 x 224 x 224 float32"
    assert count_flops(models.vit_b_32(image_size=64)).inputs == "x: 1 x 3 x 64 x 64 float32"
    with pytest.raises(FlopError, match="EfficientNet does not say"):
        count_flops(models.efficientnet_b0())  # its eight sizes are trained on eight sizes of pictures


def _step(model, inputs, loss, **options):
    return count_flops(model, inputs, train_step=True, loss=loss, **options)


def test_a_batch_holds_its_targets_too():
    x, y = torch.ones(6, 5), torch.zeros(6, dtype=torch.long)
    loader = DataLoader(TensorDataset(x, y), batch_size=6)
    expected = _step(nn.Linear(5, 4), loader, F.cross_entropy)
    for inputs in ((x, y), [x, y], [(6, 5), ((6,), "int64")]):
        for loss in (
            F.cross_entropy,
            nn.CrossEntropyLoss(),
            nn.CrossEntropyLoss().forward,
        ):
            report = _step(nn.Linear(5, 4), inputs, loss)
            assert (report.rows, report.inputs) == (expected.rows, "input: 6 x 5 float32")
    assert _step(nn.Linear(5, 4), (x, y), nn.CrossEntropyLoss(), batch=3).macs == expected.macs // 2

    # A loss of the output alone takes none away.
    class Optional(nn.Linear):
        def forward(self, x, more=None):
            return super().forward(x + more)

    assert _step(Optional(5, 4), (x, x), lambda out: out.sum()).macs == expected.macs


def test_a_loss_without_its_targets_is_refused_in_a_sentence():
    advice = "pass a DataLoader, a batch with its targets, or a loss of the output alone$"
    with pytest.raises(FlopError, match=f"The loss of Linear fails: .*{advice}"):
        _step(nn.Linear(5, 4), (6, 5), nn.CrossEntropyLoss())


@pytest.mark.parametrize("options", [{"loss": nn.MSELoss()}, {"optimiser": torch.optim.SGD}])
def test_loss_and_optimiser_belong_to_a_training_step(options):
    with pytest.raises(FlopError, match="belong to a training step: pass train_step=True"):
        count_flops(nn.Linear(5, 4), (6, 5), backward=True, **options)


class OwnError(Exception):
    pass


class Failing(nn.Linear):
    def __init__(self, error) -> None:
        super().__init__(5, 4)
        self.error = error

    def forward(self, x):
        raise self.error


@pytest.mark.parametrize(
    ("error", "text"),
    [(OwnError("mine"), "mine"), (StopIteration(), "StopIteration"), (KeyError("foo"), "KeyError: 'foo'"),
     (OwnError(), "OwnError")],
)  # fmt: skip
def test_any_failure_of_a_model_is_a_sentence(error, text):
    with pytest.raises(FlopError, match=f"Failing cannot take inputs of 2 x 5: {text}$"):
        count_flops(Failing(error), (2, 5))


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ("text", "Linear cannot take inputs of type str: ."),
        (7, "Linear cannot take inputs of type int: ."),
        ((), "Linear cannot take inputs of no value: ."),
        ({}, "Linear cannot take inputs of no value: ."),
        (np.array(["a"]), "A NumPy array of <U1 cannot be a tensor: ."),
        (
            iter([torch.ones(2, 5)]),
            "A list_iterator cannot be read without using it up: pass one batch of it",
        ),
        ((0, 5), r"\(0, 5\) is no shape of an input: each size must be 1 or more"),
    ],
)
def test_inputs_that_are_none_are_refused_in_a_sentence(inputs, text):
    with pytest.raises(FlopError, match=text):
        count_flops(nn.Linear(5, 4), inputs)


def test_doubles_of_numpy_become_of_the_models_type():
    assert count_flops(nn.Linear(5, 4), np.ones((2, 5))).inputs == "input: 2 x 5 float32"
    assert count_flops(nn.Linear(5, 4, dtype=torch.float64), np.ones((2, 5))).inputs == "input: 2 x 5 float64"


def test_shapes_by_name_may_stand_beside_numbers():
    report = count_flops(Two(), {"picture": PICTURE, "number": NUMBER, "scale": 2.0})
    assert report.macs == MACS


@pytest.mark.parametrize("batch", [0, -1, 1.5])
def test_a_batch_has_an_item(batch):
    with pytest.raises(FlopError, match="batch must be 1 or more"):
        count_flops(nn.Linear(5, 4), (2, 5), batch=batch)


def test_the_fault_of_an_optimiser_or_a_loss_is_not_the_inputs():
    model = nn.Linear(5, 4)
    with pytest.raises(FlopError, match="optimiser='adam' cannot be called: pass one of PyTorch's"):
        _step(model, (2, 5), lambda out: out.sum(), optimiser="adam")
    with pytest.raises(FlopError, match="loss='mse' cannot be called: pass one of PyTorch's"):
        _step(model, (2, 5), "mse")
    with pytest.raises(FlopError, match="The optimiser of Linear fails: "):
        _step(model, (2, 5), lambda out: out.sum(), optimiser=lambda: None)
