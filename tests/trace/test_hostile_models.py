"""A run writes to nothing of the user's, however the model and its inputs are built."""

from __future__ import annotations

import collections
import contextlib
import copy
import dataclasses
import functools
import io
import threading
import types
import warnings
import weakref

import numpy as np
import pytest
import torch
import torch.nn.attention
import torch.utils.flop_counter
from torch import nn

from archbench.errors import ArchbenchError, InputError, UsageError
from archbench.trace.tracer import trace


def run(model, *shape, mode="eval"):
    return trace(model, torch.ones(*(shape or (2, 4))), mode=mode)


def macs(record):
    return sum(op.macs for op in record.operations)


class Holds(nn.Module):
    """A linear layer with any attribute, which forward passes to a function with the input."""

    def __init__(self, held, use=lambda held, x: None):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.held = held
        self.use = use

    def forward(self, x):
        self.use(self.held, x)
        return self.layer(x)


class ReadOnly(collections.OrderedDict):
    """A mapping like the configurations of diffusers: nothing of its own may change it."""

    def __init__(self, *args):
        super().__init__(*args)
        for key, value in self.items():
            setattr(self, key, value)
        self.__frozen = True

    def __setattr__(self, name, value):
        if getattr(self, "_ReadOnly__frozen", False):
            raise TypeError("frozen")
        super().__setattr__(name, value)

    def __setitem__(self, name, value):
        if getattr(self, "_ReadOnly__frozen", False):
            raise TypeError("frozen")
        super().__setitem__(name, value)

    def update(self, *_, **__):
        raise TypeError("frozen")

    pop = clear = setdefault = __delitem__ = update


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_read_only_mapping_does_not_stop_the_count(mode):
    model = Holds(ReadOnly([("size", 4)]), lambda held, x: held["size"] + held.size)
    weight = model.layer.weight
    record = run(model, mode=mode)
    assert macs(record) == 32 * (2 if mode == "train" else 1)
    assert model.layer.weight is weight
    assert not weight.is_meta
    assert "forward" not in model.layer.__dict__


def test_a_counter_is_not_added_to():
    model = Holds(collections.Counter(a=3), lambda held, x: held.update("a"))
    run(model)
    run(model)
    assert model.held == collections.Counter(a=3)


class Slots:
    __slots__ = ("_Slots__private", "__weakref__", "empty", "value")

    def __init__(self, value):
        self.value = value
        self.__private = value

    def private(self):
        return self.__private


@dataclasses.dataclass(frozen=True)
class Frozen:
    items: list


class RefusesCopies:
    def __init__(self):
        self.items = []

    def __deepcopy__(self, memo):
        raise RuntimeError("no copies")

    __copy__ = __reduce__ = __reduce_ex__ = __getstate__ = __deepcopy__


class Queue(collections.deque):
    pass


def append_to_parts(held, x):
    held[0].append(x)
    held[1]["new"] = x


MUTABLE = {
    "slots": (Slots([]), lambda held, x: (held.value.append(x), held.private().append(x)), lambda held: held.value),
    "frozen dataclass": (Frozen([]), lambda held, x: held.items.append(x), lambda held: held.items),
    "object that refuses copies": (RefusesCopies(), lambda held, x: held.items.append(x), lambda held: held.items),
    "defaultdict": (collections.defaultdict(list), lambda held, x: held["a"].append(x), dict),
    "bounded deque": (Queue((), 3), lambda held, x: held.append(x), list),
    "tuple": (([], {}), append_to_parts, lambda held: [*held[0], *held[1]]),
    "named tuple": (
        collections.namedtuple("Pair", "a b")([], 1),
        lambda held, x: held.a.append(x),
        lambda held: held.a,
    ),
    "array": (np.zeros(2), lambda held, x: held.__iadd__(1), lambda held: held.nonzero()[0].tolist()),
    "bytearray": (bytearray(), lambda held, x: held.append(1), bytes),
    "set": (set(), lambda held, x: held.add(1), set),
    "namespace": (types.SimpleNamespace(), lambda held, x: setattr(held, "x", x), lambda held: vars(held)),
    "method of a builtin": ([], lambda held, x: held.append(x), list),
    "ordered dict": (collections.OrderedDict(a=[]), lambda held, x: held["a"].append(x), lambda held: held["a"]),
}


@pytest.mark.parametrize("name", MUTABLE)
def test_state_in_any_container_stays_as_it_was(name):
    held, use, state = MUTABLE[name]
    record = run(Holds(held, use))
    assert macs(record) == 32
    assert not state(held)


def test_iterators_and_generators_of_random_numbers_are_not_advanced():
    generator, numbers, items = torch.Generator().manual_seed(1), np.random.default_rng(1), iter([1, 2, 3])

    def use(held, x):
        torch.rand(2, generator=held[0])
        held[1].random()
        next(held[2])

    before = generator.get_state(), numbers.bit_generator.state
    run(Holds([generator, numbers, items], use))
    assert torch.equal(generator.get_state(), before[0])
    assert numbers.bit_generator.state == before[1]
    assert next(items) == 1


def test_what_cannot_be_copied_is_shared():
    held = [threading.Lock(), io.StringIO(), (n for n in range(3)), threading.Thread(), types, object()]

    def use(copied, x):
        with copied[0]:
            assert copied[1] is held[1]
            assert copied[2] is held[2]
            assert copied[4] is types
            assert copied[5] is held[5]

    assert macs(run(Holds(held, use))) == 32


class _Missing:
    pass


MISSING = _Missing()


def test_a_constant_is_still_compared_by_identity():
    def use(held, x):
        assert held is MISSING

    run(Holds(MISSING, use))


class Node:
    def __init__(self, next_node):
        self.next_node = next_node


def test_long_chains_of_objects_lists_and_tuples_are_copied():
    head, nested, pairs = None, [], []
    for _ in range(3000):
        head, nested, pairs = Node(head), [nested], (pairs, 1)
    assert macs(run(Holds([head, nested, pairs]))) == 32


def test_modules_nested_200_deep_are_counted():
    model = nn.Linear(4, 4)
    for _ in range(200):
        model = nn.Sequential(model)
    assert macs(run(model)) == 32
    assert macs(run(model, mode="train")) == 64


def test_attributes_that_lead_back_to_the_model_lead_to_its_copy():
    model = Holds(None)
    seen = []
    model.held = {
        "method": model.layer.forward,
        "partial": functools.partial(nn.Module.__call__, model.layer),
        "closure": lambda x: model.layer(x),
        "reference": weakref.ref(model.layer),
        "defaults": lambda x, layer=model.layer: layer(x),
        "keys": {model.layer: "layer"},
    }

    def use(held, x):
        for call in (held["method"], held["partial"], held["closure"], held["reference"](), held["defaults"]):
            call(x)
        (layer,) = held["keys"]
        layer.note = x
        seen.append(layer is held["reference"]())

    model.use = use
    record = run(model)
    assert seen == [True]
    assert macs(record) == 6 * 32
    assert record.layers[1].calls == 5  # a method of the class is not the layer's own forward
    assert "note" not in model.layer.__dict__


def test_proxies_and_cached_methods_lead_to_the_copy_too():
    model = Holds(None)
    model.__dict__["parent"] = weakref.proxy(model)  # an ordinary assignment would make it a submodule
    model.cached = functools.lru_cache(4)(model.layer.forward)

    def forward(x):
        model.parent.layer.note = x
        return model.cached(x)

    model.forward = forward
    assert macs(run(model)) == 16 * 2
    assert "note" not in model.layer.__dict__
    assert model.cached.cache_info().currsize == 0


class Attributes(dict):
    """Its items are its attributes, as in many configurations."""

    def __init__(self, **items):
        super().__init__(**items)
        self.__dict__ = self


def test_items_that_are_attributes_stay_both():
    def use(held, x):
        held.size += 1
        assert held["size"] == 5

    model = Holds(Attributes(size=4), use)
    run(model)
    assert model.held == {"size": 4}


def test_a_hook_that_holds_the_model_sees_its_copy_and_one_that_does_not_keeps_its_list():
    model = nn.Sequential(nn.Linear(4, 4))
    shapes = []

    def note(module, inputs, output):
        model.last = output
        model[0].last = output
        shapes.append(output.shape)

    model[0].register_forward_hook(note)
    run(model)
    assert shapes == [(2, 4)]
    assert "last" not in model.__dict__
    assert "last" not in model[0].__dict__


def test_a_forward_that_is_replaced_on_an_instance_runs_on_the_copy():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    original = model.forward

    def forward(x):
        model.calls = 1
        return original(x) + 1

    model.forward = forward
    record = run(model, mode="train")
    assert [layer.calls for layer in record.layers] == [1, 1, 1]
    assert model.forward is forward
    assert "calls" not in model.__dict__
    assert model[1].num_batches_tracked == 0


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 64, 10)

    def forward(self, x):
        return self.head(torch.flatten(torch.relu(self.norm(self.conv(x))), 1))


def scripted(function, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still in use
        return function(*args)


def as_script():
    return scripted(torch.jit.script, Scripted())


def as_trace():
    return scripted(torch.jit.trace, Scripted().eval(), torch.ones(2, 3, 8, 8))


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("make", [as_script, as_trace, lambda: nn.Sequential(as_script())])
def test_torchscript_is_counted_as_the_module_that_it_was(make, mode):
    model = make()
    before = copy.deepcopy(model.state_dict())
    flags = [module.training for module in model.modules()]
    expected = run(Scripted(), 2, 3, 8, 8, mode=mode)
    record = run(model, 2, 3, 8, 8, mode=mode)
    assert macs(record) == macs(expected)
    assert not record.has_external_tensors
    assert sum(p.numel for layer in record.layers for p in layer.parameters if p.trainable) == 5370
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == flags


def test_frozen_torchscript_is_counted_in_eval_and_refused_in_training():
    model = scripted(torch.jit.freeze, scripted(torch.jit.script, Scripted().eval()))
    assert macs(run(model, 2, 3, 8, 8)) == macs(run(Scripted(), 2, 3, 8, 8))
    with pytest.raises(UsageError, match="freeze has made constants"):
        run(model, 2, 3, 8, 8, mode="train")


class Cache:
    """A cache of keys as transformers has it: a plain object."""

    def __init__(self, length):
        self.keys = torch.ones(length, 4)
        self.layers = [types.SimpleNamespace(keys=torch.ones(length, 4))]

    def extend(self, x):
        self.keys = torch.cat([self.keys, x])
        self.layers[0].keys = torch.cat([self.layers[0].keys, x])
        return self.keys


class Extends(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x, cache, notes=()):
        if isinstance(notes, list):
            notes.append(x)
        return self.layer(cache.extend(x))


def test_a_cache_that_forward_extends_stays_as_it_was():
    cache, notes, model = Cache(3), [], Extends()
    counts = [macs(trace(model, {"x": torch.ones(2, 4), "cache": cache, "notes": notes})) for _ in range(2)]
    assert counts == [5 * 16, 5 * 16]
    assert cache.keys.shape == cache.layers[0].keys.shape == (3, 4)
    assert not cache.keys.is_meta
    assert not cache.layers[0].keys.is_meta
    assert not notes


def write_everywhere(held, x):
    for tensor in held:
        torch.add(tensor, 1, out=tensor)
        torch._foreach_add_([tensor], 1)
        tensor.untyped_storage().fill_(7)
        tensor.data = torch.ones(1)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_unregistered_tensors_keep_their_values_however_they_are_written(mode):
    held = [torch.zeros(4), torch.zeros(300, 300)]
    run(Holds(held, write_everywhere), mode=mode)
    assert [tuple(tensor.shape) for tensor in held] == [(4,), (300, 300)]
    assert not any(tensor.any() for tensor in held)


class Keyed:
    """Its hash needs an attribute, and it is equal to nothing."""

    def __init__(self, name):
        self.name = name

    def __hash__(self):
        return hash(self.name)

    def __eq__(self, other):
        raise RuntimeError("not comparable")


def test_keys_whose_hash_needs_their_attributes_are_copied():
    key = Keyed("a")
    model = Holds({"table": {key: 1}, "set": {key}, "frozen": frozenset({key}), "key": key})

    def use(held, x):
        assert held["table"][held["key"]] == 1
        assert held["key"] in held["set"]

    model.use = use
    assert macs(run(model)) == 32


def setting(name, value):
    return lambda model, x: setattr(model.layer, name, value)


def replace_data(model, x):
    for parameter in model.parameters():
        parameter.data = torch.zeros(1)


def backward_inside(model, x):
    with torch.enable_grad():
        model.layer(x).sum().backward()


def leave(model, x):
    raise SystemExit(3)


def add_modules(model, x):
    model.add_module("more", nn.Linear(2, 2))
    model.layer.register_forward_hook(lambda *_: None)
    model.layer.register_buffer("late", x)


MISBEHAVIOUR = {
    "deletes a parameter": lambda model, x: delattr(model.layer, "bias"),
    "deletes a module": lambda model, x: delattr(model, "norm"),
    "adds modules": add_modules,
    "replaces a parameter": setting("weight", nn.Parameter(torch.zeros(4, 4))),
    "replaces data": replace_data,
    "converts": lambda model, x: model.double(),
    "moves": lambda model, x: model.to("meta"),
    "requires no gradient": lambda model, x: model.requires_grad_(False),
    "clears its dictionary": lambda model, x: model.layer.__dict__.clear(),
    "initialises": lambda model, x: nn.init.ones_(model.layer.weight.detach()),
    "runs backward": backward_inside,
    "seeds": lambda model, x: torch.manual_seed(3),
    "sets the default dtype": lambda model, x: torch.set_default_dtype(torch.float64),
    "sets the number of threads": lambda model, x: torch.set_num_threads(torch.get_num_threads() + 1),
    "sets deterministic algorithms": lambda model, x: torch._C._set_deterministic_algorithms(True),
    "applies a function": lambda model, x: model._apply(lambda tensor: tensor * 0),
    "loads a state": lambda model, x: model.load_state_dict(
        {name: value * 0 for name, value in model.state_dict().items()}
    ),
    "prunes": lambda model, x: torch.nn.utils.prune.random_unstructured(model.layer, "weight", 0.5),
    "exits": leave,
}


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("reads_values", [False, True])
@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_a_misbehaving_forward_changes_nothing(name, mode, reads_values):
    class Misbehaves(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)

        def forward(self, x):
            if reads_values:
                float(x.sum())
            MISBEHAVIOUR[name](self, x)
            return self.norm(self.layer(x))

    model = Misbehaves()
    modules = dict(model.named_modules())
    held = {
        path: {key: (id(value), repr(value)) for key, value in module.__dict__.items()}
        for path, module in modules.items()
    }
    state = {key: (id(value), value.clone()) for key, value in model.state_dict(keep_vars=True).items()}
    random_state, num_threads = torch.get_rng_state(), torch.get_num_threads()
    with contextlib.suppress(ArchbenchError):
        run(model, mode=mode)
    assert dict(model.named_modules()) == modules
    for path, module in modules.items():
        assert {key: (id(value), repr(value)) for key, value in module.__dict__.items()} == held[path]
    for key, value in model.state_dict(keep_vars=True).items():
        assert id(value) == state[key][0]
        assert torch.equal(value, state[key][1])
        assert value.grad is None
        assert value.requires_grad == (value.is_floating_point() and "running" not in key)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.get_default_dtype() is torch.float32
    assert torch.get_num_threads() == num_threads
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("reads_values", [False, True])
def test_threads_may_trace_one_model_at_once(mode, reads_values):
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())
    model[1].eval()
    if reads_values:
        model.register_forward_pre_hook(lambda module, inputs: float(inputs[0].sum()) and None)
    before = {name: (id(value), value.clone()) for name, value in model.state_dict(keep_vars=True).items()}
    random_state, failed = torch.get_rng_state(), []

    def work():
        try:
            for _ in range(5):
                assert macs(run(model, mode=mode)) == (64 if mode == "train" else 32)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for name, value in model.state_dict(keep_vars=True).items():
        assert id(value) == before[name][0]
        assert torch.equal(value, before[name][1])
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert not any("forward" in module.__dict__ for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_model_may_be_trained_while_another_thread_traces_it():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    done, failed = threading.Event(), []

    def train():
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        try:
            while not done.is_set():
                optimizer.zero_grad()
                model(torch.ones(2, 4)).sum().backward()
                optimizer.step()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    for mode in ("eval", "train") * 5:
        run(model, mode=mode)
    done.set()
    thread.join()
    assert not failed


def test_a_trainable_tensor_in_a_closure_gets_no_gradient():
    weight = torch.ones(4, requires_grad=True)
    record = run(Holds(None, lambda held, x: None), mode="train")
    assert not record.has_external_tensors

    class Uses(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return self.layer(x) * weight

    record = run(Uses(), mode="train")
    assert record.has_external_tensors
    assert weight.grad is None
    assert weight.requires_grad


CONTEXTS = {
    "no_grad": torch.no_grad,
    "inference mode": torch.inference_mode,
    "meta": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "tensors saved on the CPU": torch.autograd.graph.save_on_cpu,
    "profiler": torch.profiler.profile,
    "FLOP counter": lambda: torch.utils.flop_counter.FlopCounterMode(display=False),
    "math kernels": lambda: torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
}


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_context_of_a_call_changes_no_count(name, mode):
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    expected = macs(run(model, mode=mode))
    state = {key: value.clone() for key, value in model.state_dict().items()}
    with CONTEXTS[name]():
        assert macs(run(model, mode=mode)) == expected
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_a_fake_tensor_mode_does_not_reach_the_run():
    from torch._subclasses.fake_tensor import FakeTensorMode

    model = nn.Linear(4, 4)
    with FakeTensorMode() as mode:
        for kind in ("eval", "train"):
            assert macs(run(model, mode=kind)) > 0
        assert torch.utils._python_dispatch._get_current_dispatch_mode() is mode


def test_a_compiled_model_is_counted_without_compiling_it():
    compiled = torch.compile(nn.Linear(4, 4))
    in_place = nn.Linear(4, 4)
    in_place.compile()
    for model in (compiled, in_place):
        assert macs(run(model)) == 32
    assert in_place._compiled_call_impl is not None


def test_attributes_of_parameters_are_kept():
    model = Holds(None)
    model.layer.weight.note = "kept"
    seen = []
    model.layer.register_forward_pre_hook(lambda module, _: seen.append(module.weight.note))
    run(model)
    assert seen == ["kept"]


def test_parametrized_weights_are_counted():
    model = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert macs(run(model)) == 32
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        old = nn.utils.weight_norm(nn.Linear(4, 4))
    weight = old.weight
    for mode in ("eval", "train"):
        assert not run(old, mode=mode).has_external_tensors
    assert old.weight is weight
    assert old.weight_g.grad is None


def test_data_parallel_is_counted_as_its_module():
    assert macs(run(nn.DataParallel(nn.Linear(4, 4)))) == 32


def test_the_values_of_a_sparse_input_and_of_a_sparse_buffer_stay_as_they_were():
    class Overwrites(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("table", torch.eye(4).to_sparse())

        def forward(self, x):
            x.coalesce().values().mul_(0)
            self.table._values().zero_()
            return torch.sparse.mm(x, torch.ones(4, 4))

    model, x = Overwrites(), torch.eye(4).to_sparse()
    trace(model, x)
    assert x.to_dense().sum() == 4
    assert model.table.to_dense().sum() == 4


def test_a_lazy_buffer_and_a_quantized_input_are_refused_in_one_line():
    with pytest.raises(InputError, match="has no shape yet"):
        trace(nn.LazyBatchNorm1d(affine=False), torch.empty(2, 4))
    with pytest.raises(InputError, match="inputs has a quantized tensor, which cannot be traced"):
        trace(nn.ReLU(), torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8))
    with pytest.raises(InputError, match="inputs has a nested tensor, which cannot be traced"):
        trace(nn.ReLU(), torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]))


def test_attributes_of_tensors_are_there_in_the_copy_and_stay_as_they_were():
    class Tagged(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.ones(4)
            self.scale.tags = [1]

        def forward(self, x):
            self.scale.tags.append(2)
            return x * self.scale * x.factor

    model, x = Tagged(), torch.ones(2, 4)
    x.factor = 3
    assert sum(operation.flops for operation in trace(model, x).operations) == 2 * 8
    assert (model.scale.tags, x.factor) == ([1], 3)
