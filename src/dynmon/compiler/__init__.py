"""C source to BPF object: the dialect's headers, clang in a sandbox, a cache, diagnostics in the user's own lines."""

from dynmon.compiler.compiler import Artifact, Compiler
from dynmon.compiler.diagnostics import CompileError
from dynmon.compiler.spelling import Spelling

__all__ = ["Artifact", "CompileError", "Compiler", "Spelling"]
