"""Cost rules: MACs and FLOPs of one operator call, one file per family of operators."""

from archbench.trace.costs import (  # noqa: F401  # importing the families registers their rules
    attention,
    backward,
    bitsandbytes,
    detection,
    elementwise,
    grouped,
    linalg,
    losses,
    movement,
    normalisation,
    pooling,
    products,
    quantized,
    quantized_recurrent,
    recurrent,
    reductions,
    resampling,
    selection,
    sparse,
    transforms,
    updates,
)
from archbench.trace.costs.attention import ATTENTION_KERNELS
from archbench.trace.costs.registry import (
    FREE,
    GENERATORS,
    OVERWRITING,
    Cost,
    Formula,
    Rule,
    all_rules,
    find_rule,
    is_view,
    register_cost,
)
from archbench.trace.costs.symbolic import Count, count

__all__ = [
    "ATTENTION_KERNELS", "FREE", "GENERATORS", "OVERWRITING", "Cost", "Count", "Formula", "Rule", "all_rules", "count",
    "find_rule",
    "is_view", "register_cost",
]  # fmt: skip
