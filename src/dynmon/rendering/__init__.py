"""Rows of bytes → text: the parts of a line, and how a million lines are made of them."""

from dynmon.rendering.numbers import float_text
from dynmon.rendering.parts import (
    BitField,
    Choice,
    Float,
    Form,
    Hexadecimal,
    Integer,
    Ipv4,
    Ipv6,
    Literal,
    Mac,
    Part,
    Pick,
    Prefix,
    Repeat,
    Scaled,
    Text,
)
from dynmon.rendering.rendering import render, render_chunks

__all__ = [
    "BitField",
    "Choice",
    "Float",
    "Form",
    "Hexadecimal",
    "Integer",
    "Ipv4",
    "Ipv6",
    "Literal",
    "Mac",
    "Part",
    "Pick",
    "Prefix",
    "Repeat",
    "Scaled",
    "Text",
    "float_text",
    "render",
    "render_chunks",
]
