/* The kernel's own, named by many; packet programs need nothing of it. */
