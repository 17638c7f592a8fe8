"""The live edge: nft ruleset, NFQUEUE, kernel sets, lifecycle."""
