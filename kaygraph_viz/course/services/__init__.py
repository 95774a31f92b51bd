"""The local HTTP services and the data that is shipped with the package.

Belongs here: reading the shipped files (``datasets``), what the services answer (``endpoints``, ``text_service``), and
running them in real (``server``) or in simulated time (``in_process``). What is done with answers is in ``patterns``.
"""
