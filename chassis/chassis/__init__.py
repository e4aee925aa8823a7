"""Common Ground's chassis: what every service stands on, so that a service is its rules and little else."""
