"""Networks at work: pixels to logits and embeddings, by ONNX Runtime or by torch; and the compiler."""
