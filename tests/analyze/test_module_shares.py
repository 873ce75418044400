"""A model's modules as intervals of one quantity."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from archbench.analyze.module_shares import LayerValue, largest_share, module_shares

NAMES = st.sampled_from(["a", "b", "a.a", "a.b", "b.c", "a.b.c", "a.b/add", "./relu"])


def test_a_module_is_the_interval_that_its_layers_fill():
    layers = [
        LayerValue("stem", "Conv2d", 10),
        LayerValue("block.0", "Conv2d", 20),
        LayerValue("block.1", "Linear", 30),
        LayerValue("block/add", "add", 5),
        LayerValue("./relu", "relu", 0),
    ]
    shares = {share.name: share for share in module_shares(layers)}
    assert {name: (share.start, share.end, share.depth) for name, share in shares.items()} == {
        "": (0, 65, 0),
        "stem": (0, 10, 1),
        "block": (10, 65, 1),
        "block.0": (10, 30, 2),
        "block.1": (30, 60, 2),
        "block.add": (60, 65, 2),
    }
    assert (shares["block"].kind, shares["block"].is_layer, shares["block.0"].is_layer) == ("Linear", False, True)
    # 55 of 65 are in block; nothing inside it has half of the model
    assert largest_share(list(shares.values())).name == "block"


def test_what_a_module_has_itself_lies_beside_its_parts():
    layers = [LayerValue("attn", "MultiheadAttention", 3), LayerValue("attn.out", "Linear", 1)]
    assert [(s.name, s.depth, s.start, s.end) for s in module_shares(layers)] == [
        ("", 0, 0, 4),
        ("attn", 1, 0, 4),
        ("attn", 2, 0, 3),
        ("attn.out", 2, 3, 4),
    ]


def test_a_model_that_is_one_layer_has_one_interval():
    (share,) = module_shares([LayerValue(".", "Linear", 7)])
    assert (share.name, share.value, share.is_layer) == ("", 7, True)
    assert largest_share([share]) == share


@given(st.lists(st.tuples(NAMES, st.integers(0, 10**9)), max_size=20))
def test_intervals_nest_and_the_layers_fill_the_model(layers):
    shares = module_shares([LayerValue(name, "Conv2d", value) for name, value in layers])
    assert shares[0].value == sum(value for _, value in layers)
    assert sum(share.value for share in shares if share.is_layer) == shares[0].value
    leaves = [share for share in shares if share.is_layer]
    assert all(before.end == after.start for before, after in pairwise(leaves))
    for share in shares[1:]:
        above = [each for each in shares if each.depth == share.depth - 1 and each.start <= share.start]
        assert any(each.end >= share.end for each in above)
