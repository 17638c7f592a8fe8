"""The configuration: what is accepted, and what every error says."""

from __future__ import annotations

from pathlib import Path

import pytest

from enforcer.config import Config
from enforcer.config_file import ConfigError, load, parse

HERE = Path("/etc/enforcer/enforcer.yaml")


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, HERE)
    return [str(problem) for problem in caught.value.problems]


def test_an_empty_file_watches_and_refuses_nothing() -> None:
    config = parse("", HERE)
    assert config == Config()
    assert (config.mode, config.enforce) == ("monitor", ())


def test_paths_are_relative_to_the_file() -> None:
    config = parse("registry: {files: [list.csv, /srv/list.yaml], memory: memory.json}", HERE)
    assert config.registry.files == (Path("/etc/enforcer/list.csv"), Path("/srv/list.yaml"))
    assert config.registry.memory == Path("/etc/enforcer/memory.json")


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("mode: enforc", "1: mode: 'enforc':", "'monitor' or 'enforce'"),
        (
            "mode: monitor\nenforce: [wireguard, pptp]",
            "2: enforce[1]: 'pptp':",
            "'wireguard', 'openvpn' or 'ipsec'",
        ),
        ("modes: monitor", "1: modes:", "is not a setting; expected one of audit, control"),
        ("gateway:\n  que: 1", "2: gateway.que:", "is not a setting; expected one of mark_mask, queue"),
        ("gateway: {queues: two}", "1: gateway.queues: 'two':", "valid integer"),
        ("gateway: {queue: true}", "1: gateway.queue: 'True':", "valid integer"),
        ("gateway: {queues: 17}", "1: gateway.queues: '17':", "less than or equal to 16"),
        ("gateway: {mark_mask: 0x5}", "1: gateway.mark_mask: '5':", "at least 3 bits in a row"),
        ("gateway: {queue: 65535, queues: 2}", "1: gateway.queues: '2':", "must stay below 65536"),
        (
            "subscribers:\n  prefixes:\n    - 10.0.0.0/33",
            "3: subscribers.prefixes[0]: '10.0.0.0/33':",
            "203.0.113.0/24",
        ),
        (
            "subscribers: {prefixes: [10.0.0.1/8]}",
            "prefixes[0]: '10.0.0.1/8':",
            "host bits set; the prefix is 10.0.0.0/8",
        ),
        ("subscribers: {interfaces: [a b]}", "interfaces[0]: 'a b':", "expected an interface name"),
        ("registry: {grace: 3 weeks}", "registry.grace: '3 weeks':", "30d"),
        ("registry: {grace: 29d}", "registry.grace: '29d':", "at least 30d"),
        ("registry: {timezone: Karachi}", "registry.timezone: 'Karachi':", "Asia/Karachi"),
        ("numbers: {region: Pakistan}", "numbers.region: 'Pakistan':", "PK"),
        ("metrics: {listen: localhost}", "metrics.listen: 'localhost':", "127.0.0.1:9469"),
        ("exempt: {resolvers: [dns.example]}", "exempt.resolvers[0]: 'dns.example':", "address"),
        ("exempt: {names: ['bad..name']}", "exempt.names[0]: 'bad..name':", "host name"),
        ("exempt: {wifi_calling: {networks: [41001]}}", "networks[0]: '41001':", '"410-01"'),
        ("lines: [{name: a, class: static}]", "1: lines[0]:", "needs prefixes"),
        ("lines: [{class: static, prefixes: [10.0.0.0/8]}]", "1: lines[0].name:", "is required"),
        (
            "lines: [{name: a, class: fixed, prefixes: [10.0.0.0/8]}]",
            "lines[0].class: 'fixed':",
            "'static' or 'mobile'",
        ),
        ("lines: [{name: a, class: static, nas: [x]}]", "lines[0]:", "nas belongs to lines of class mobile"),
        ("mode: monitor\nmode: enforce", "2: mode:", "stands twice"),
        ("mode: [", "1:", "is not valid YAML"),
        ("mode: 2026-02-30", "enforcer.yaml:", "no date or number: day is out of range"),
        ("gateway: {queue: " + "9" * 5000 + "}", "enforcer.yaml:", "no date or number"),
        ("mode: &a [*a]", "enforcer.yaml:", "nested too deeply"),
        ("mode: " + "[" * 3000 + "]" * 3000, "enforcer.yaml:", "nested too deeply"),
        ("enforce: wireguard", "1: enforce: 'wireguard':", "expected a list, for example [a, b]"),
        ("numbers: {region: NO}", "1: numbers.region: 'False':", "put it in quotes"),
        ("numbers: {region: XX}", "1: numbers.region: 'XX':", "no country"),
        ("registry: {files: [1]}", "1: registry.files[0]: '1':", "expected the path of a file"),
        ("metrics: [1]", "1: metrics:", "expected settings under it"),
        ("exempt: {names: [192.0.2.1]}", "exempt.names[0]: '192.0.2.1':", "addresses belong under prefixes"),
        ("exempt: {prefixes: ['fe80::1%eth0']}", "exempt.prefixes[0]: 'fe80::1%eth0':", "without a zone index"),
        ("exempt: {prefixes: ['::ffff:192.0.2.1']}", "exempt.prefixes[0]: '::ffff:192.0.2.1':", "plain IPv4"),
        (
            "lines:\n- {name: a, class: static, prefixes: [10.0.0.0/8]}\n"
            "- {name: b, class: mobile, prefixes: [10.0.0.0/8]}",
            "1: lines:",
            "10.0.0.0/8 stands in 'a' and in 'b'",
        ),
        ("radius: {clients: [{name: a, addresses: [192.0.2.1], secret_file: s}]}", "1: radius:", "clients need"),
        ("lines: [{name: a, class: static, prefixes: ['::/0']}]", "1: lines[0]", "::/0 is every address there is"),
        ("- mode", "1:", "expected keys and values"),
    ],
)
def test_an_error_names_file_line_field_value_and_what_was_expected(text: str, where: str, said: str) -> None:
    found = errors(text)
    assert len(found) == 1, found
    assert found[0].startswith(f"{HERE}:")
    assert where in found[0]
    assert said in found[0]


def test_one_error_does_not_hide_the_others_and_they_come_by_line() -> None:
    found = errors("mode: x\nregistry:\n  grace: y\nmetrics: {listen: z}\nmetric: 1\n")
    assert [line.split(":")[1] for line in found] == ["1", "3", "4", "5"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sessions: {file: a.csv, store: redis://x}", "sessions: file is for gateways without"),
        (
            "radius: {clients: [{name: a, addresses: [192.0.2.1], secret_file: s}]}",
            "clients need numbers.key_file",
        ),
    ],
)
def test_settings_that_contradict_each_other(text: str, said: str) -> None:
    assert said in errors(text)[0]


def test_paths_in_lists_are_relative_to_the_file_too() -> None:
    text = "numbers: {key_file: k}\nradius: {clients: [{name: a, addresses: [192.0.2.1], secret_file: s}]}"
    assert parse(text, HERE).radius.clients[0].secret_file == Path("/etc/enforcer/s")


def test_a_section_with_every_line_commented_out_has_its_defaults() -> None:
    assert parse("registry:\n  # files: [x]\nexempt:\n  wifi_calling:\n", HERE) == Config()


def test_two_lines_of_one_name_are_refused() -> None:
    line = "{name: a, class: static, prefixes: [10.0.0.0/8]}"
    assert "two lines are named 'a'" in errors(f"lines: [{line}, {line}]")[0]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, said in (
        (tmp_path / "missing.yaml", "does not exist"),
        (tmp_path, "is a directory; expected a YAML file"),
        (binary, "is not UTF-8 text"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(path) in str(caught.value)
        assert said in str(caught.value)


def test_the_commented_example_is_valid_and_watches(repository: Path) -> None:
    example = repository / "config" / "enforcer.example.yaml"
    config = load(example)
    assert config.mode == "monitor"
    assert all(file.exists() for file in config.registry.files)
    # Its list has numbers, and the first commands a new operator tries are questions.
    assert config.numbers.key_file is not None
    assert config.control.socket is not None
