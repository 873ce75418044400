from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from archbench.analyze.performance.parallelism import (
    STAGE_DELAY_S,
    all_reduce_s,
    data_parallel,
    layer_traffic,
    plan_steps,
)
from archbench.analyze.performance.roofline import Conditions, time_s
from archbench.hardware.find import find_device
from archbench.hardware.fit.coefficients import plain_coefficients
from archbench.precision import PRECISIONS
from archbench.trace.tracer import trace

CONDITIONS = Conditions(find_device("a100"), PRECISIONS["fp32"], plain_coefficients(0.8))


def test_a_ring_sends_almost_everything_twice():
    # 2 * 3/4 of 1 GB over 10 GB/s, and 2 * log2(4) stages.
    assert all_reduce_s(1e9, 4, 1e10) == pytest.approx(0.15 + 4 * STAGE_DELAY_S)
    assert all_reduce_s(1e9, 1, 1e10) == 0


def test_one_device_sends_nothing(zoo_trace):
    record = zoo_trace("alexnet", 32, "train")
    scaled = data_parallel(record, CONDITIONS, 1, 1e9)
    assert (scaled.communication_s, scaled.exposed_s) == (0, 0)
    assert scaled.step_s == pytest.approx(time_s(record, CONDITIONS))


def test_a_fast_link_hides_all_but_the_last_bucket_and_a_slow_one_nothing(zoo_trace):
    record = zoo_trace("vgg16", 64, "train")
    fast = data_parallel(record, CONDITIONS, 8, 1e14)
    # What is left at the end is the bucket of the first layers' gradients.
    assert fast.exposed_s < 8 * STAGE_DELAY_S
    slow = data_parallel(record, CONDITIONS, 8, 1e7)
    gradients = sum(storage.size_bytes for storage in record.storages if storage.kind == "gradient")
    assert slow.communication_s == pytest.approx(2 * 7 / 8 * gradients / 1e7, rel=1e-3)
    assert slow.exposed_s > 0.99 * slow.communication_s - time_s(record, CONDITIONS)


def test_gradients_go_while_backward_makes_others():
    # Two layers of equal size: the second's gradients go while the first's are made.
    model = nn.Sequential(nn.Linear(4096, 4096), nn.Linear(4096, 4096))
    record = trace(model, torch.empty(4096, 4096), mode="train")
    link = 1e11
    scaled = data_parallel(record, CONDITIONS, 2, link)
    one_layer_s = all_reduce_s(4 * 4096 * 4096, 2, link)
    assert scaled.communication_s == pytest.approx(2 * one_layer_s, rel=0.01)
    assert scaled.exposed_s < scaled.communication_s - 0.9 * one_layer_s


def test_traffic_by_hand(zoo_trace):
    rows = {row.name: row for row in layer_traffic(zoo_trace("alexnet", 128, "train"), 8)}
    # fc6: 37,752,832 parameters of 4 bytes, against 9,216 inputs of 8 * 128 samples; 7/8 of each, twice.
    assert rows["fc6"].data_parallel_bytes == 2 * 7 * 4 * 37_752_832 // 8
    assert rows["fc6"].model_parallel_bytes == 2 * 7 * 4 * 9_216 * 1024 // 8
    # conv2: 307,456 parameters against 96 * 27 * 27 inputs.
    assert rows["conv2"].data_parallel_bytes == 2 * 7 * 4 * 307_456 // 8
    assert rows["conv2"].model_parallel_bytes == 2 * 7 * 4 * 69_984 * 1024 // 8


@pytest.mark.parametrize(("name", "batch", "devices"), [("alexnet", 64, 8), ("vgg16", 32, 8), ("alexnet", 64, 2)])
def test_convolutions_want_data_parallelism_and_fully_connected_layers_the_other(zoo_trace, name, batch, devices):
    # Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014.
    record = zoo_trace(name, batch, "train")
    rows = layer_traffic(record, devices)
    assert {row.cheaper for row in rows if row.type == "Conv2d"} == {"data"}
    assert {row.cheaper for row in rows if row.type == "Linear"} == {"model"}
    compute_s = time_s(record, CONDITIONS)
    plans = {plan.plan: plan for plan in plan_steps(rows, compute_s, 1e10)}
    assert plans["mixed"].sent_bytes < min(plans["data"].sent_bytes, plans["model"].sent_bytes)
    assert plans["mixed"].step_s == pytest.approx(compute_s + plans["mixed"].sent_bytes / 1e10)


def test_a_stated_link_decides(zoo_trace):
    record = zoo_trace("alexnet", 32, "train")
    steps = [data_parallel(record, CONDITIONS, 8, link).step_s for link in (1e9, 1e10, 1e11)]
    assert steps == sorted(steps, reverse=True)
    slower = replace(CONDITIONS, coefficients=plain_coefficients(0.4))
    assert data_parallel(record, slower, 8, 1e10).exposed_s <= data_parallel(record, CONDITIONS, 8, 1e10).exposed_s
