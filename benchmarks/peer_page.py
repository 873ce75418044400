"""Make docs/peers.md: three models and twenty small modules, counted by archbench and by six other tools."""

from __future__ import annotations

import contextlib
from importlib.metadata import version
from pathlib import Path

import torch
from peer_cases import CASES, Case
from peer_comparison import compare
from peer_differences import differences
from peer_products import modules
from peer_tables import to_markdown
from peer_tools import TOOLS, Call, answer

import archbench
from archbench.trace.tracer import trace

ROOT = Path(__file__).parent.parent
EXACT = "✓"
# Title, and the address from the repository's folder.
MODELS = (
    ("ViT-B/16", "torchvision:vit_b_16"),
    ("ResNet-50", "torchvision:resnet50"),
    ("A GPT block", "benchmarks/gpt_block.py:GPTBlock"),
)

INTRODUCTION = """\
# What other tools count

Three models and twenty small modules, counted by archbench and by six other tools: torch's FlopCounterMode, fvcore,
torchinfo, ptflops, thop and calflops. For each model a table lists why a tool differs: the products that it misses and
the other work that it counts as multiply-accumulates (MACs). `python benchmarks/peers.py ADDRESS` does the same for any
model, with the tools that are installed (`pip install ".[peers]"`); this page is made by
`python benchmarks/peers.py --page`.

- **Counted** is the total that the tool prints, **MACs** the same in multiply-accumulates of the whole batch: torch's
  FLOPs are halved, fvcore calls a multiply-accumulate one flop, ptflops divides the MACs of modules by the batch.
- **Which is right**: a product's MACs follow from its shapes. The last table of each model lists them all, and
  their sum is archbench's figure. torch's FlopCounterMode, with attention as separate products, is an independent
  check.
- **Differences** are derived, not written by hand: a tool's figure for each module is compared with the products that
  ran in it, and the difference is named by the fewest products and other operations whose counts sum to it exactly.
  They sum to the difference of the totals.
- Counting biases, activations or normalisation as MACs is another convention rather than an error; missing products are
  an error. FlopCounterMode runs here without gradients, as in inference: `nn.MultiheadAttention` then takes a fused
  path, for which it has no formula.
- **Times** are of one call, with the imports of the tool, for information.
"""

SMALL = """\
## Twenty small modules

MACs of one forward pass of the whole batch, in eval mode. The true number is derived from the module's definition:
products of weights (or of data with data) that are summed; biases, activations, softmax and normalisation have none.
✓ is exact; a number is the tool's result, converted as above; *italics* is the error that it raised. A smaller number
means that products are missing. In a number with ≈ they are missing too, but what the tool adds makes up for them by
chance. torch's bilinear form is counted as torch computes it, in two products.
"""


def page() -> str:
    """Return the whole page."""
    with contextlib.chdir(ROOT):
        models = [f"## {title}\n\n{to_markdown(compare(address))}" for title, address in MODELS]
    return "\n".join([INTRODUCTION, *models, SMALL, small_modules()])


def small_modules() -> str:
    """Return the table of small modules, with the tools' versions."""
    columns = {"archbench": [own_cell(case) for case in CASES]}
    columns |= {tool: [cell(tool, case) for case in CASES] for tool in TOOLS}
    lines = [
        ["Module", "MACs", "Derivation", *columns],
        ["---", "---:", "---", *("---:" for _ in columns)],
        *(
            [case.name, f"{case.macs:,}", case.derivation, *cells]
            for case, *cells in zip(CASES, *columns.values(), strict=True)
        ),
        ["**exact**", "", f"of {len(CASES)}", *(f"**{cells.count(EXACT)}**" for cells in columns.values())],
    ]
    versions = ", ".join(f"{tool} {version(tool)}" for tool in columns)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\nVersions: {versions}.\n"


def own_cell(case: Case) -> str:
    """Return archbench's MACs of a small module as the table shows them."""
    macs = archbench.summarize(case.make().eval(), torch.zeros(case.shape)).totals.macs
    return EXACT if macs == case.macs else f"{macs:,}"


def cell(tool: str, case: Case) -> str:
    """Return a tool's MACs of a small module as the table shows them."""
    torch.manual_seed(0)
    model, x = case.make().eval(), torch.randn(case.shape)
    called = modules(trace(model, x))
    found = answer(tool, Call(model, (x,), {}))
    if found.figures is None:
        return f"*{found.error.partition(':')[0]}*"
    macs = found.figures.macs
    if macs != case.macs:
        return f"{macs:,.10g}"
    return f"≈ {macs:,.0f}" if differences(found.figures, called, len(x)) else EXACT
