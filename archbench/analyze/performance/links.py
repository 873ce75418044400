"""The links over which devices exchange gradients: one within a host, and a network between hosts."""

from __future__ import annotations

from dataclasses import dataclass

from archbench.hardware.device import Device

# Ethernet that the devices of a host share. 100 Gbit/s is what AWS gives the eight T4, A10G or L4 of a g4dn.metal,
# g5.48xlarge or g6.48xlarge; 25 Gbit/s is a usual port of a workstation or a server with consumer cards.
_DATA_CENTER_ETHERNET_BYTES_PER_S = 100e9 / 8
_ETHERNET_BYTES_PER_S = 25e9 / 8


@dataclass(frozen=True, slots=True)
class Network:
    """A network between hosts: bytes per second and direction of each device's own adapter, or of a shared one."""

    name: str
    bytes_per_s: float
    is_shared: bool

    def host_bytes_per_s(self, devices: int) -> float:
        """Return what a host with this number of devices sends per second."""
        return self.bytes_per_s if self.is_shared else self.bytes_per_s * devices


@dataclass(frozen=True, slots=True)
class Links:
    """The link of a device to others in its host, in bytes per second and direction, and the network between hosts.

    A host holds up to `host_devices`. Without a network the link is the same between all devices.
    """

    name: str
    bytes_per_s: float
    host_devices: int = 8
    network: Network | None = None

    def ring_bytes_per_s(self, devices: int) -> float:
        """Return the rate of one link at which a ring over all devices would take as long as they do.

        Within a host that is its link. Over h hosts with g devices each, the bytes S are reduced and scattered within
        the host, each part is reduced over the hosts, and the sums are gathered within the host, each by a ring:
        2 (g - 1)/g S/link + 2 (h - 1)/h S/network, where the network is that of a host. This is the decomposition of
        Cho et al., BlueConnect: Decomposing All-Reduce for Deep Learning on Heterogeneous Network Hierarchy, 2019.
        Devices are spread evenly: the largest host decides within a host, the smallest between hosts.
        """
        hosts = self._hosts(devices)
        if self.network is None or hosts == 1:
            return self.bytes_per_s
        within_s = _ring(-(-devices // hosts)) / self.bytes_per_s
        between_s = _ring(hosts) / self.network.host_bytes_per_s(devices // hosts)
        return _ring(devices) / (within_s + between_s)

    def describe(self, devices: int) -> str:
        """Return the links between this number of devices in words, such as `NVLink 300 GB/s`."""
        link = f"{self.name} {_gb_per_s(self.bytes_per_s)}"
        if self.network is None or self._hosts(devices) == 1:
            return link
        name = f"shared {self.network.name}" if self.network.is_shared else self.network.name
        return f"{link}, {name} {_gb_per_s(self.network.bytes_per_s)} between hosts of {self.host_devices}"

    def _hosts(self, devices: int) -> int:
        return -(-devices // self.host_devices)


def published_links(device: Device) -> Links | None:
    """Return the link of a device and a usual network between its hosts, None for a device without a known link."""
    if device.interconnect_bytes_per_s is None:
        return None
    if device.network_bytes_per_s is not None:
        network = Network("InfiniBand", device.network_bytes_per_s, is_shared=False)
    else:
        rate = _DATA_CENTER_ETHERNET_BYTES_PER_S if device.is_data_center else _ETHERNET_BYTES_PER_S
        network = Network("Ethernet", rate, is_shared=True)
    return Links(device.interconnect, device.interconnect_bytes_per_s, device.host_devices, network)


def _ring(members: int) -> float:
    """Return the fraction of the bytes that a ring all-reduce sends over each link (Patarasu and Yuan 2009)."""
    return 2 * (members - 1) / members


def _gb_per_s(bytes_per_s: float) -> str:
    return f"{bytes_per_s / 1e9:g} GB/s"
