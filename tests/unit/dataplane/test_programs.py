"""Which of an object's programs is taken, by its section, its direction, or the user's word."""

from __future__ import annotations

import pytest

from dynmon.bpf import ObjectFacts, ProgramFacts
from dynmon.dataplane.programs import UnusableProgram, choose_program
from dynmon.models import Direction, Hook, PathConfig

LIBBPF_TYPES = {"tc": 3, "classifier": 3, "action": 4, "xdp": 6, "xdp.frags": 6, "xdp/devmap": 6, "kprobe/tcp_close": 2}


def facts_of(**sections: str) -> ObjectFacts:
    """An object with programs by name and section; libbpf knows the type of a few exact sections only."""
    programs = tuple(
        ProgramFacts(
            name=name,
            section=section,
            program_type=LIBBPF_TYPES.get(section, 0),
            instructions=2,
            helpers=(),
            maps=(),
        )
        for name, section in sections.items()
    )
    return ObjectFacts(programs=programs, maps=(), btf=b"", license="GPL")


def choose(facts, *, direction=Direction.INGRESS, hook=Hook.TC, called=(), **config):
    return choose_program(PathConfig(code="x", **config), facts, direction, hook, called)


@pytest.mark.parametrize(
    "section", ["tc", "tc/ingress", "tcx/ingress", "classifier", "action", "tc_ingress", "ingress"]
)
def test_a_section_of_tc_is_for_tc(section):
    assert "count" == choose(facts_of(count=section, other="xdp"))


@pytest.mark.parametrize("section", ["xdp", "xdp.frags", "xdp_tx", "XDP"])
def test_a_section_of_xdp_is_for_xdp(section):
    assert "count" == choose(facts_of(count=section, other="tc"), hook=Hook.XDP)


def test_the_direction_is_told_by_the_section():
    facts = facts_of(first="tcx/ingress", second="tcx/egress")

    assert "first" == choose(facts, direction=Direction.INGRESS)
    assert "second" == choose(facts, direction=Direction.EGRESS)


def test_the_direction_is_told_by_the_name_where_the_section_is_silent():
    facts = facts_of(flow_ingress="tc", flow_egress="tc")

    assert "flow_egress" == choose(facts, direction=Direction.EGRESS)


def test_a_single_program_serves_both_directions():
    assert "count" == choose(facts_of(count="tc"), direction=Direction.EGRESS)
    assert "count" == choose(facts_of(count="tc/ingress"), direction=Direction.EGRESS)


def test_a_program_without_a_telling_section_is_taken_when_it_is_alone():
    assert "main" == choose(facts_of(main="prog"))
    assert "main" == choose(facts_of(main="prog"), hook=Hook.XDP)
    assert "count" == choose(facts_of(main="prog", count="tc"))


def test_programs_of_other_kinds_are_never_taken():
    assert "count" == choose(facts_of(closed="kprobe/tcp_close", count="tc"))
    with pytest.raises(UnusableProgram, match="no program for tc; it has: closed"):
        choose(facts_of(closed="kprobe/tcp_close"))


def test_a_program_for_a_devmap_is_never_taken():
    assert "main" == choose(facts_of(main="xdp", behind="xdp/devmap"), hook=Hook.XDP)
    with pytest.raises(UnusableProgram, match="does not run on packets"):
        choose(facts_of(behind="xdp/devmap"), hook=Hook.XDP, program="behind")


def test_what_is_only_called_is_not_taken():
    assert "first" == choose(facts_of(first="tc", second="tc"), called={"second"})


def test_the_user_says_which():
    facts = facts_of(one="tc", two="tc", odd="prog")

    assert "two" == choose(facts, program="two")
    assert "odd" == choose(facts, program="odd")


def test_several_programs_are_a_question():
    with pytest.raises(UnusableProgram, match=r"2 programs for tc: one \(tc\), two \(tc\)") as refused:
        choose(facts_of(one="tc", two="tc"))

    assert '"program": "one"' in refused.value.hint
    assert [{"name": "one", "section": "tc"}, {"name": "two", "section": "tc"}] == refused.value.fields()["programs"]


def test_a_name_that_is_not_there_lists_those_that_are():
    with pytest.raises(UnusableProgram, match=r"no program called 'three'; it has: one \(tc\)"):
        choose(facts_of(one="tc"), program="three")


def test_a_program_for_the_other_hook_says_what_to_do():
    with pytest.raises(UnusableProgram, match="for xdp, this path runs at tc") as refused:
        choose(facts_of(one="xdp"), program="one")
    assert "XDP_SKB" in refused.value.hint

    with pytest.raises(UnusableProgram, match=r"no program for tc, but: one \(xdp\)") as refused:
        choose(facts_of(one="xdp"), direction=Direction.EGRESS)
    assert "received packets only" in refused.value.hint


def test_the_program_type_overrules_a_misleading_section():
    facts = facts_of(one="xdp_like_name_for_tc")

    with pytest.raises(UnusableProgram):
        choose(facts)
    assert "one" == choose(facts, program="one", program_type="tc")
    assert "one" == choose(facts, program_type="tc")


def test_a_kprobe_by_name_is_refused():
    with pytest.raises(UnusableProgram, match="does not run on packets"):
        choose(facts_of(closed="kprobe/tcp_close"), program="closed", program_type="tc")
