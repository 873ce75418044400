from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from archbench.analyze.peak_memory import peak_bytes
from archbench.errors import UsageError
from archbench.models.address import find
from archbench.trace.activation_checkpointing import checkpoint_modules
from archbench.trace.tracer import trace


def peak(name, what, batch=32, **options):
    source = find(name)
    model = source.build()
    if what:
        checkpoint_modules(model, what)
    return peak_bytes(trace(model, torch.empty(batch, 3, 224, 224, device="meta"), mode="train", **options))


def tracked(name, what, batch=32):
    source = find(name)
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = source.builder(**source.arguments).train()
        checkpoint_modules(model, what)
        image = torch.empty(batch, 3, 224, 224)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, foreach=True)
        tracker = MemTracker()
        tracker.track_external(model, optimizer, image)
        for step in range(2):
            with tracker:
                model(image).sum().backward()
                optimizer.step()
                optimizer.zero_grad()
            if step == 0:
                tracker.reset_mod_stats()
        (snapshot,) = tracker.get_tracker_snapshot("peak").values()
        return snapshot["Total"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "what"), [("vgg16", "4"), ("vgg11_bn", "3"), ("torchvision:resnet18", "layer1.*,layer2")]
)
def test_the_peak_with_checkpoints_is_torchs_own_trackers(name, what):
    assert peak(name, what) == pytest.approx(tracked(name, what), rel=0.01)
    assert peak(name, what) < peak(name, None)


def test_a_checkpoint_runs_again_under_autocast():
    less = peak("torchvision:resnet18", "layer1", autocast_dtype=torch.bfloat16)
    assert less < peak("torchvision:resnet18", None, autocast_dtype=torch.bfloat16)
    assert less < peak("torchvision:resnet18", "layer1")


def test_no_segment_begins_with_a_layer_that_works_in_place():
    model = nn.Sequential(
        nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 4)
    )
    for segments in "12345":
        checkpoint_modules(model, segments)
        x = torch.randn(3, 4, requires_grad=True)
        model(x).sum().backward()


def test_checkpoints_do_not_change_the_output():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 4))
    x = torch.randn(3, 4)
    expected = model(x)
    checkpoint_modules(model, "2")
    assert torch.equal(model(x), expected)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("layer", "checkpoint='layer' matches no module; did you mean 'layer1'"),
        ("3", "checkpoint='3' divides a Sequential into segments; name modules of a ResNet"),
    ],
)
def test_checkpoint_modules_rejects_what_matches_no_module(what, message):
    with pytest.raises(UsageError, match=message):
        checkpoint_modules(find("torchvision:resnet18").build(), what)

    class Flattened(nn.Sequential):
        def forward(self, x):
            return super().forward(x.flatten(1))

    with pytest.raises(UsageError, match="name modules of a Flattened"):
        checkpoint_modules(Flattened(nn.ReLU(), nn.ReLU()), "2")
    with pytest.raises(UsageError, match="checkpoint='3' is not a number of segments from 1 to 2"):
        checkpoint_modules(nn.Sequential(nn.ReLU(), nn.ReLU()), "3")
