"""The study: what Keras and LiteRT cost for one image and for many, measured on this machine.

`command` parses the options and runs the steps. `pictures` makes the inputs, `prepare` the model files (`twin` builds
the Keras network of a .tflite file), `graph` reads .tflite files, `sizes` and `working_set` count their bytes. `plan`
chooses the runs, `worker` is one of them, `runs` starts it and counts with `counters`, `fit` separates the start from
the cost of an image. `accuracy` counts right answers, `plots` and `report` present everything; `machine` describes the
computer.
"""
