"""Channels: how a released bundle is carried to a place of the register, one file each.

A channel moves finished files and proves, by reading them back, that the other side holds the same
bytes. It decides nothing: `governance.sending` alone calls one, after authorisation, with a place
that the register allows. A file appears at the other side whole or not at all, and none is ever
replaced.
"""

from deid_platform.governance.channels.base import (
    Carrier,
    Channel,
    Parcel,
    Place,
    Receipt,
    carry,
    channel,
    channel_named,
    channel_names,
)

__all__ = [
    "Carrier",
    "Channel",
    "Parcel",
    "Place",
    "Receipt",
    "carry",
    "channel",
    "channel_named",
    "channel_names",
]
