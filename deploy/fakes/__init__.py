"""Stand-ins for the clouds of real makers: their own wire formats, logins and errors over the simulator's cars.

Written from what the makers document and what was recorded of them, not from our connectors, so that both cannot share
one misunderstanding. The cars, their sleep, their moods and the log that judges are the simulator's.
"""
