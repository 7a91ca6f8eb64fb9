"""What sentence vectors are trained towards: one file for each objective, and their mixture."""
