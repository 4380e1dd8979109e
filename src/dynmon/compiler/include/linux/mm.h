/* The kernel's own; what BPF code uses of it is in the dialect. */
