"""The local HTTP services and the data that is shipped with the package.

Belongs here: reading the shipped files (``datasets``), how a service behaves (``settings``), what it answers
(``endpoints``, ``responses``), the web application (``app``) and running it (``server``) in real or in simulated time
(``background``, ``in_process``). Does not belong here: what is done with records and answers (``patterns``).
"""
