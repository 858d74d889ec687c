"""Records what a program computes for a picture, and makes the golden data of `catdog inspect --compare-with`."""
