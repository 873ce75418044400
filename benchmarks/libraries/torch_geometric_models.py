"""Layers and models of torch_geometric on a ring of twelve nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch_geometric.nn as g
from torch import Tensor, nn

from libraries.case import Case, image

NODES, WIDTH, OUT = 12, 16, 32


def _mlp(inputs: int = WIDTH) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, OUT), nn.ReLU(), nn.Linear(OUT, OUT))


def _edges(batch: int) -> Tensor:
    """Return a ring's edges, those of each sample apart."""
    nodes = torch.arange(NODES)
    ring = torch.stack([torch.cat([nodes, (nodes + 1) % NODES]), torch.cat([(nodes + 1) % NODES, nodes])])
    return torch.cat([ring + NODES * sample for sample in range(batch)], dim=1)


def _graph(batch: int) -> Any:
    return {"x": image(NODES * batch, WIDTH), "edge_index": _edges(batch)}


def _typed(batch: int) -> Any:
    edges = _edges(batch)
    return {**_graph(batch), "edge_type": torch.arange(edges.shape[1]) % 3}


def _featured(batch: int) -> Any:
    edges = _edges(batch)
    return {**_graph(batch), "edge_attr": image(edges.shape[1], 4)}


def _positioned(batch: int) -> Any:
    return {**_graph(batch), "pos": image(NODES * batch, 3)}


PLAIN: dict[str, Callable[[], nn.Module]] = {
    "ARMAConv": lambda: g.ARMAConv(WIDTH, OUT),
    "AntiSymmetricConv": lambda: g.AntiSymmetricConv(WIDTH),
    "ChebConv": lambda: g.ChebConv(WIDTH, OUT, K=3),
    "ClusterGCNConv": lambda: g.ClusterGCNConv(WIDTH, OUT),
    "EGConv": lambda: g.EGConv(WIDTH, OUT),
    "EdgeConv": lambda: g.EdgeConv(_mlp(2 * WIDTH)),
    "FeaStConv": lambda: g.FeaStConv(WIDTH, OUT, heads=2),
    "FiLMConv": lambda: g.FiLMConv(WIDTH, OUT),
    "GATConv": lambda: g.GATConv(WIDTH, OUT, heads=2),
    "GATv2Conv": lambda: g.GATv2Conv(WIDTH, OUT, heads=2),
    "GCNConv": lambda: g.GCNConv(WIDTH, OUT),
    "GENConv": lambda: g.GENConv(WIDTH, OUT),
    "GINConv": lambda: g.GINConv(_mlp()),
    "GPSConv": lambda: g.GPSConv(WIDTH, g.GCNConv(WIDTH, WIDTH), heads=2),
    "GatedGraphConv": lambda: g.GatedGraphConv(OUT, num_layers=2),
    "GeneralConv": lambda: g.GeneralConv(WIDTH, OUT),
    "GraphConv": lambda: g.GraphConv(WIDTH, OUT),
    "LEConv": lambda: g.LEConv(WIDTH, OUT),
    "MFConv": lambda: g.MFConv(WIDTH, OUT),
    "MixHopConv": lambda: g.MixHopConv(WIDTH, OUT),
    "ResGatedGraphConv": lambda: g.ResGatedGraphConv(WIDTH, OUT),
    "SAGEConv": lambda: g.SAGEConv(WIDTH, OUT),
    "SGConv": lambda: g.SGConv(WIDTH, OUT, K=2),
    "SSGConv": lambda: g.SSGConv(WIDTH, OUT, alpha=0.1, K=2),
    "SuperGATConv": lambda: g.SuperGATConv(WIDTH, OUT),
    "TAGConv": lambda: g.TAGConv(WIDTH, OUT),
    "TransformerConv": lambda: g.TransformerConv(WIDTH, OUT, heads=2),
    "GraphSAGE": lambda: g.GraphSAGE(WIDTH, OUT, num_layers=2),
    "GAT": lambda: g.GAT(WIDTH, OUT, num_layers=2),
    "GCN": lambda: g.GCN(WIDTH, OUT, num_layers=2),
    "GIN": lambda: g.GIN(WIDTH, OUT, num_layers=2),
    "PNA": lambda: g.PNA(
        WIDTH, OUT, num_layers=2, aggregators=["mean", "max"], scalers=["identity"], deg=torch.tensor([0, 0, 12])
    ),
}  # fmt: skip
TYPED: dict[str, Callable[[], nn.Module]] = {
    "RGCNConv": lambda: g.RGCNConv(WIDTH, OUT, num_relations=3),
    "FastRGCNConv": lambda: g.FastRGCNConv(WIDTH, OUT, num_relations=3),
    "RGATConv": lambda: g.RGATConv(WIDTH, OUT, num_relations=3),
}
FEATURED: dict[str, Callable[[], nn.Module]] = {
    "CGConv": lambda: g.CGConv(WIDTH, dim=4),
    "GINEConv": lambda: g.GINEConv(_mlp(), edge_dim=4),
    "GMMConv": lambda: g.GMMConv(WIDTH, OUT, dim=4, kernel_size=2),
    "NNConv": lambda: g.NNConv(WIDTH, OUT, nn.Linear(4, WIDTH * OUT)),
    "PDNConv": lambda: g.PDNConv(WIDTH, OUT, edge_dim=4, hidden_channels=8),
}
POSITIONED: dict[str, Callable[[], nn.Module]] = {
    "PointNetConv": lambda: g.PointNetConv(_mlp(WIDTH + 3)),
    "PointTransformerConv": lambda: g.PointTransformerConv(WIDTH, OUT),
}


def cases() -> Iterator[Case]:
    """Yield the layers by the inputs that they take."""
    for layers, inputs in ((PLAIN, _graph), (TYPED, _typed), (FEATURED, _featured), (POSITIONED, _positioned)):
        for name, build in layers.items():
            yield Case("torch_geometric", name, partial(build), inputs)
