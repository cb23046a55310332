// The scoring of a run.
