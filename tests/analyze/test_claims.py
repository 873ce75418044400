from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbench.analyze.claim_quantities import Facts
from archbench.analyze.claims import Claim, _compare, judge, read_claims
from archbench.api.claims import judge_claims, load_claims
from archbench.errors import InputError

HEADER = "id,source,model,layer,quantity,claimed,precision,note\n"


@pytest.fixture(scope="module")
def judged():
    return {row.id: row for row in judge_claims(load_claims())}


# Judged by hand: the arithmetic of the claim's own figure beside its id.
KNOWN = {
    "L4-conv1-neurons": (290_400, "exact"),
    "P-alexnet-conv1-neurons": (290_400, "contradicts"),  # the paper's figure caption says 253,440
    "P-lenet5-connections": (340_908, "exact"),
    "P-lenet5-c3-connections": (151_600, "exact"),
    "L4-conv1-weights": (34_848, "rounds"),  # stated as 35 thousand
    "L4-conv4-weights": (663_552, "rounds"),  # stated as 663 thousand, truncated
    "L4-fc-total": (58_631_144, "close"),  # stated as 57 million
    "L2-params-10-classes": (57_044_810, "exact"),
    "L3-zf-conv1-saving": (20_736, "exact"),  # (11*11 - 7*7)*3*96
    "L3-vgg-fc6-ratio": (24.5, "contradicts"),  # 25,088 / 1,024, stated as 32
    "L0-conv2-tower": (128, "exact"),
    "L3-vgg-kernel": ("3x3", "exact"),
    "L0-input": ("3x227x227", "contradicts"),
    "L4-top5": (18.2, "shown"),
    # 192*(64 + 96 + 16 + 32) + 96*128*9 + 16*32*25; the paper's 159K is 162,816 with K = 1024.
    "P-googlenet-3a-weights": (163_328, "rounds"),
    "P-googlenet-3a-ops": (163_328 * 28 * 28, "rounds"),  # stated as 128 million
    "P-googlenet-conv1-weights": (7 * 7 * 3 * 64, "contradicts"),  # stated as 2.7 thousand
    "P-googlenet-conv2-weights": (64 * 64 + 64 * 192 * 9, "exact"),  # 112K
    # 832*(256 + 160 + 32 + 128) + 160*320*9 + 32*128*25, stated as 1072K.
    "P-googlenet-5a-weights": (1_042_432, "contradicts"),
    "P-googlenet-linear-weights": (1_024_000, "exact"),
    "P-googlenet-depth": (22, "exact"),
    "P-googlenet-params-ratio": (60_965_224 / 6_998_552, "contradicts"),  # 8.7, stated as 12
    "P-resnet18-flops": (1_814_073_344, "rounds"),
    "P-resnet50-flops": (3_857_973_248, "rounds"),  # stated as 3.8 billion, truncated
    "P-resnet152-flops": (11_282_415_616, "rounds"),
    "P-resnet152-vgg-depth": (8, "exact"),  # 152 / 19
    "P-resnet152-vgg16-macs": (11_282_415_616 / 15_470_264_320, "exact"),  # below 1
    "P-vgg16-flops": (15_470_264_320, "close"),  # stated as 15.3 billion
    "P-resnet34-vgg19-macs": (3_663_761_408 / 19_632_062_464, "rounds"),  # 18.7%, stated as 18%
    "T-resnet50_v1_5-params": (25_557_032, "exact"),
}


def test_every_published_claim_gets_the_verdict_that_arithmetic_gives(judged):
    assert len(judged) == 158
    found = {claim: (judged[claim].computed, judged[claim].verdict) for claim in KNOWN}
    assert found == KNOWN
    assert Counter(row.verdict for row in judged.values())["shown"] == 2


@given(st.integers(1, 10**9), st.sampled_from([1, 10, 1000, 10**6]))
def test_a_figure_rounded_or_truncated_is_never_contradicted(value, precision):
    for stated in (value // precision * precision, (2 * value + precision) // (2 * precision) * precision):
        assert _compare(Fraction(stated), value, Fraction(precision)) in ("exact", "rounds")


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_far_figures_are_contradicted_and_near_ones_close(stated, value):
    verdict = _compare(Fraction(stated), value, Fraction(1))
    if stated == value:
        assert verdict == "exact"
    else:
        assert verdict == ("close" if abs(stated - value) * 20 <= value else "contradicts")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,model\n", "'mine.csv' is not a file of claims; its first line must be id,source,model"),
        (HEADER + "a,b,c\n", "'mine.csv', line 2: a claim has 8 fields"),
        (HEADER + "a,b,lenet,,parms,3,1,\n", "there is no quantity 'parms'; did you mean 'params'?"),
        (HEADER + "a,b,lenet,,params,many,1,\n", "'many' is not a number"),
        (HEADER + "a,b,lenet,,params,3,0,\n", "the precision '0' is not above 0"),
        (HEADER + "a,b,lenet,,params,3,,\n", "'params' needs the precision of its figure"),
        (HEADER + "a,b,lenet,,params_ratio,3,1,\n", "'params_ratio' needs two models, written a/b"),
        (HEADER + "a,b,lenet,,params,1/0,1,\n", "'1/0' is not a number"),
        (HEADER + "a,b,lenet,,params,3,1/0,\n", "'1/0' is not a number"),
        (HEADER + "a,b,vgg16/lenet,,top5_error_percent_ratio,3,1,\n", "no quantity 'top5_error_percent_ratio'"),
        (HEADER + "a,b,vgg16/lenet,conv1,kernel_ratio,3,1,\n", "there is no quantity 'kernel_ratio' of 'conv1'"),
        (HEADER + "a,b,vgg16-lenet,input,inputs_difference,3,1,\n", "no quantity 'inputs_difference' of 'input'"),
        (HEADER + "a,b,vgg16/lenet,*conv,stride_ratio,3,1,\n", "there is no quantity 'stride_ratio' of '*conv'"),
        (HEADER + "a,b,lenet,input,neurons,3,1,\n", "there is no quantity 'neurons' of 'input'"),
        (HEADER + "a,b,lenet,,params,<many,,\n", "'many' is not a number"),
        (HEADER + "a,b,lenet,,params,<,,\n", "'' is not a number"),
    ],
)
def test_a_file_that_is_wrong_is_told(text, message):
    with pytest.raises(InputError) as error:
        read_claims(text, "mine.csv")
    assert message in str(error.value)


def test_a_ratio_to_nothing_is_told(zoo_summary):
    facts = {"lenet": Facts(zoo_summary("lenet").table, (1, 32, 32), None)}
    claim = Claim("mine", "b", "lenet/lenet", "conv1", "padding_ratio", "1", "1", "")  # LeNet's conv1 pads nothing
    with pytest.raises(InputError, match="claim 'mine': padding of lenet is 0, so that the ratio is undefined"):
        judge(claim, facts)


def test_a_layer_that_is_not_there_is_told(zoo_summary):
    facts = {"lenet": Facts(zoo_summary("lenet").table, (1, 32, 32), None)}
    claim = Claim("a", "b", "lenet", "conv9", "params", "3", "1", "")
    with pytest.raises(InputError, match="lenet has no layer 'conv9'; did you mean 'conv1'"):
        judge(claim, facts)


@pytest.mark.parametrize(
    ("claimed", "verdict"),
    [("<61707", "exact"), ("<61706", "contradicts"), (">61705", "exact"), (">7e4", "contradicts")],
)
def test_a_bound_holds_or_is_contradicted(zoo_summary, claimed, verdict):
    facts = {"lenet": Facts(zoo_summary("lenet").table, (1, 32, 32), None)}  # 61,706 parameters
    assert judge(Claim("a", "b", "lenet", "", "params", claimed, "", ""), facts).verdict == verdict


def test_a_block_is_the_sum_of_its_layers_and_has_the_shape_of_its_output(zoo_summary):
    facts = {"resnet20": Facts(zoo_summary("resnet20").table, (3, 32, 32), None)}

    def computed(layer, quantity):
        return judge(Claim("a", "b", "resnet20", layer, quantity, "0", "1", ""), facts).computed

    # conv3_1: 16*32*9 and 32*32*9 weights, and 2*2*32 of normalisation; on 16x16 positions.
    assert computed("conv3_1", "weights") == 13_824
    assert computed("conv3_1", "params") == 13_824 + 128
    assert computed("conv3_1", "macs") == 13_824 * 256
    assert computed("conv3_1", "output_shape") == "32x16x16"
    # conv3_1 and two blocks with 32*32*9 weights in each of two convolutions.
    assert computed("conv3*", "weights") == 13_824 + 2 * 18_432
    with pytest.raises(InputError, match="'conv3_1' of resnet20 is a block, which has no kernel; name a layer in it"):
        computed("conv3_1", "kernel")
