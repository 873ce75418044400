"""`archbench bench` on a GPU: eager, compiled, as a graph, and the search for the largest batch."""

from __future__ import annotations

from archbench.measure.bench.max_batch import largest_batch_here
from archbench.measure.worker.client import run_request
from archbench.measure.worker.request import Request
from tests.cuda.subject import configuration, measured, show


def test_bench_of_an_eager_model(kind="cuda"):
    result = measured(kind)
    show(images_per_s=result.images_per_s, replay_s=result.replay_s, j_per_image=result.energy_j_per_image)
    if kind == "cuda":
        assert result.replay_s is not None, "the step was not captured as a graph"
        assert {"gpu_name", "driver", "cuda"} <= {name for name, value in result.environment.items() if value}


def test_the_phases_of_a_training_step(kind="cuda"):
    answer = run_request(Request("phases", configuration(kind, modes=["train"])), lambda phase: None)
    assert isinstance(answer, dict), answer
    times_s = answer["phases_s"]
    show(**{f"{phase}_s": time_s for phase, time_s in times_s.items()})
    assert set(times_s) == {"zero_grad", "forward", "loss", "backward", "step"}
    # Backward computes two products for each of forward's.
    assert kind == "cpu" or times_s["backward"] > times_s["forward"]


def test_bench_of_a_compiled_model(kind="cuda"):
    result = measured(kind, compiled=True)
    show(images_per_s=result.images_per_s, compile_s=result.compile_s)
    assert result.compile_s is not None


def test_bench_of_a_graph_replay_in_inference_and_training():
    rates = {mode: measured("cuda", graphs=True, modes=[mode]).images_per_s for mode in ("eval", "train")}
    show(**rates)
    # Forward is a third of the arithmetic of a training step.
    assert rates["eval"] > rates["train"]


def test_the_largest_batch_is_below_the_limit(kind="cuda"):
    largest = largest_batch_here(configuration(kind), lambda phase: None)
    show(batch=largest.batch, needed_bytes=largest.needed_bytes, limit_bytes=largest.limit_bytes)
    assert largest.batch > 0
    assert largest.needed_bytes <= largest.limit_bytes
