"""`rialto export` and `rialto verify`: what was kept, written out as objects that anybody can read and check."""
