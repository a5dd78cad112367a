"""LitServe with ONNX Runtime, Pillow and NumPy, in batches as its documentation shows. `litserve_server GRAPH SIDE SHORTER`."""

import base64
import io
import socket
import sys
import threading
import time
import urllib.request

import litserve
import numpy as np
import onnxruntime
from PIL import Image

MEAN = np.array([0.5, 0.5, 0.5], np.float32)
STD = np.array([0.5, 0.5, 0.5], np.float32)


class Classify(litserve.LitAPI):
    def setup(self, device):
        self.session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
        self.side, self.shorter = map(int, sys.argv[2:4])

    def decode_request(self, request):
        image = Image.open(io.BytesIO(base64.b64decode(request["image"]))).convert("RGB")
        scale = self.shorter / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.BICUBIC)
        left, top = (image.width - self.side) // 2, (image.height - self.side) // 2
        pixels = np.asarray(image.crop((left, top, left + self.side, top + self.side)), np.float32) / 255
        return ((pixels - MEAN) / STD).transpose(2, 0, 1)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, batch):
        return self.session.run(["logits"], {"images": batch})[0]

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        powers = np.exp(output - output.max())
        best = np.argsort(-output)[:5]
        return {"predictions": [[int(index), float(powers[index] / powers.sum())] for index in best]}


def announce(port):
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health")
            break
        except OSError:
            time.sleep(0.2)
    print(f"http://127.0.0.1:{port}", flush=True)


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    api = Classify(max_batch_size=8, batch_timeout=0.01)
    server = litserve.LitServer(api, accelerator="cpu", timeout=60)
    threading.Thread(target=announce, args=(port,), daemon=True).start()
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="error", pretty_logs=False)
