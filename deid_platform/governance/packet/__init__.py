"""Evidence packets: what proves one release, written by the workflow before anything leaves."""

from deid_platform.governance.packet.write import Packet, write_packet

__all__ = ["Packet", "write_packet"]
