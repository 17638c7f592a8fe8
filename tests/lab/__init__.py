"""The lab: network namespaces, real VPN software and innocent traffic around a gateway."""

from tests.lab.network import Lab, Node
from tests.lab.processes import LabError, Process

__all__ = ["Lab", "LabError", "Node", "Process"]
