"""The parts of a limit on the calls to a service, which `kaygraph_viz.execute.rates.rate_limit` puts together.

Belongs here: how much may begin in a window of time (``windows``), how many calls may be in progress at once
(``in_flight``), whose turn it is (``turns``), and asking from other processes (``owner``, ``remote``). Does not belong
here: what users call.
"""
