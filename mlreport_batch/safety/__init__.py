"""What stands between hostile input and everything else."""
