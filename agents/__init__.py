"""Where things happen: one thin module per stage, named by what it produces, and the engine that runs them."""
