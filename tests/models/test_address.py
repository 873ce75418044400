from __future__ import annotations

import sys
import textwrap
import types

import pytest
import torch

from archbench.errors import AddressError
from archbench.models.address import find, model_names


def parameters(address):
    return sum(parameter.numel() for parameter in find(address).build().parameters())


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A user's file in the working directory."""
    (tmp_path / "helper_of_net.py").write_text("WIDTH = 3\n")
    (tmp_path / "net.py").write_text(
        textwrap.dedent(
            """
            from torch import nn
            from helper_of_net import WIDTH

            class Net(nn.Module):
                def __init__(self, width=WIDTH, bias=True):
                    super().__init__()
                    self.layer = nn.Linear(width, 2, bias=bias)

                def forward(self, x):
                    return self.layer(x)

            def small():
                return Net(1)

            def wrong():
                return 42
            """
        )
    )
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("net", "helper_of_net"):
        sys.modules.pop(name, None)


def test_the_zoo_is_found_by_bare_names():
    assert {"alexnet", "zfnet", "vgg16", "lenet5"} <= set(model_names())
    assert model_names() == sorted(model_names())
    assert parameters("alexnet") == 60_965_224


def test_classes_and_arguments_are_passed_on():
    # The last layer of 4096 features: 990 classes fewer, each with a bias.
    assert parameters("alexnet") - parameters("alexnet@10") == 990 * 4097
    source = find("lenet@7?activation=relu&init=paper")
    assert source.arguments == {"num_classes": 7, "activation": "relu", "init": "paper"}


def test_a_library_is_found_by_its_name():
    assert parameters("torchvision:resnet18") == 11_689_512
    assert parameters("torchvision:resnet18@10") == 11_689_512 - 990 * 513


def test_a_file_and_a_module_are_found(net):
    assert parameters("net.py:Net") == 3 * 2 + 2
    assert parameters(f"{net}/net.py:Net?width=5&bias=False") == 10
    assert parameters("net:small") == 2 + 2


def test_files_of_one_name_and_files_named_like_known_modules_do_not_meet(net):
    (net / "other").mkdir()
    (net / "other" / "net.py").write_text("from torch import nn\ndef Net():\n    return nn.Linear(9, 1)\n")
    (net / "random.py").write_text("from torch import nn\ndef Net():\n    return nn.Linear(4, 1)\n")
    assert [parameters(f"{path}:Net") for path in ("net.py", "other/net.py", "random.py")] == [8, 10, 5]
    import random

    assert callable(random.getstate)


def test_a_path_may_have_spaces_and_an_absolute_form(net):
    (net / "my nets").mkdir()
    (net / "my nets" / "a net.py").write_text("from torch import nn\nclass Net(nn.Linear):\n    pass\n")
    assert parameters(f"{net}/my nets/a net.py:Net?in_features=2&out_features=3") == 9


def test_a_users_file_may_offer_inputs(net):
    (net / "with_inputs.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def example_inputs(batch):\n    return {'x': torch.zeros(batch, 3)}\n"
        "class Net(nn.Module):\n    def forward(self, x):\n        return x\n"
    )
    source = find("with_inputs.py:Net")
    assert source.example_inputs is not None
    assert source.example_inputs(5)["x"].shape == (5, 3)
    assert find("net.py:Net").example_inputs is None


def test_torchvisions_models_know_their_usual_input_and_fetch_nothing():
    assert find("torchvision:resnet18").input_shape == (3, 224, 224)
    assert find("torchvision:inception_v3").input_shape == (3, 299, 299)
    assert find("torchvision:raft_small").input_shape is None
    assert find("torchvision:fcn_resnet50").build().training  # would download a backbone's weights by default


def test_timm_is_asked_for_its_models(monkeypatch):
    timm = types.ModuleType("timm")
    timm.list_models = lambda: ["tiny"]
    timm.get_pretrained_cfg = lambda name: types.SimpleNamespace(input_size=(3, 32, 32))
    timm.create_model = lambda name, num_classes=7: torch.nn.Linear(3, num_classes)
    monkeypatch.setitem(sys.modules, "timm", timm)
    source = find("timm:tiny@4")
    assert source.input_shape == (3, 32, 32)
    assert source.build().out_features == 4
    with pytest.raises(AddressError, match="timm has no model 'tinny'; did you mean 'tiny'"):
        find("timm:tinny")


def test_a_builder_that_reads_values_falls_back_to_real_memory():
    model = find("torchvision:regnet_y_400mf").build()
    assert not any(parameter.is_meta for parameter in model.parameters())


FAULTY = """
from torch import nn

class Misspelt(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, widht)

class Raises(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        return self.deeper(x)

    def deeper(self, x):
        return self.layer(x)
"""


def test_neighbours_of_one_name_in_two_folders_do_not_meet(net):
    for folder, width in (("a", 2), ("b", 5)):
        (net / folder).mkdir()
        (net / folder / "blocks.py").write_text(f"WIDTH = {width}\n")
        (net / folder / "model.py").write_text(
            "from torch import nn\nfrom blocks import WIDTH\ndef Net():\n    return nn.Linear(WIDTH, 1)\n"
        )
    assert [parameters(f"{folder}/model.py:Net") for folder in ("a", "b", "a")] == [3, 6, 3]


@pytest.mark.parametrize("address", ["leaves.py:Net", "leaves:Net"])
def test_a_file_that_exits_is_an_error(net, address):
    (net / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(AddressError, match="cannot be loaded: SystemExit"):
        find(address)
    sys.modules.pop("leaves", None)


def test_a_module_that_cannot_be_imported_shows_the_users_lines(net):
    (net / "broken_module.py").write_text("import no_such_dependency\n")
    with pytest.raises(AddressError, match="broken_module cannot be loaded: ModuleNotFoundError") as error:
        find("broken_module:Net")
    assert error.value.user_lines[0].strip() == f'File "{net}/broken_module.py", line 1, in <module>'


@pytest.mark.parametrize("address", [":Net", ".relative:Net"])
def test_a_module_needs_a_name(address):
    with pytest.raises(AddressError, match="names no module"):
        find(address)


def test_a_model_in_place_of_its_maker_is_told(net):
    (net / "ready.py").write_text("from torch import nn\nmodel = nn.Linear(2, 2)\n")
    with pytest.raises(AddressError, match="'model' is a model; name the class or function that builds it"):
        find("ready.py:model")


def test_an_error_in_the_users_file_shows_the_users_own_lines(net):
    (net / "faulty.py").write_text(FAULTY)
    (net / "unreadable.py").write_text("def f(:\n")
    with pytest.raises(AddressError, match=r"faulty\.py:Misspelt: its builder fails: NameError: name 'widht'") as error:
        find("faulty.py:Misspelt").build()
    assert [line.strip() for line in error.value.user_lines][:2] == [
        f'File "{net}/faulty.py", line 7, in __init__',
        "self.layer = nn.Linear(3, widht)",
    ]
    with pytest.raises(AddressError, match=r"unreadable\.py cannot be loaded: SyntaxError: invalid syntax") as error:
        find("unreadable.py:Net")
    assert "def f(:" in error.value.user_lines[1]


def test_nothing_is_allocated():
    assert all(tensor.is_meta for tensor in find("vgg19").build().parameters())


def test_building_draws_no_random_numbers_and_leaves_no_mode_behind():
    before = torch.get_rng_state()
    find("vgg16?init=kaiming").build()
    assert torch.equal(before, torch.get_rng_state())
    assert torch.empty(1).device.type == "cpu"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("vgg61", "there is no model 'vgg61'; did you mean 'vgg16'?"),
        ("", "there is no model ''; 'archbench list' lists the models"),
        ("vgg16@ten", "'@ten' is not a valid number of classes"),
        ("vgg16@0", "'@0' is not a valid number of classes"),
        ("vgg16?a", "'a' is not a valid argument"),
        ("vgg16?inti=paper", "size, init, not 'inti'; did you mean 'init'?"),
        ("lenet5?inti=paper", "takes num_classes, in_channels, init, not 'inti'; did you mean 'init'?"),
        ("lenet?activation=gelu", "activation='gelu' is not one of relu, sigmoid, tanh"),
        ("torchvision:resnet51", "torchvision has no model 'resnet51'; did you mean 'resnet50'?"),
        ("no_such_package.models:Net", "there is no module 'no_such_package'"),
        ("missing.py:Net", "there is no file 'missing.py'"),
        ("net.py:Nett", "there is no class or function 'Nett'; did you mean 'Net'?"),
        ("net.py:wrong", "returned type int, not torch.nn.Module"),
        ("net.py:Net?widht=3", "did you mean 'width'?"),
    ],
)
def test_a_wrong_address_is_told_with_what_is_near(address, message, net):
    with pytest.raises(AddressError) as error:
        find(address).build()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
