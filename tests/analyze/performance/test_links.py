from __future__ import annotations

from dataclasses import replace

import pytest

from archbench.analyze.performance.links import Links, published_links
from archbench.analyze.performance.parallelism import STAGE_DELAY_S, all_reduce_s
from archbench.hardware.find import find_device


def links_of(name):
    links = published_links(find_device(name))
    assert links is not None
    return links


@pytest.mark.parametrize(
    ("name", "devices", "all_reduce_of_1_gb_s"),
    [
        # One host: 2 * 7/8 GB over NVLink's 300 GB/s.
        ("a100", 8, 1.75 / 300),
        # Two hosts of 8: 2 * 7/8 GB over 300 GB/s, then 2 * 1/2 GB over the 8 x 25 GB/s of a host.
        ("a100", 16, 1.75 / 300 + 1 / 200),
        # Hosts of 5 and 4: 2 * 4/5 GB within the larger, 1 GB over the four adapters of the smaller.
        ("a100", 9, 1.6 / 300 + 1 / 100),
        # Eight hosts of 8: 2 * 7/8 GB within, 2 * 7/8 GB over 8 x 50 GB/s.
        ("h100", 64, 1.75 / 450 + 1.75 / 400),
        # Two hosts of 6 share an adapter each of 25 Gbit/s = 3.125 GB/s, of 100 Gbit/s = 12.5 GB/s for data centers.
        ("rtx4090", 12, 2 * 5 / 6 / 31.5 + 1 / 3.125),
        ("t4", 12, 2 * 5 / 6 / 15.75 + 1 / 12.5),
    ],
)
def test_an_all_reduce_within_and_between_hosts(name, devices, all_reduce_of_1_gb_s):
    rate = links_of(name).ring_bytes_per_s(devices)
    # A ring over all devices at that rate: 2 (N - 1)/N GB.
    assert 2 * (devices - 1) / devices * 1e9 / rate == pytest.approx(all_reduce_of_1_gb_s)


def test_the_time_of_an_all_reduce_has_the_delays_of_its_stages():
    # As above for two hosts of 8, and 2 * log2(16) stages.
    expected_s = 1.75 / 300 + 1 / 200 + 8 * STAGE_DELAY_S
    assert all_reduce_s(1e9, 16, links_of("a100").ring_bytes_per_s(16)) == pytest.approx(expected_s)


def test_a_given_link_is_the_same_between_all_devices():
    given = Links("as given", 25e9)
    assert {given.ring_bytes_per_s(devices) for devices in (1, 2, 8, 9, 1024)} == {25e9}
    assert given.describe(1024) == "as given 25 GB/s"


def test_a_device_decides_how_many_of_it_a_host_holds():
    four = published_links(replace(find_device("a100"), host_devices=4))
    # 2 * 3/4 GB over 300 GB/s, 2 * 1/2 GB over 4 x 25 GB/s.
    assert 1.75e9 / four.ring_bytes_per_s(8) == pytest.approx(1.5 / 300 + 1 / 100)
    assert four.describe(8) == "NVLink 300 GB/s, InfiniBand 25 GB/s between hosts of 4"


@pytest.mark.parametrize(
    ("name", "devices", "text"),
    [
        ("h100", 8, "NVLink 450 GB/s"),
        ("h100", 9, "NVLink 450 GB/s, InfiniBand 50 GB/s between hosts of 8"),
        ("mi300x", 2, "Infinity Fabric 448 GB/s"),
        ("l4", 16, "PCIe 31.5 GB/s, shared Ethernet 12.5 GB/s between hosts of 8"),
        ("rtx5090", 16, "PCIe 63 GB/s, shared Ethernet 3.125 GB/s between hosts of 8"),
    ],
)
def test_links_are_named_with_their_rates(name, devices, text):
    assert links_of(name).describe(devices) == text


def test_a_device_without_a_known_link_has_none():
    assert published_links(find_device("m1")) is None
