"""How stages run on Faust: chunks in, one pass, everything durable, then acknowledged."""
