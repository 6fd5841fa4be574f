"""What the notebooks of single branches display: one module a branch. Like `show`, they decide nothing."""
