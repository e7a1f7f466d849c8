"""How D2EV is run: the command line, the brokers for every mode, and the files operators deploy."""
