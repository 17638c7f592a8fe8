"""What this kernel can do by itself. Where it cannot, the lab runs the same protocol in user space."""

from __future__ import annotations

import functools
import subprocess


@functools.cache
def has_wireguard() -> bool:
    """Whether the kernel has WireGuard devices."""
    return _works("ip link add wg0 type wireguard")


@functools.cache
def has_esp() -> bool:
    """Whether the kernel has IPsec: states of ESP with the cipher that the lab uses."""
    return _works(
        "ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 mode tunnel "
        f"aead 'rfc4106(gcm(aes))' 0x{'01' * 20} 128"
    )


@functools.cache
def has_native_queue() -> bool:
    """Whether nft has its ``queue`` statement here."""
    return _works(
        "nft 'table inet t { chain c { type filter hook forward priority 0; queue flags bypass to 1; }; }'"
    )


def _works(command: str) -> bool:
    # In a network namespace of its own, gone with the command.
    return (
        subprocess.run(["unshare", "--net", "sh", "-c", command], capture_output=True, check=False).returncode == 0
    )
