"""From the bytes of a key to the text of a label, in steps whose names users of ebpf_exporter know."""

from __future__ import annotations

from dynmon.metrics.decoders.base import Decoder, Texts
from dynmon.metrics.decoders.numbers import (
    BoolDecoder,
    ErrnoDecoder,
    EtherTypeDecoder,
    IfnameDecoder,
    IntDecoder,
    KtimeDecoder,
    PortDecoder,
    ProtoDecoder,
    UintDecoder,
    VlanDecoder,
)
from dynmon.metrics.decoders.raw import (
    CidrDecoder,
    DnameDecoder,
    EnumDecoder,
    HexDecoder,
    InetIpDecoder,
    MacDecoder,
    PlainDecoder,
    StringDecoder,
)
from dynmon.metrics.decoders.texts import FileDecoder, RegexpDecoder, StaticMapDecoder
from dynmon.models import DecoderConfig

DECODERS: dict[str, type[Decoder]] = {
    decoder.name.value: decoder
    for decoder in (
        UintDecoder,
        IntDecoder,
        InetIpDecoder,
        MacDecoder,
        PortDecoder,
        ProtoDecoder,
        StringDecoder,
        HexDecoder,
        EnumDecoder,
        IfnameDecoder,
        DnameDecoder,
        EtherTypeDecoder,
        ErrnoDecoder,
        BoolDecoder,
        KtimeDecoder,
        CidrDecoder,
        VlanDecoder,
        StaticMapDecoder,
        RegexpDecoder,
        FileDecoder,
    )
}


def decoder_of(config: DecoderConfig) -> Decoder:
    """The decoder that a configuration asks for."""
    return DECODERS[config.name](config)


__all__ = ["DECODERS", "Decoder", "PlainDecoder", "Texts", "decoder_of"]
