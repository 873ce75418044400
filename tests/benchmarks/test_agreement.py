"""Models of other libraries, counted by archbench and by torch; and what makes the page that lists them all."""

from __future__ import annotations

import importlib
import logging

import pytest
import torch
from agreement import PAGE, made_page, read, write
from agreement_page import page
from agreement_row import CORRECTED, EXACT, Row, measure
from libraries.case import Case, image
from reference_counter import count
from torch import nn

SAMPLE = {
    "timm": "resnet10t test_byobnet test_convnext test_convnext2 test_convnext3 test_efficientnet test_efficientnet_ln "
    "test_mambaout test_nfnet test_resnet test_vit test_vit2 test_vit3 test_vit4",
    "torchvision": "alexnet resnet18 shufflenet_v2_x0_5 squeezenet1_1 vgg11 vit_b_32",
    "transformers": "clip dinov2 resnet vit",
    "diffusers": "AutoencoderTiny VQModel",
    "segmentation_models_pytorch": "unet on resnet18",
    "torch_geometric": "ARMAConv ChebConv EdgeConv GATv2Conv GCNConv GINConv GPSConv NNConv PointNetConv RGCNConv "
    "SAGEConv SGConv TransformerConv",
}


def names(library):
    return [SAMPLE[library]] if library == "segmentation_models_pytorch" else SAMPLE[library].split()


@pytest.mark.slow
@pytest.mark.parametrize("library", SAMPLE)
def test_a_sample_of_forty_models_is_counted_as_torch_counts_it(library, monkeypatch):
    """Exactly, or after corrections that test_the_corrections_are_those_by_hand derives."""
    pytest.importorskip(library)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    logging.disable(logging.WARNING)
    cases = {case.name: case for case in importlib.import_module(f"libraries.{library}_models").cases()}
    rows = [measure(cases[name]) for name in names(library)]
    logging.disable(logging.NOTSET)
    assert not [row for row in rows if not {row.eval_status, row.train_status} <= {EXACT, CORRECTED}]
    assert not [row for row in rows if row.cause]


def test_the_sample_has_forty_models():
    assert sum(len(names(library)) for library in SAMPLE) == 40


class Distance(nn.Module):
    def forward(self, x):
        return torch.cdist(x, x[:, :5], compute_mode="use_mm_for_euclid_dist")


class Complex(nn.Module):
    def forward(self, x):
        return (x + 1j) @ (x + 1j).mT


class Vector(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6))

    def forward(self, x):
        return x @ self.weight


@pytest.mark.parametrize(
    ("model", "shape", "mode", "macs", "correction"),
    [
        # 4 outputs x 2 inputs of a group x 3 x 3, at 6 x 6 positions: 2,592; in training the weight's gradient as well.
        (nn.Conv2d(4, 4, 3, groups=2), (1, 4, 8, 8), "eval", 2592, {}),
        # torch pairs the 4 outputs with all 4 inputs in the gradient: 5,184, so 2,592 less.
        (nn.Conv2d(4, 4, 3, groups=2), (1, 4, 8, 8), "train", 5184, {"groups": -2592}),
        # Two products of 8 x 5 results: of 6 features and the two norms.
        (Distance(), (1, 8, 6), "eval", 8 * 5 * (6 + 2), {"distances": 320}),
        # 8 x 8 results of 6 products, of 4 real ones each; torch counts one.
        (Complex(), (1, 8, 6), "eval", 4 * 8 * 8 * 6, {"complex": 1152}),
        (Vector(), (8, 6), "eval", 8 * 6, {"vectors": 48}),
    ],
)
def test_the_corrections_are_those_by_hand(model, shape, mode, macs, correction):
    reference = count(model, torch.randn(shape), mode)
    assert reference.corrected == macs
    assert {reason: macs for reason, macs in reference.corrections.items() if macs} == correction


def test_fvcores_extra_flops_are_those_that_fvcore_counts():
    from fvcore.nn import FlopCountAnalysis

    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.GroupNorm(2, 8), nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.AdaptiveAvgPool2d(3), nn.LayerNorm(3), nn.InstanceNorm2d(8),
    ).eval()  # fmt: skip
    x = torch.randn(1, 3, 8, 8)
    reference = count(model, x, "eval")
    assert reference.macs + reference.fvcore_extra == FlopCountAnalysis(model, x).total()


def test_a_model_that_archbench_miscounts_is_reported(monkeypatch):
    from archbench.trace.costs import Cost, register_cost, registry

    monkeypatch.setattr(registry, "_RULES", dict(registry._RULES))
    register_cost("aten.convolution", lambda *_args, out, **_: Cost(macs=1))
    row = measure(Case("timm", "wrong", lambda: nn.Conv2d(3, 4, 3), lambda batch: image(batch, 3, 8, 8)))
    assert (row.eval_status, row.eval_macs, row.eval_torch) == ("differs", 1, 4 * 6 * 6 * 27)
    assert f"| timm | wrong | eval | differs | {1 - 4 * 6 * 6 * 27:,} |" in page([row], {})


def test_a_model_that_torch_cannot_run_either_is_not_a_failure():
    row = measure(Case("timm", "wide", lambda: nn.Linear(3, 4), lambda batch: image(batch, 5)))
    assert (row.eval_status, row.train_status) == ("not run", "not run")
    assert "5" in row.cause


def test_the_table_is_read_as_it_was_written(tmp_path):
    rows = [Row("timm", "a", input="3x8x8", params=5, eval_status=EXACT, eval_macs=7), Row("timm", "b, c")]
    write(tmp_path / "t.csv", reversed(rows))
    assert read(tmp_path / "t.csv") == rows


def test_the_page_is_made_from_the_tables():
    assert made_page() == PAGE.read_text(encoding="utf-8")
