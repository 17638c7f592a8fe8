"""The nft text: what monitor mode cannot contain, what every mode must."""

from __future__ import annotations

import os
import subprocess

import pytest

from enforcer.config import Config
from enforcer.fingerprints.catalogue import all_shapes
from enforcer.gateway.ruleset import Backend, marks, removal, table


def config(**settings: object) -> Config:
    return Config.model_validate(settings)


MONITOR = config(mode="monitor", enforce=["wireguard", "openvpn", "ipsec"])
ENFORCE = config(mode="enforce", enforce=["wireguard", "openvpn", "ipsec"])


def statements(text: str) -> list[str]:
    return [line.split(" comment ")[0].strip() for line in text.splitlines()]


@pytest.mark.parametrize("backend", list(Backend))
def test_monitor_mode_has_nothing_that_could_stop_a_packet(backend: Backend) -> None:
    words = {word for line in statements(table(MONITOR, backend)) for word in line.split()}
    assert words.isdisjoint({"drop", "reject", "drop;"})
    assert not any("_rejected4" in word or "_rejected6" in word for word in words)


@pytest.mark.parametrize("backend", list(Backend))
def test_only_the_families_named_can_be_rejected(backend: Backend) -> None:
    text = table(config(mode="enforce", enforce=["openvpn"]), backend)
    assert "chain openvpn_verdict" in text
    assert "chain openvpn_reject" in text
    for family in ("wireguard", "ipsec"):
        assert f"{family}_verdict" not in text
        assert f"{family}_reject" not in text.replace(f"{family}_rejected", "")


def test_no_base_chain_drops_by_policy_and_every_queue_is_bypassed() -> None:
    lines = statements(table(ENFORCE, Backend.NATIVE))
    assert [line for line in lines if line.startswith("type filter hook")]
    assert all("policy accept;" in line for line in lines if line.startswith("type filter hook"))
    queues = [line for line in lines if line.startswith("queue")]
    assert queues
    assert all("bypass" in line for line in queues)


def test_silence_by_configuration() -> None:
    text = table(config(mode="enforce", enforce=["openvpn"], gateway={"reject": "drop"}), Backend.PAIRED)
    assert "reject with" not in text


def test_a_rejection_needs_the_mark_and_the_shape() -> None:
    lines = statements(table(ENFORCE, Backend.NATIVE))
    reached = [line for line in lines if line.endswith("_verdict") and " goto " in line]
    assert len(reached) == sum(len(shape.nft()) for shape in all_shapes())
    bits = marks(ENFORCE.gateway.mark_mask)
    acting = [line for line in lines if " counter name " in line and line.endswith(("_reject", " drop"))]
    by_mark = [line for line in acting if "_rejected4 counter" not in line and "_rejected6 counter" not in line]
    assert by_mark
    assert all(line.startswith(f"meta mark & {bits.mask:#x} == ") for line in by_mark)


@pytest.mark.parametrize("mask", [0x7, 0x70, 0x0F000000, 0xE0000000])
def test_no_bit_outside_the_mask_is_ever_changed(mask: int) -> None:
    bits = marks(mask)
    assert bits.mask & ~mask == 0
    assert bits.candidate | bits.reject | bits.drop_answer == bits.mask
    assert len({bits.candidate, bits.reject, bits.drop_answer}) == 3
    text = table(config(mode="enforce", enforce=["ipsec"], gateway={"mark_mask": mask}), Backend.PAIRED)
    changes = [line for line in statements(text) if "meta mark set" in line]
    assert changes
    for line in changes:
        kept, _, added = line.partition("meta mark set meta mark & ")[2].partition(" | ")
        assert int(kept, 16) | bits.mask == 0xFFFFFFFF
        assert int(added.removesuffix(" accept") or "0", 16) & ~bits.mask == 0


def test_several_queues_are_one_range() -> None:
    text = table(config(gateway={"queue": 10, "queues": 4}), Backend.NATIVE)
    assert "queue flags bypass to 10-13" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: asking the kernel about nft rules needs root")
@pytest.mark.parametrize("chosen", [MONITOR, ENFORCE, config()], ids=["monitor", "enforce", "default"])
def test_the_kernel_takes_the_table(chosen: Config) -> None:
    for text in (table(chosen, Backend.PAIRED), removal()):
        done = subprocess.run(["nft", "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_every_shape_is_reached_once_from_the_early_chain() -> None:
    lines = statements(table(ENFORCE, Backend.PAIRED))
    tested = [line for line in lines if line.endswith("_handshake") and " goto " in line]
    assert len(tested) == len(set(tested)) == sum(len(shape.nft()) for shape in all_shapes())
    chains = {line.split()[1] for line in lines if line.startswith("chain ")}
    jumped = {
        word for line in lines if "jump" in line for word in line.replace(",", " ").split() if word in chains
    }
    assert {name for name in chains if "_length_" in name or "_port_" in name or "_start_" in name} <= jumped
