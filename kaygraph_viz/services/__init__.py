"""The local HTTP services and the data that is shipped with the package.

Belongs here: reading the shipped files (``datasets``), the verification service (``app``) and running a service in
the background (``server``). Does not belong here: what is done with records and answers (``patterns``).
"""
