"""The parameters that one token of a mixture of experts uses.

Nothing is taken from names. Experts are one parameter with a slice for each, or equal modules side by side, in a block
where an operator (`topk` or `argmax`) chooses among as many. The rows that they multiply, divided by the tokens
that came in, are the experts per token; where each expert multiplies every token, or rows are padded, these are the
width of the choice. All other parameters are active: those of routers and shared experts among them.
"""

from __future__ import annotations

from dataclasses import dataclass

from archbench.analyze.experts.block import Blocks
from archbench.analyze.experts.modules import expert_modules
from archbench.analyze.experts.stacked import stacked_experts
from archbench.trace.records import Trace


@dataclass(frozen=True, slots=True)
class ActiveParams:
    """The number of parameters that one token uses, and its `chosen` of `experts`, None where layers differ."""

    params: int
    chosen: int | None
    experts: int | None


def active_params(trace: Trace) -> ActiveParams | None:
    """Return the parameters that one token uses, None without experts."""
    blocks = Blocks(trace)
    mixtures = [*stacked_experts(blocks), *expert_modules(blocks)]
    if not mixtures:
        return None
    unused = sum(mixture.params // mixture.experts * (mixture.experts - mixture.chosen) for mixture in mixtures)
    total = sum(parameter.numel for layer in trace.layers for parameter in layer.parameters)
    routings = {(mixture.chosen, mixture.experts) for mixture in mixtures}
    chosen, experts = routings.pop() if len(routings) == 1 else (None, None)
    return ActiveParams(total - unused, chosen, experts)
