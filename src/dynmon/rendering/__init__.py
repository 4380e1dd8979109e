"""Rows of bytes → text: the parts of a line, and how a million lines are made of them."""

from dynmon.rendering.engine import ENGINE
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
    extent,
)
from dynmon.rendering.rendering import render, render_chunks, render_each

__all__ = [
    "ENGINE",
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
    "extent",
    "float_text",
    "render",
    "render_chunks",
    "render_each",
]
