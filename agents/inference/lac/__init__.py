"""The family `lac`: Chinese names of persons, organisations and places by Baidu's LAC, exported to ONNX."""
