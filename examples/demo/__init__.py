"""The main demonstration: three real jobs, on threads and on a cluster, answers checked."""
