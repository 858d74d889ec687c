"""A matrix of exported classifiers, which measures whether catdogfilter runs them with no property set.

`python3 -m export_matrix.build` trains small networks with Keras and exports each in many ways: with the scaling of the
pixels inside or outside of the graph, in every type of the converter, with every common output and input layout, with
and without signatures, metadata and labels files. For each exported model it stores the answers of the Python LiteRT
interpreter, fed as a correct caller feeds it. `python3 -m export_matrix.compare` runs each model through catdogfilter
and compares the answers. `scripts/export-matrix.sh` runs both; docs/design/benchmarks.md describes the method.
"""
