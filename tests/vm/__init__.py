"""The live tests on Debian's own kernels, in a virtual machine: native nft queue, kernel WireGuard, kernel ESP."""
