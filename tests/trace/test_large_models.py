from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from archbench.trace.tracer import trace
from tests.helpers import decoder

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_seventy_billion_parameters_are_counted_in_less_than_two_gigabytes(mode, tmp_path):
    path = tmp_path / "decoder.json"
    archbench = str(Path(sys.executable).with_name("archbench"))
    command = [archbench, "summary", f"{decoder.__file__}:Decoder", "--mode", mode, "--output", str(path)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    totals = json.loads(path.read_text())["totals"]
    assert totals["params"] == decoder.PARAMS == 70_553_706_496
    assert totals["macs"] == decoder.macs(4096)
    if mode == "train":
        assert totals["training_macs"] == 3 * decoder.macs(4096)
    assert usage.ru_maxrss * 1024 < 2e9


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_fifty_thousand_operators_in_a_row_are_traced(mode):
    class Chain(nn.Module):
        def forward(self, x):
            for _ in range(50_000):
                x = x.relu()
            return x

    record = trace(Chain(), torch.empty(2, 3, requires_grad=True), mode=mode)
    assert sum(op.name == "aten.relu" for op in record.operations) == 50_000
    backward = sum(op.name == "aten.threshold_backward" for op in record.operations)
    assert backward == (50_000 if mode == "train" else 0)
