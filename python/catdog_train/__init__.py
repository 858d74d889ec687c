"""Trains an image classifier on folders of images and exports it as an int8 .tflite model for catdogfilter.

`command` parses the options and runs the steps: `dataset` reads and splits the images, `network` builds the model,
`teacher` and `regression` compute its initial last layer, `augment` varies the training images, `training` runs the
epochs, `export` writes the .tflite model, and `measures` evaluates it.
"""
