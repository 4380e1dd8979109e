"""The command lines: polycubectl and dynmon."""
