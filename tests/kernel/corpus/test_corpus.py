"""Every bad program is refused at the stage, at the line, with the words and with the hint that it says."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest

from dynmon.bpf import Loader, ProgramType, attach_xdp
from dynmon.cubes import CubeRegistry
from dynmon.errors import DynmonError
from dynmon.models import AttachRequest, CubeConfig, validate_document
from tests.kernel.bpf.conftest import request_for
from tests.kernel.bpf.objects import COUNTER
from tests.kernel.corpus.cases import Case, load_cases
from tests.support import Veth, needs

pytestmark = needs("kernel", "clang")
CASES = load_cases()


def create(registry: CubeRegistry, name: str, hook: str, config: dict[str, Any], *, passive: bool = False) -> None:
    """Make a cube out of JSON."""
    document = {"type": hook, "passive": passive, "dataplane-config": config}
    registry.create(name, validate_document(CubeConfig, document, f"cube {name!r}"))


def refusal_of(registry: CubeRegistry, case: Case) -> dict[str, Any]:
    """The fields of the error that the daemon would answer with."""
    with pytest.raises(DynmonError) as caught:
        create(registry, case.name, case.hook, case.config, passive=case.passive)
    assert [] == registry.cubes()
    return {"detail": str(caught.value), **caught.value.fields()}


@pytest.mark.parametrize("case", [pytest.param(each, id=each.name, marks=needs(*each.needs.split())) for each in CASES])
def test_is_refused_as_it_says(registry: CubeRegistry, case: Case) -> None:
    """Stage, path, place, message, hint, and what the registers held."""
    refused = refusal_of(registry, case)
    finding = refused.get("diagnostics", [{}])[0]

    assert case.stage == refused["stage"]
    assert case.line == finding.get("line", 0)
    assert re.search(case.says, refused["detail"])
    assert re.search(case.hint, refused.get("hint", ""))
    assert refused["path"].removeprefix("dataplane-config.").startswith("ingress-path")
    assert refused["message"]
    if case.line:
        assert case.config["ingress-path"]["code"].split("\n")[case.line - 1] == finding["source-line"]
        # Where only the object is wrong, the line comes from a warning of clang's, in words of its own.
        assert case.stage == "open" or refused["message"] == finding["message"]
    if case.note:
        assert any(re.search(case.note, sentence) for sentence in refused["registers"])


PASS = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md) { return RX_OK; }"
CODE = {"ingress-path": {"code": PASS}}


def attach_refusal(registry: CubeRegistry, name: str, port: str) -> dict[str, Any]:
    """The fields of the error of an attachment; the cube is gone afterwards."""
    with pytest.raises(DynmonError) as caught:
        registry.attach(AttachRequest(cube=name, port=port))
    registry.delete(name)
    return dict(caught.value.fields())


def test_an_interface_without_native_xdp(registry: CubeRegistry) -> None:
    """Refused at the last stage, and as told as the others."""
    create(registry, "native", "XDP_DRV", CODE)
    refused = attach_refusal(registry, "native", "lo")

    assert ("attach", "ingress-path", "lo") == (refused["stage"], refused["path"], refused["interface"])
    assert "its driver has no XDP in 'drv' mode" == refused["message"]
    assert "XDP_SKB" in refused["hint"]


def test_an_interface_with_somebody_s_xdp_program(registry: CubeRegistry, veth: Veth) -> None:
    """The hint says how to take it off."""
    create(registry, "ours", "XDP_SKB", CODE)
    request = request_for(COUNTER % ("xdp", "XDP_PASS"), program_type=ProgramType.XDP)
    index = socket.if_nametoindex(veth.host)
    with (
        Loader() as loader,
        loader.load(request) as foreign,
        attach_xdp(foreign.program, index, "skb", interface_name=veth.host),
    ):
        refused = attach_refusal(registry, "ours", veth.host)

    assert ("attach", "ingress-path") == (refused["stage"], refused["path"])
    assert "interface already has an XDP program" in refused["message"]
    assert f"bpftool net detach xdp dev {veth.host}" in refused["hint"]


def test_a_public_map_of_another_cube(registry: CubeRegistry) -> None:
    """There is one of each name in the daemon."""
    config = {"ingress-path": {"code": f'BPF_TABLE_PUBLIC("hash", u32, u64, BOTH, 8);\n{PASS}'}}
    create(registry, "owner", "TC", config)
    with pytest.raises(DynmonError) as caught:
        create(registry, "other", "TC", config)
    registry.delete("owner")

    fields = caught.value.fields()
    assert ("check", "BOTH", "owner") == (fields["stage"], fields["map"], fields["owner"])
    assert "extern" in fields["hint"]


def test_there_are_enough() -> None:
    """Of each stage that code can be refused at, and in both spellings."""
    assert {"schema", "compile", "open", "load", "verify", "check"} == {case.stage for case in CASES}
    assert 130 < len(CASES)
    assert 12 < sum(case.passive for case in CASES)
    assert 20 < sum('SEC("' in case.config["ingress-path"].get("code", "") for case in CASES)
