"""Why a run was not faster."""
