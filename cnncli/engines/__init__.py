"""Pixels to logits and embeddings, by ONNX Runtime, OpenVINO or torch; and the compiler of model.onnx."""
