# the training script, left out here
